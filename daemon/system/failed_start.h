#pragma once

#include <chrono>
#include <string>

namespace breakwater {

// What a program does that cannot start and that a service manager starts again
// and again: it says why in `systemctl status`, and pauses before it ends, for
// longer each time. (systemd's own growing pause is younger than Debian 12.)
//
// The first failure ends at once, so that who started it is told. So does one
// behind an edit of the configuration, and a pause ends with such an edit: what
// was mended is tried at once.
struct FailedStart {
  std::string program;
  std::string config_file;
  std::string why;
  // Where failures are counted: $RUNTIME_DIRECTORY, which is the unit's alone.
  std::string directory = {};
  std::chrono::milliseconds unit = std::chrono::seconds(1);
};

// Counts the failure. How long to pause: nothing, 1, 2, 4 ... units. A minute
// without one, and the count begins anew.
std::chrono::milliseconds PauseFor(const FailedStart& failure);

// Does nothing without a service manager.
void PauseAfterFailedStart(FailedStart failure);

}  // namespace breakwater
