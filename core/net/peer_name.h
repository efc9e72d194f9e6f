#pragma once

#include <sys/socket.h>

#include <string>

namespace breakwater {

// Who is at the other end of a connected stream socket, for the log:
// "[192.0.2.1]:4711", or "uid:0,pid:12" where both are on one host. `address`
// is the one that accept told.
std::string PeerName(int socket, const sockaddr* address);

}  // namespace breakwater
