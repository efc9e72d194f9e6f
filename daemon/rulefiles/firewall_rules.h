#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "daemon/config/config.h"

namespace breakwater {

// What reads the rules.
enum class FirewallTool : uint8_t {
  kIpset,
  kIptables,
  kNftables,
  kFirewalld,
  kShorewall,
  kUfw
};
// What becomes of a banned client's new connections.
enum class BanAction : uint8_t { kDrop, kReject, kTarpit, kRedirect };

struct FirewallRequest {
  FirewallTool tool = FirewallTool::kIptables;
  bool ipv6 = false;  // for tools with a file for each family
  BanAction action = BanAction::kDrop;
  uint16_t tarpit_port = 2525;
};

// The error says which names there are.
absl::StatusOr<FirewallTool> ParseFirewallTool(std::string_view name);
absl::StatusOr<BanAction> ParseBanAction(std::string_view name);
std::string FirewallToolName(FirewallTool tool);
std::string BanActionName(BanAction action);

// The file of rules that go with a configuration: its ports, sets and backend,
// in this order for each new connection (SYN) to one of the ports: a ban that a
// hit extends is extended, banned clients are dropped. Protected networks have
// no rules: a rule for each costs every packet its time (15,000 of them 0.2 to
// 0.4 ms), and the enforcer lets none of theirs into a set. A pure function.
// The error says why the tool cannot do it with this configuration and what
// would do.
absl::StatusOr<std::string> FirewallRules(const Config& config,
                                          const FirewallRequest& request);

// For nft -f: takes away what FirewallRules for nftables has made, whatever is
// there of it; the sets too if no backend fills them.
std::string NftRemoval(const Config& config);

}  // namespace breakwater
