#include "daemon/link/host_sockets.h"

#include <string>

#include "core/base/log.h"

namespace breakwater {

std::optional<uint64_t> HostSockets::Find(const Connection& connection) {
  const std::lock_guard lock(mutex_);
  if (!diag_) {
    absl::StatusOr<SockDiag> diag = SockDiag::Open();
    if (!diag.ok()) return Failed(diag.status());
    diag_.emplace(*std::move(diag));
  }
  const absl::StatusOr<std::optional<TcpSocket>> socket =
      diag_->Find(connection);
  if (!socket.ok()) return Failed(socket.status());
  // One that an MTA can have accepted: not half open, and not our own.
  if (!socket->has_value() || (*socket)->IsHalfOpen()) return 0;
  const absl::StatusOr<bool> accepted = diag_->IsOfAListener(**socket);
  if (!accepted.ok()) return Failed(accepted.status());
  if (!*accepted) return 0;
  const auto& cookie = (*socket)->cookie;
  return uint64_t{cookie[1]} << 32 | cookie[0];
}

std::optional<uint64_t> HostSockets::Failed(const absl::Status& status) {
  if (const auto held_back = complaints_.Admit()) {
    Log(Severity::kWarning, "sockets-unseen")
        .Add("why", std::string(status.message()))
        .Add("held_back", *held_back);
  }
  return std::nullopt;
}

}  // namespace breakwater
