#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/net/address.h"

namespace breakwater {

// Where a server of ours listens, as a configuration says it. The check of the
// configuration and whoever opens the socket read it here, so that what passes
// the one is no news to the other. `text` may be anything.
struct Endpoint {
  IpAddress address;
  uint16_t port = 0;  // 0: one that is free
};
struct SocketAddress {
  std::string path;   // of a unix socket; else empty, and
  Endpoint endpoint;  // of TCP
};

// "ADDRESS:PORT", an IPv6 address in brackets.
std::optional<Endpoint> ParseEndpoint(std::string_view text);

// "unix:/path" or "inet:ADDRESS:PORT".
std::optional<SocketAddress> ParseSocketAddress(std::string_view text);

// As libmilter has it: "unix:/path", "inet:PORT@ADDRESS" for IPv4, and
// "inet6:PORT@ADDRESS". Never port 0.
std::optional<SocketAddress> ParseMilterSocket(std::string_view text);

// As a path that fits into a sockaddr_un, and is absolute.
bool IsSocketPath(std::string_view path);

}  // namespace breakwater
