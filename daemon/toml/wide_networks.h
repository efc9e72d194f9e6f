#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/net/address.h"

namespace breakwater {

// Whether it holds so much of the internet that nobody exempts it but by a
// slip: wider than /8, or /16 of IPv6, and no range from which no client comes.
bool HoldsMuchOfTheInternet(const Network& network);

// What to tell an administrator of such a network; nothing of any other.
// `where` is the key and the file, `effect` what becomes of who is in it:
// "judged or banned".
std::optional<std::string> WideNetworkWarning(std::string_view where,
                                              const Network& network,
                                              std::string_view effect);

}  // namespace breakwater
