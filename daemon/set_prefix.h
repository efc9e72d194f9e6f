#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace breakwater {

// firewall.set_prefix in a configuration that cannot be read as a whole, be it
// no TOML at all; nothing if it is not there or no name for a set.
std::optional<std::string> SetPrefixIn(std::string_view text);

}  // namespace breakwater
