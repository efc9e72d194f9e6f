#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/record.h"

namespace breakwater {

// What the operator is told about the enforcer.
struct EnforcerState {
  bool connected = false;
  Instant since;  // connected, or away
  // What it refuses to ban beyond what the configuration names, and why in a
  // few words: "own address".
  std::vector<std::pair<Network, std::string>> protections;
  std::map<std::string, uint64_t> counters;
  // Sets that no rule of the firewall looks into.
  std::map<SetsOf, std::bitset<kSetsOfBackend>> without_rule;
  std::string trouble;                // why it is away
  std::optional<Instant> owes_since;  // an answer, though it is connected
  bool protection_known = true;       // see Rules::protection_known
};

// A configuration that was not taken.
struct RefusedReload {
  Instant when;
  std::string why;  // a line for each thing that is wrong
};

}  // namespace breakwater
