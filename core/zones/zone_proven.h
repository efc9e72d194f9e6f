#pragma once

#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/zones/subject.h"

namespace breakwater {

// Since when a list is in use, and when it last told the truth, as a probe has
// shown.
struct ZoneProven {
  std::string label;
  Family family = Family::kIpv4;
  Instant since;
  std::optional<Instant> at = {};  // never
};

}  // namespace breakwater
