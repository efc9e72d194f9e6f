#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "daemon/file_descriptor.h"
#include "daemon/privileges.h"

namespace breakwater {

// The unix socket (SOCK_SEQPACKET) on which the enforcer waits for the daemon.
//
// Who may connect is said twice. By the file: made by root it belongs to the
// daemon's user, mode 0600; made without root it is 0660 with the daemon's
// group, of which the enforcer's user must then be a member. And by
// CheckPeer: the kernel must say that the peer is the daemon's user or runs as
// the same user as we do. Root is nobody special here.
//
// A missing directory is made for both programs: with mode 1775 and the
// daemon's group, so that each can put its socket there and neither can take
// away the other's.

// Makes the socket, non-blocking. A socket file that nobody answers on any more
// is taken away; AlreadyExists if somebody does.
absl::StatusOr<FileDescriptor> ListenForDaemon(const std::string& path,
                                               const UserIds& daemon);

// Whether the peer is one of these users; the error says who it is.
absl::Status CheckPeer(int fd, absl::Span<const uid_t> accepted);

}  // namespace breakwater
