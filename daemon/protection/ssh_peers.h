#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "daemon/config/config.h"
#include "reaper/sock_diag.h"

namespace breakwater {

// Who works on this host over SSH now, or did of late: the other ends of
// connections to sshd's ports that have lasted. Found by sock_diag(7), and so
// in the network namespace of the thread that opened it. One thread. At most
// kMost addresses and kMostConnections connections.
class SshPeers {
 public:
  static constexpr size_t kMost = 100;
  static constexpr size_t kMostConnections = 10'000;

  static absl::StatusOr<SshPeers> Open();
  void SetOptions(SshPeersOptions options);

  // Looks again if the last time is 5 s ago, or, on a host with very many
  // sockets, 20 times as long as a look takes. Returns whether the list is
  // another than before.
  absl::StatusOr<bool> Refresh(Instant now);
  // In order, each once. Loopback and link-local ones are not among them.
  const std::vector<IpAddress>& addresses() const { return addresses_; }

 private:
  using Cookie = std::array<uint32_t, 2>;

  explicit SshPeers(SockDiag sockets) : sockets_(std::move(sockets)) {}

  absl::Status Look(Instant now);
  void Protect(const IpAddress& peer, Instant until);

  SockDiag sockets_;
  SshPeersOptions options_;
  absl::flat_hash_map<Cookie, Instant> connections_;   // since when
  absl::flat_hash_map<IpAddress, Instant> protected_;  // until when
  std::vector<IpAddress> addresses_;
  Instant next_;
};

}  // namespace breakwater
