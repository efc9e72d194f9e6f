#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace breakwater {

// What a systemd unit lets its program see and write, read from the unit's file
// and its drop-ins.
struct UnitSandbox {
  std::string unit;                   // "breakwaterd.service"
  std::string user;                   // empty: root
  bool strict = false;                // ProtectSystem=strict
  std::vector<std::string> writable;  // nonetheless
  std::vector<std::string> hidden;    // ProtectHome=, PrivateTmp=
};

// Nothing if this host has no such unit. `root` is where the host's files are,
// for tests.
std::optional<UnitSandbox> ReadUnitSandbox(const std::string& unit,
                                           const std::string& root = "");

// What of the configuration cannot work in there, and what would: sockets and
// the memory where the program may not write, files that it does not see. One
// sentence each, with its key.
std::vector<std::string> SandboxProblems(const Config& config,
                                         const UnitSandbox& daemon,
                                         const std::string& root = "");

// Of the units that this host has, if it has them.
std::vector<std::string> SandboxProblems(const Config& config);

}  // namespace breakwater
