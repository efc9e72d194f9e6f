#pragma once

#include <cstdint>
#include <optional>

#include "core/types/client.h"

namespace breakwater {

// Tells whether a client is at the other end of a connection of this host.
//
// An MTA that believes an upstream proxy (XCLIENT, the PROXY protocol) names
// the client that the proxy claims. Such a client has no socket here: a rule
// of this host's firewall would never meet it, and whoever may speak to the
// MTA like a proxy could have anybody banned.
class Sockets {
 public:
  virtual ~Sockets() = default;

  // The kernel's number of the socket of exactly this connection, which a
  // server of this host can have accepted, in whatever state since: no other
  // socket has or will have it. 0 if there is none; nothing if it cannot be
  // told. Microseconds. Any thread.
  virtual std::optional<uint64_t> Find(const Connection& connection) = 0;
};

}  // namespace breakwater
