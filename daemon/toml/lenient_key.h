#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace breakwater {

// Of a configuration that cannot be read as a whole, be it no TOML at all, the
// one thing that somebody must know all the same.

// The text of a key ("control.socket"), as it stands below its heading or with
// it. Nothing if it is not there, or not one text on its line.
std::optional<std::string> TextOfKey(std::string_view config,
                                     std::string_view key);

// firewall.set_prefix, if it is a name for a set.
std::optional<std::string> SetPrefixIn(std::string_view config);
// control.socket, if it is a path.
std::optional<std::string> ControlSocketIn(std::string_view config);

}  // namespace breakwater
