#pragma once

#include <ostream>
#include <string>

namespace breakwater {

// `breakwaterd --check-config`: says on `out` that the file is sound, and what
// in it is unwise, or all that is wrong. Returns the exit code: 0 or 1.
int CheckConfig(const std::string& path, std::ostream& out);

}  // namespace breakwater
