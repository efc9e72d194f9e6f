#include "daemon/protection/ssh_peers.h"

#include <algorithm>
#include <utility>

namespace breakwater {
namespace {

constexpr Duration kPause = std::chrono::seconds(5);
constexpr int kLookShare = 20;

}  // namespace

absl::StatusOr<SshPeers> SshPeers::Open() {
  absl::StatusOr<SockDiag> sockets = SockDiag::Open();
  if (!sockets.ok()) return sockets.status();
  return SshPeers(*std::move(sockets));
}

void SshPeers::SetOptions(SshPeersOptions options) {
  if (options == options_) return;
  options_ = std::move(options);
  next_ = {};
}

absl::StatusOr<bool> SshPeers::Refresh(Instant now) {
  if (now < next_) return false;
  const Instant begin = Clock::now();
  const absl::Status looked = Look(now);
  next_ = now + std::max<Clock::duration>(kPause,
                                          kLookShare * (Clock::now() - begin));
  if (!looked.ok()) return looked;

  absl::erase_if(protected_,
                 [now](const auto& entry) { return entry.second <= now; });
  std::vector<IpAddress> addresses;
  for (const auto& [peer, until] : protected_) addresses.push_back(peer);
  std::ranges::sort(addresses);
  const bool another = addresses != addresses_;
  addresses_ = std::move(addresses);
  return another;
}

absl::Status SshPeers::Look(Instant now) {
  absl::flat_hash_map<Cookie, Instant> open;
  std::vector<IpAddress> lasting;
  const auto each = [&](const TcpSocket& socket) {
    const IpAddress& peer = socket.connection.client;
    // sock_diag(7) takes a port of 0 for any.
    if (std::ranges::find(options_.ports, socket.connection.server_port) ==
            options_.ports.end() ||
        AlwaysProtected().Find(peer)) {
      return;
    }
    const auto before = connections_.find(socket.cookie);
    const Instant since = before == connections_.end() ? now : before->second;
    if (before != connections_.end() || open.size() < kMostConnections) {
      open.emplace(socket.cookie, since);
    }
    if (now - since >= options_.after) lasting.push_back(peer);
  };
  // One walk over all sockets is cheaper than one for each port.
  const uint16_t only = options_.ports.size() == 1 ? options_.ports[0] : 0;
  const absl::Status status = sockets_.ForEachOpen(only, each);
  if (status.ok()) connections_ = std::move(open);
  // Who is known first: nobody who is still here makes room for another.
  const Instant until = now + options_.keep;
  for (const IpAddress& peer : lasting) {
    const auto known = protected_.find(peer);
    if (known != protected_.end()) known->second = until;
  }
  for (const IpAddress& peer : lasting) Protect(peer, until);
  return status;
}

void SshPeers::Protect(const IpAddress& peer, Instant until) {
  if (!protected_.contains(peer) && protected_.size() >= kMost) {
    const auto oldest = std::ranges::min_element(
        protected_, {}, [](const auto& entry) { return entry.second; });
    if (oldest->second >= until) return;
    protected_.erase(oldest);
  }
  protected_[peer] = until;
}

}  // namespace breakwater
