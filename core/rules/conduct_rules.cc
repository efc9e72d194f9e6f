#include "core/rules/conduct_rules.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "core/types/normal_name.h"

namespace breakwater {

Network NeighboursOf(const IpAddress& client) {
  return Network::Of(client, client.IsV4() ? 96 + 24 : 64);
}

bool IsSpared(const SpareRules& rules, const Client& client) {
  if (rules.networks.Find(client.address())) return true;
  if (!client.reverse_verified || client.reverse_name.empty()) return false;
  const std::string name = NormalName(client.reverse_name);
  return std::ranges::any_of(rules.names, [&name](const std::string& spared) {
    return spared.starts_with('.') ? absl::EndsWith(name, spared)
                                   : name == spared;
  });
}

}  // namespace breakwater
