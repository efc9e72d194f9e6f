#include "core/base/duration.h"

#include <charconv>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

struct Unit {
  const char* name;
  int64_t milliseconds;
};

// Largest first, as FormatDuration tries them.
constexpr Unit kUnits[] = {{"d", 86'400'000},
                           {"h", 3'600'000},
                           {"m", 60'000},
                           {"s", 1'000},
                           {"ms", 1}};

// A century: more is a slip of the finger, and nothing overflows below it.
constexpr int64_t kLongest = int64_t{36'525} * 86'400'000;

}  // namespace

absl::StatusOr<Duration> ParseDuration(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(end - text.data());
  if (error == std::errc() && number >= 0) {
    for (const Unit& candidate : kUnits) {
      if (unit != candidate.name) continue;
      if (number > kLongest / candidate.milliseconds) break;
      return Duration(number * candidate.milliseconds);
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", Escaped(text, 60),
      "\" is not a length of time; write a whole number and a unit: 1500ms, "
      "5s, 10m, 12h, 7d"));
}

std::string FormatDuration(Duration duration) {
  if (duration.count() == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (duration.count() % unit.milliseconds == 0) {
      return absl::StrCat(duration.count() / unit.milliseconds, unit.name);
    }
  }
  return absl::StrCat(duration.count(), "ms");
}

}  // namespace breakwater
