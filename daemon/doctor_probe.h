#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/address.h"
#include "daemon/file_descriptor.h"

namespace breakwater {

// A network namespace at the other end of a cable, from which two addresses
// speak that nobody has: 198.51.100.2 and .3, of a range kept for examples (RFC
// 5737). The host gets no address and no rule for it, only an interface, and
// routes to the two; all of it is gone with this object, and at the latest with
// the process. Needs root.
class DoctorProbe {
 public:
  static constexpr char kBanned[] = "198.51.100.2";
  static constexpr char kAllowed[] = "198.51.100.3";
  static constexpr char kInterface[] = "bw-doctor";

  enum class Answer : uint8_t { kNone, kAccepted, kReset };

  // To an address of this host's.
  static absl::StatusOr<std::unique_ptr<DoctorProbe>> Make(
      const IpAddress& server);
  ~DoctorProbe();

  // Sends SYNs and waits for what comes back. The mail server never sees a
  // connection: what it would answer to is reset.
  absl::StatusOr<Answer> Send(const std::string& from, uint16_t port);

 private:
  DoctorProbe(const IpAddress& server, FileDescriptor home,
              FileDescriptor there)
      : server_(server), home_(std::move(home)), there_(std::move(there)) {}
  absl::Status Connect();
  absl::Status RunThere(const std::vector<std::string>& words);

  const IpAddress server_;
  const FileDescriptor home_;
  const FileDescriptor there_;
};

}  // namespace breakwater
