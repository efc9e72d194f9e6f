#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/net/address.h"

namespace breakwater {

// The nameservers that this host asks, as resolv.conf(5) names them; what is no
// address is passed over, and so are all after the first ten.
std::vector<IpAddress> ParseNameservers(std::string_view text);

// Empty if the file cannot be read: a host without it asks itself.
std::vector<IpAddress> ReadNameservers(const std::string& path);

}  // namespace breakwater
