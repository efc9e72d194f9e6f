#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/address.h"

namespace breakwater {

// A TCP connection as the kernel knows it, from the server's side.
struct Connection {
  IpAddress client;
  uint16_t client_port = 0;
  IpAddress server;
  uint16_t server_port = 0;

  // Whether it can be looked up in the kernel: all four parts are known.
  bool IsComplete() const {
    return client_port != 0 && server_port != 0 && !client.IsUnspecified() &&
           !server.IsUnspecified();
  }

  auto operator<=>(const Connection&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Connection& c) {
    return H::combine(std::move(h), c.client, c.client_port, c.server,
                      c.server_port);
  }
};

// The door through which a client was seen.
enum class Front : uint8_t {
  kPolicy,
  kMilter,
  kReport,  // another program told of it
  kOperator,
};

const char* FrontName(Front front);

// Who is asking, filled as far as the protocol has told. The address comes
// from the protocol's own field: never from a name, a HELO or a log.
struct Client {
  Connection connection;
  Front front = Front::kPolicy;
  bool authenticated = false;  // SASL, at the stages where the MTA can tell
  // What the MTA has found of the address in DNS: its name, empty if it has
  // none, and whether the name has the address.
  std::string reverse_name;
  bool reverse_verified = false;
  std::string helo;
  std::string sender;
  std::string recipient;

  const IpAddress& address() const { return connection.client; }
};

}  // namespace breakwater
