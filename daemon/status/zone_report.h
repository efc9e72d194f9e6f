#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/dnsbl/dnsbl.h"
#include "core/dnsbl/ledger.h"
#include "core/rules/zone.h"
#include "core/zones/zone_health.h"
#include "core/zones/zone_probe.h"

namespace breakwater {

// How `breakwater zones` and `breakwater zones test` are answered: pure
// functions. Zones are named by their labels only; a name may hold a paid key.

const char* ZoneTypeName(ZoneType type);  // "address", "domain"

// That its budget is spent, or whose share of it is, in a sentence; or nothing.
std::string SpentBudget(const ZoneHealth& health);

// What one zone costs and gives, what it is believed, and in "trouble" what is
// wrong with that, in sentences.
nlohmann::json DescribeLedger(const Zone& zone, const ZoneHealth& health,
                              const ZoneLedger& ledger, UtcDay today);

// {"ok":true, "day", "all_ok", "zones"}; `zones` as DescribeLedger makes them.
nlohmann::json DescribeLedgers(nlohmann::json zones, UtcDay today);

// What the zone answered about its test entries, as a verdict in words.
nlohmann::json DescribeZoneTest(const Zone& zone, const Dnsbl::ZoneTest& test);

}  // namespace breakwater
