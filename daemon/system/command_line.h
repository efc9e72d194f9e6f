#pragma once

#include <CLI/CLI.hpp>
#include <optional>

namespace breakwater {

// What a program ends with whose words were wrong.
inline constexpr int kWrongUsage = 2;

// Reads the words that a program was started with. If it has to end for them:
// with what, 0 after --help and --version, kWrongUsage after others, of which
// stderr tells what was wrong and what would be right.
std::optional<int> ReadCommandLine(CLI::App& app, int argc, char** argv);

}  // namespace breakwater
