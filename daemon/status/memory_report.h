#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "core/net/address.h"
#include "daemon/memory/memory_store.h"

namespace breakwater {

// Networks under which something may stand that happened to this client: what a
// ban of it covers, and the wider ones that hold it.
std::vector<Network> NetworksOf(const IpAddress& client);

// As `breakwater history --json` shows it.
nlohmann::json DescribeEvents(const std::vector<PastEvent>& events);

}  // namespace breakwater
