#pragma once

#include <optional>

#include "core/net/address.h"

namespace breakwater {

// The address about which lists are asked for this client.
//
// For one that carries an IPv4 address, 6to4 (RFC 3056) and NAT64 (RFC 6052),
// it is that one: lists know the host by it, and the host cannot change it by
// picking another IPv6 address. What is banned is the client's own address.
//
// Nothing for addresses that are nobody's or everybody's (RFC 6890): private
// and shared ones, loopback, link-local, multicast, reserved. No list can know
// anything about them, and one that lists them is wrong. Those of documentation
// and benchmarks are asked about: they do no harm, and tests live there.
std::optional<IpAddress> AskedAddress(const IpAddress& client);

// The IPv4 network whose hosts are meant by a 6to4 network: of a /64 or a /48
// one address. Nothing for what is no part of 2002::/16.
std::optional<Network> CarriedNetwork(const Network& network);

}  // namespace breakwater
