#pragma once

#include <chrono>
#include <string>

namespace breakwater {

struct CourierOptions {
  // -p: where Breakwater is asked. A socket that Courier's user can reach.
  std::string socket = "unix:/run/breakwater/courier/policy.sock";
  // -w: for the whole question.
  std::chrono::seconds patience{5};
  // -d: where Courier keeps its state, and looks for its filters' sockets.
  std::string directory = "/var/lib/courier";
};

inline constexpr char kCourierUsage[] =
    "usage: breakwater-courierfilter [ -p socket ] [ -w wait ] "
    "[ -d directory ]";

// False if it is to end with the usage.
bool ParseCourierOptions(int argc, char** argv, CourierOptions& options);

}  // namespace breakwater
