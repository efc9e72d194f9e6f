#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace breakwater {

// The usual slips in a configuration that is no TOML: a value that needs quotes
// and has none, or one; a heading with too few brackets, or a second one. What
// to say of it behind the reader's own words, if it is that in the line where
// the reader has given up; else nothing.
std::string QuoteHint(std::string_view config, uint32_t line);

}  // namespace breakwater
