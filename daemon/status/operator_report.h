#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/clients/allowances.h"
#include "core/dnsbl/dnsbl.h"
#include "core/judge/judge.h"
#include "core/ports/metrics.h"
#include "core/types/ban.h"
#include "core/types/door_load.h"
#include "core/zones/zone_health.h"
#include "daemon/config/config.h"
#include "daemon/status/enforcer_state.h"

namespace breakwater {

// How the answers of the operator's verbs are made up of what the parts say:
// pure functions, so that each can be tested with a table of values.

// "2026-11-21T09:40:00Z" for an instant of the clock that never jumps.
std::string WallTime(Instant instant, Instant now);
std::string WallTime(std::chrono::system_clock::time_point wall);

nlohmann::json DescribeBan(const Ban& ban, Instant now);
nlohmann::json DescribeZone(const Zone& zone, const ZoneHealth& health,
                            Instant now);
nlohmann::json DescribeEnforcer(const EnforcerState& state, Instant now);

// The network that protects the address, and why it does.
struct Protection {
  Network network;
  std::string why;
};
std::optional<Protection> FindProtection(const IpAddress& address,
                                         const Config& config,
                                         const EnforcerState& enforcer);

// What is protected, why in words; of what the configuration names, which may
// be many, the first ones, and how many more there are.
nlohmann::json DescribeProtections(const Config& config,
                                   const EnforcerState& enforcer);
size_t ProtectionsNotShown(const Config& config);

nlohmann::json DescribeAllowance(const Allowance& allowance, Instant now);
nlohmann::json DescribeAllowances(const Allowances& allowances, Instant now);
// Why a client that is allowed is not judged, as of a protected one.
nlohmann::json ExemptBy(const Allowance& allowance, Instant now);

// What is wrong right now, in sentences; empty when all is well.
std::vector<std::string> Problems(const Config& config,
                                  const EnforcerState& enforcer,
                                  const std::vector<ZoneHealth>& zones,
                                  size_t bans, Metrics& metrics, Instant now);

// Of a reload that was refused: what is wrong first, and how much more.
std::string RefusedReloadProblem(const RefusedReload& refused, Instant now);

nlohmann::json DescribeDoors(const std::vector<DoorLoad>& doors, Instant now);
// Of doors that had no room for a connection of late.
std::vector<std::string> CrowdedDoors(const std::vector<DoorLoad>& doors,
                                      Instant now);

// Of allowances that cover more than one owner's network.
std::vector<std::string> WideAllowances(const Allowances& allowances,
                                        Instant now);

// What the answers of the zones lead to for a client that nothing exempts, by
// its address or by one of its names.
nlohmann::json DescribeJudgement(const Rules& rules, const Subject& subject,
                                 const std::vector<Dnsbl::ZoneReport>& reports);
nlohmann::json DescribeZoneReport(const Zone& zone,
                                  const Dnsbl::ZoneReport& report);

}  // namespace breakwater
