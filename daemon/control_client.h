#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/clock.h"

namespace breakwater {

// Sends one line (control_request.h) to the daemon and returns the line that it
// answers, without the newline. Blocks, for at most `longest` at each step. The
// error says what is likely to be wrong: the daemon cannot be reached, or ended
// before it had answered.
absl::StatusOr<std::string> AskDaemon(const std::string& socket_path,
                                      const std::string& line,
                                      Duration longest);

}  // namespace breakwater
