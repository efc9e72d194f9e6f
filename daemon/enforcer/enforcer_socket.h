#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/file_descriptor.h"
#include "daemon/system/privileges.h"

namespace breakwater {

// The unix socket (SOCK_SEQPACKET) on which the enforcer waits for the daemon.
//
// Who may connect is said twice. By the file: it is the enforcer's user's, 0660
// with the daemon's group, of which that user must be a member unless root
// makes it. Root gives it to that user, who could not take it away otherwise at
// the next start, without root. Made by the daemon's own user it is 0600. And
// by CheckPeer: the kernel must say that the peer is the daemon's user or runs
// as the same user as we do. Root is nobody special here.
//
// A missing directory is made for both programs: with mode 1775 and the
// daemon's group, so that each can put its socket there and neither can take
// away the other's.

// Makes the socket, non-blocking. A socket file that nobody answers on any more
// is taken away; AlreadyExists if somebody does.
absl::StatusOr<FileDescriptor> ListenForDaemon(const std::string& path,
                                               const UserIds& daemon,
                                               uid_t enforcer);

// Whether the peer is one of these users; the error says who it is.
absl::Status CheckPeer(int fd, absl::Span<const uid_t> accepted);

}  // namespace breakwater
