#pragma once

#include <mutex>
#include <optional>

#include "core/base/log_limit.h"
#include "core/ports/sockets.h"
#include "reaper/sock_diag.h"

namespace breakwater {

// Asks this host's kernel over sock_diag(7), which needs no privilege: about
// 3 us.
//
// The daemon does it itself, although what else is netlink is the enforcer's:
// the look must be over before the MTA gets its answer, for a client may be
// gone a moment later, and an enforcer that is asked would put its queue, and
// its death, in front of every reply.
class HostSockets : public Sockets {
 public:
  std::optional<uint64_t> Find(const Connection& connection) override;

 private:
  // Whoever cannot look says so; nobody is banned meanwhile.
  std::optional<uint64_t> Failed(const absl::Status& status);

  std::mutex mutex_;
  std::optional<SockDiag> diag_;  // guarded by mutex_; opened when needed
  LogLimit complaints_{1, std::chrono::hours(1)};
};

}  // namespace breakwater
