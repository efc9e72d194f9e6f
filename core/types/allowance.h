#pragma once

#include <string>

#include "core/base/clock.h"
#include "core/net/address.h"

namespace breakwater {

// Who is not judged and not banned for a while, because the operator says so.
struct Allowance {
  Network network;
  Instant until;
  std::string reason;   // safe ASCII, may be empty
  bool forced = false;  // it was said that it is meant to be as wide

  bool operator==(const Allowance&) const = default;
};

// Covers more than anybody allows but by a slip, or knowing well what it means:
// it is wider than /16, or /32 of IPv6.
bool IsWide(const Network& network);

}  // namespace breakwater
