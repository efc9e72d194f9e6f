#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "daemon/config/config.h"
#include "daemon/rulefiles/firewall_rules.h"

namespace breakwater {

// The rules as iptables and what is built on it see them: in a table, packets
// that match go from one of the kernel's hooks into a chain of ours.
struct IptablesPart {
  std::string table;
  std::string hook;
  std::vector<std::string> matches;  // each sends packets into our chain
  std::vector<std::string> rules;    // of our chain
};

// The name of our chain in each table.
inline constexpr absl::string_view kIptablesChain = "BREAKWATER";

std::vector<IptablesPart> IptablesParts(const Config& config,
                                        const FirewallRequest& request);

// Which ports a ban covers: those of the list, or all but those.
struct CoveredPorts {
  bool all_but = false;
  std::vector<uint16_t> ports;  // sorted, each once
};
CoveredPorts CoveredPortsOf(const BanPorts& ports);

// The sets that rules look into, in this order: those of clients that a hit
// does not extend, IPv4 first, then those of networks that the configuration
// needs.
struct RuleSet {
  std::string name;
  bool ipv6 = false;
  uint8_t bits = 0;  // of the source that are looked up
  uint32_t hash_size = 0;
  uint32_t most_entries = 0;
};
std::vector<RuleSet> RuleSets(const Config& config);

// ban.duration in seconds, as it stands in rules.
int64_t UsualBanSeconds(const Config& config);

}  // namespace breakwater
