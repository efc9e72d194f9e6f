#include "daemon/status/memory_report.h"

#include "core/net/width.h"
#include "daemon/status/operator_report.h"

namespace breakwater {

using nlohmann::json;

std::vector<Network> NetworksOf(const IpAddress& client) {
  std::vector<Network> networks = {Network::OfClient(client)};
  for (const Width width : WidthsOf(client)) {
    networks.push_back(Widened(client, width));
  }
  return networks;
}

json DescribeEvents(const std::vector<PastEvent>& events) {
  json list = json::array();
  for (const PastEvent& event : events) {
    list.push_back({{"when", WallTime(event.when)},
                    {"network", event.network},
                    {"what", event.kind},
                    {"label", event.label},
                    {"seconds", event.length.count()},
                    {"id", event.id},
                    {"detail", event.detail}});
  }
  return list;
}

}  // namespace breakwater
