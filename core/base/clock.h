#pragma once

#include <chrono>

namespace breakwater {

// One clock for everything that lasts: it never jumps. What people read (the
// time of a ban in `breakwater bans`) is turned into wall time when it is
// shown.
using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using Duration = std::chrono::milliseconds;

}  // namespace breakwater
