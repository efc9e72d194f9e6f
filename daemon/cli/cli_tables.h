#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/protocol/control_request.h"

namespace breakwater {

// How people are shown the daemon's answers. What comes from strangers (a
// list's own words) is printed as safe ASCII only.

// The answer to that request, with a newline at its end. A key that is missing,
// of a daemon of another version, is shown as nothing.
std::string ShowAnswer(const ControlRequest& request,
                       const nlohmann::json& answer);

// Columns as wide as their widest cell, two spaces apart; those whose heading
// ends in ">" are aligned to the right. The last one may be of any length.
std::string Table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows);

// "3d 4h", "12m 5s", "0s": the two largest units.
std::string RoughTime(int64_t seconds);

}  // namespace breakwater
