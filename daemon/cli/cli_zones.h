#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace breakwater {

// What `breakwater zones` and `breakwater zones test` print.
std::string ShowZones(const nlohmann::json& answer);
std::string ShowZoneTests(const nlohmann::json& answer);

}  // namespace breakwater
