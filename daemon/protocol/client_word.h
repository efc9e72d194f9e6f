#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "core/net/address.h"

namespace breakwater {

// Whom an operator, or a program, means: an address, or the network of a client
// as the log and `breakwater bans` print it (192.0.2.5/32, 2001:db8:5::/64), in
// whose place that network's address is returned. The error says what is wrong
// and what would be right.
absl::StatusOr<IpAddress> ParseClient(std::string_view word);

// The same, or the network of many clients that a ban may have (width.h):
// returned as it is. A client is returned as the network that a ban of it
// covers.
absl::StatusOr<Network> ParseClientOrWide(std::string_view word);

}  // namespace breakwater
