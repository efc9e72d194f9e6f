#include "daemon/rulefiles/firewall_parts.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/rules/names.h"

namespace breakwater {
namespace {

using Lines = std::vector<std::string>;

constexpr char kNewConnection[] = "-p tcp --syn";
// So many the match `multiport` takes.
constexpr size_t kPortsOfMatch = 15;

// One match or, for many ports, several.
Lines PortMatches(const BanPorts& ports, absl::string_view packets) {
  const CoveredPorts covered = CoveredPortsOf(ports);
  if (covered.ports.empty()) return {std::string(packets)};
  if (!covered.all_but && covered.ports.size() == 1) {
    return {absl::StrCat(packets, " --dport ", covered.ports[0])};
  }
  Lines matches;
  for (size_t at = 0; at < covered.ports.size(); at += kPortsOfMatch) {
    const auto begin = covered.ports.begin() + static_cast<ptrdiff_t>(at);
    const auto end = begin + static_cast<ptrdiff_t>(std::min(
                                 kPortsOfMatch, covered.ports.size() - at));
    matches.push_back(absl::StrCat(packets, " -m multiport ",
                                   covered.all_but ? "! " : "", "--dports ",
                                   absl::StrJoin(begin, end, ",")));
  }
  return matches;
}

// Whoever is banned meets `target`. With `extending`, a ban that a hit extends
// is extended: once for a packet.
Lines Banned(const Config& config, bool ipv6, absl::string_view target,
             bool extending) {
  const FirewallNames names(config.firewall.set_prefix);
  const size_t family = ipv6 ? 1 : 0;
  const int64_t seconds = UsualBanSeconds(config);
  const bool extends = config.firewall.extend;
  // Targets that answer want to see for themselves that it is TCP.
  const absl::string_view protocol = target == "DROP" ? "" : "-p tcp ";
  if (!config.firewall.Uses(FirewallBackend::kIpset)) {
    return {absl::StrCat(protocol, "-m recent --name ", names.recent[family],
                         ipv6 ? " --mask ffff:ffff:ffff:ffff:: " : " ",
                         extends && extending ? "--update" : "--rcheck",
                         " --seconds ", seconds, " -j ", target)};
  }
  Lines rules;
  if (extends) {
    const std::string& set = names.sets[2 + family];
    const std::string match = absl::StrCat("-m set --match-set ", set, " src");
    if (extending) {
      rules.push_back(absl::StrCat(match, " -j SET --add-set ", set,
                                   " src --exist --timeout ", seconds));
    }
    rules.push_back(absl::StrCat(protocol, match, " -j ", target));
  }
  for (const RuleSet& set : RuleSets(config)) {
    if (set.ipv6 != ipv6) continue;
    rules.push_back(absl::StrCat(protocol, "-m set --match-set ", set.name,
                                 " src -j ", target));
  }
  return rules;
}

// A SYN that is not tracked, then all of the connection that it opens: the
// module answers each packet by itself. What was open before is tracked.
std::vector<IptablesPart> TarpitParts(const Config& config, bool ipv6) {
  return {{"raw", "PREROUTING", PortMatches(config.ban_ports, kNewConnection),
           Banned(config, ipv6, "CT --notrack", true)},
          {"filter", "INPUT",
           PortMatches(config.ban_ports,
                       "-p tcp -m conntrack ! --ctstate ESTABLISHED,RELATED"),
           Banned(config, ipv6, "TARPIT", false)}};
}

}  // namespace

CoveredPorts CoveredPortsOf(const BanPorts& ports) {
  CoveredPorts covered{.all_but = ports.all, .ports = ports.listed};
  if (ports.all) {
    covered.ports.clear();
    for (const uint16_t port : {uint16_t{465}, uint16_t{587}}) {
      if (!ports.Covers(port)) covered.ports.push_back(port);
    }
  }
  std::ranges::sort(covered.ports);
  const auto twice = std::ranges::unique(covered.ports);
  covered.ports.erase(twice.begin(), twice.end());
  return covered;
}

std::vector<RuleSet> RuleSets(const Config& config) {
  const FirewallConfig& firewall = config.firewall;
  const FirewallNames names(firewall.set_prefix);
  std::vector<RuleSet> sets;
  for (const bool ipv6 : {false, true}) {
    sets.push_back({.name = names.sets[ipv6 ? 1 : 0],
                    .ipv6 = ipv6,
                    .bits = ipv6 ? uint8_t{64} : uint8_t{32},
                    .hash_size = firewall.hash_size,
                    .most_entries = firewall.most_entries});
  }
  for (const Width width : kAllWidths) {
    if (!config.rules.widening.Allows(width)) continue;
    sets.push_back({.name = names.wide[static_cast<size_t>(width)],
                    .ipv6 = !IsV4(width),
                    .bits = BitsOf(width),
                    .hash_size = WideHashSize(firewall.hash_size),
                    .most_entries = MostWideEntries(firewall.most_entries)});
  }
  return sets;
}

int64_t UsualBanSeconds(const Config& config) {
  return std::chrono::ceil<std::chrono::seconds>(config.rules.ban_duration)
      .count();
}

std::vector<IptablesPart> IptablesParts(const Config& config,
                                        const FirewallRequest& request) {
  const bool ipv6 = request.ipv6;
  const Lines matches = PortMatches(config.ban_ports, kNewConnection);
  const auto rules = [&](const std::string& target) {
    return Banned(config, ipv6, target, true);
  };
  switch (request.action) {
    case BanAction::kDrop:
      return {{"raw", "PREROUTING", matches, rules("DROP")}};
    case BanAction::kReject:
      return {{"filter", "INPUT", matches,
               rules("REJECT --reject-with tcp-reset")}};
    case BanAction::kTarpit:
      return TarpitParts(config, ipv6);
    case BanAction::kRedirect:
      break;
  }
  // Nobody is to find the tarpit by its own port.
  return {{"raw",
           "PREROUTING",
           {absl::StrCat(kNewConnection, " --dport ", request.tarpit_port)},
           {"-j DROP"}},
          {"nat", "PREROUTING", matches,
           rules(absl::StrCat("REDIRECT --to-ports ", request.tarpit_port))}};
}

}  // namespace breakwater
