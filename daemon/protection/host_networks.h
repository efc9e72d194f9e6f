#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/netlink.h"
#include "core/types/record.h"

namespace breakwater {

struct ProtectedNetwork {
  Network network;
  ProtectionSource source = ProtectionSource::kConfigured;

  auto operator<=>(const ProtectedNetwork&) const = default;
};

// What this host must never ban because of what it is: its own addresses and
// the gateways of its routes, of both families, by rtnetlink(7). What
// AlwaysProtected() covers anyway is left out. One thread; acts in the network
// namespace of the thread that opened it.
class HostNetworks {
 public:
  static absl::StatusOr<HostNetworks> Open();

  // Reads again if the kernel has told of a change or the last reading is 30 s
  // old; a host whose routes change all the time is read no more often than
  // once in 20 times as long as a reading takes. Returns whether the list is
  // another than before. The first call always reads.
  absl::StatusOr<bool> Refresh(Instant now);
  const std::vector<ProtectedNetwork>& networks() const { return networks_; }

  // Becomes readable when something has changed.
  int fd() const { return changes_.fd(); }

 private:
  HostNetworks(NetlinkSocket questions, NetlinkSocket changes)
      : questions_(std::move(questions)), changes_(std::move(changes)) {}

  absl::StatusOr<std::vector<ProtectedNetwork>> Read();

  NetlinkSocket questions_;
  NetlinkSocket changes_;
  std::vector<ProtectedNetwork> networks_;  // in order, each once
  bool has_read_ = false;
  bool changed_ = false;
  Instant next_regular_;
  Instant not_before_;
};

}  // namespace breakwater
