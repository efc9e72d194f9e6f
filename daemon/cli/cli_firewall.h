#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "daemon/config/config.h"

namespace breakwater {

// The words behind `breakwater firewall`.
struct FirewallCommand {
  std::string verb;  // "print" or "remove"
  std::string tool;
  std::string action = "drop";
  bool ipv6 = false;
  bool apply = false;
  uint16_t tarpit_port = 2525;
};

// Adds `firewall` with its verbs, which fill `command`.
void AddFirewallCommand(CLI::App& app, FirewallCommand& command);

// Prints rules, or has nft load or take away those of our own table: nothing
// else in the firewall is ever touched. InvalidArgument is a matter of usage.
absl::Status RunFirewallCommand(const FirewallCommand& command,
                                const Config& config);

}  // namespace breakwater
