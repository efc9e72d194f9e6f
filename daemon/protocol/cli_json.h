#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace breakwater {

// How the daemon's answers are read where they are shown: what is missing, or
// is of another kind, is nothing.

const nlohmann::json& Member(const nlohmann::json& object, const char* key);
// Safe to print.
std::string Text(const nlohmann::json& value);
std::string Text(const nlohmann::json& object, const char* key);
int64_t Number(const nlohmann::json& object, const char* key);
bool IsTrue(const nlohmann::json& object, const char* key);

}  // namespace breakwater
