#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/brake.h"
#include "core/clock.h"
#include "core/good_history.h"

namespace breakwater {

// What the operator is told of the brake and of good clients: pure functions,
// as those of operator_report.h.

nlohmann::json DescribeBrake(const Brake::State& state, Instant now);
nlohmann::json DescribeHistory(const GoodHistory& history,
                               const HistoryRules& rules);
nlohmann::json DescribeStanding(const GoodHistory::Standing& standing,
                                Instant now);

// That the brake is on, why, and what to do; nothing while it is off.
std::optional<std::string> BrakeProblem(const Brake::State& state, bool observe,
                                        Instant now);

}  // namespace breakwater
