#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater {

// Sockets that the programs listen on, made before privileges are dropped.

// Makes place for a unix socket: its directory if that is missing, and takes
// away a socket that nobody answers on any more. An error if somebody does, or
// if there is something other than a socket.
absl::Status ClearSocketPath(const std::string& path);

// chmod that follows no link, where /proc is there. False: errno says why.
bool SetModeOfNoLink(const std::string& path, mode_t mode);

// The group (a name or a number; empty: as it is) and the permissions of a
// socket file. `owner` is who is to have it when root makes it: the next start
// may be that user's, and nobody else may see whether a socket is still in use,
// or take it away.
absl::Status SetSocketAccess(const std::string& path, const std::string& group,
                             mode_t mode,
                             std::optional<uid_t> owner = std::nullopt);

// A listening stream socket, non-blocking, that the caller owns. `spec` is
// "unix:/path", "inet:192.0.2.1:10040" or "inet:[2001:db8::1]:10040"; group,
// mode and owner only count for unix sockets. A TCP port of 0 means any.
absl::StatusOr<int> Listen(std::string_view spec, const std::string& group,
                           mode_t mode,
                           std::optional<uid_t> owner = std::nullopt);

}  // namespace breakwater
