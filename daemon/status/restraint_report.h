#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/clients/brake.h"
#include "core/clients/good_history.h"
#include "core/clients/proxy_watch.h"
#include "core/clients/restraint.h"

namespace breakwater {

// What the operator is told of the brake, of good clients and of proxies: pure
// functions, as those of operator_report.h.

nlohmann::json DescribeBrake(const Brake::State& state, Instant now);
nlohmann::json DescribeHistory(const GoodHistory& history,
                               const HistoryRules& rules);
nlohmann::json DescribeStanding(const GoodHistory::Standing& standing,
                                Instant now);

nlohmann::json DescribeProxy(const ProxyWatch::State& state, Instant now);

// That the brake of lists or offences is on, why, and what to do; nothing while
// it is off.
std::optional<std::string> BrakeProblem(const Brake::State& state,
                                        Ground ground, bool observe,
                                        Instant now);
// That all clients seem to come through a proxy, and what to do; or nothing.
std::optional<std::string> ProxyProblem(const ProxyWatch::State& state,
                                        Instant now);

}  // namespace breakwater
