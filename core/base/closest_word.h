#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace breakwater {

// The one of `known` that was probably meant by an unknown word, for errors
// that say so; the first of several. Nothing if none is near.
std::optional<std::string> ClosestWord(
    std::string_view unknown, const std::vector<std::string_view>& known);

}  // namespace breakwater
