#pragma once

#include <sys/socket.h>

#include <optional>

namespace breakwater {

// Who connected a unix socket, or listened at its other end, as the kernel
// vouches for (unix(7), SO_PEERCRED). Nothing if it does not; errno says why.
inline std::optional<ucred> PeerOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return std::nullopt;
  }
  return peer;
}

inline std::optional<uid_t> PeerUser(int socket) {
  const std::optional<ucred> peer = PeerOf(socket);
  return peer ? std::optional(peer->uid) : std::nullopt;
}

}  // namespace breakwater
