#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/net/address.h"

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

// Whether a client is at the other end of a connection of this host: see
// Sockets. Only who is or is believed to be is banned; what others do is held
// against whom they say they are as long as they say so, and no longer.
enum class Presence : uint8_t {
  kNotLooked,
  kSeen,      // the kernel has the connection
  kBelieved,  // no look is needed, or none is wanted
  kClaimed,   // the kernel has no such connection, or there can be none
  kUntold,    // the MTA does not say by which ports and addresses
  kUnseen,    // the kernel does not say
};

inline bool IsProven(Presence presence) {
  return presence <= Presence::kBelieved;
}

// Who is asking, filled as far as the protocol has told. The address comes
// from the protocol's own field: never from a name, a HELO or a log.
struct Client {
  Connection connection;
  Front front = Front::kPolicy;
  // A front says kClaimed of a part of the connection that the MTA does name,
  // but as nothing, 0 or unknown: so it names what a proxy has told it.
  Presence presence = Presence::kNotLooked;
  uint64_t socket = 0;  // the kernel's number of it; 0 if it was not seen
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
