#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/status/enforcer_state.h"

namespace breakwater {

// What the operator is told of the kernel's sets: pure functions.

// The sets that no rule of the firewall looks into: {"ipset": ["breakwater4"]}.
nlohmann::json DescribeWithoutRule(const Config& config,
                                   const EnforcerState& enforcer);

// What is wrong with the sets, in sentences. Nothing while the enforcer is
// away.
std::vector<std::string> SetProblems(const Config& config,
                                     const EnforcerState& enforcer);

// Whether sets of an earlier configuration keep somebody out, of whom nothing
// is known.
bool HasLeftOvers(const EnforcerState& enforcer);

// Whether rules look into a set in which a ban of that network can be. True
// where nothing is known.
bool IsLookedFor(const Network& network, const Config& config,
                 const EnforcerState& enforcer);

}  // namespace breakwater
