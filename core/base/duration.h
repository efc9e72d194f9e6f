#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/base/clock.h"

namespace breakwater {

// "1500ms", "5s", "10m", "12h", "7d": a whole number and one unit. Zero is
// allowed, a missing unit is not: nobody should have to guess it.
absl::StatusOr<Duration> ParseDuration(std::string_view text);

// The same notation with the largest unit that is exact: 90000 ms is "90s".
std::string FormatDuration(Duration duration);

}  // namespace breakwater
