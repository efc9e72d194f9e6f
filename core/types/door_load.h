#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/clock.h"

namespace breakwater {

// How full a door is: one of the servers that MTAs connect to.
struct DoorLoad {
  const char* front = "";
  size_t connections = 0;
  size_t most = 0;
  uint64_t turned_away = 0;    // since the start, for want of room
  Instant last_turned_away{};  // if any was
  // When an MTA last asked about a client. One that cannot open our socket lets
  // mail pass, and nobody but itself knows.
  std::optional<Instant> last_asked;
};

}  // namespace breakwater
