// The part of firewall_files.h and firewall_rules.h that nft reads.

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/rules/names.h"
#include "daemon/rulefiles/firewall_files.h"
#include "daemon/rulefiles/firewall_parts.h"
#include "daemon/rulefiles/firewall_rules.h"

namespace breakwater {
namespace {

// The chains that can be there, whatever was printed.
constexpr char kDropChain[] = "new-connections";
constexpr char kInputChain[] = "new-connections-input";
constexpr char kNatChain[] = "new-connections-nat";
constexpr char kBannedChain[] = "banned";  // where the sets are looked into

constexpr char kUse[] =
    "#   nft -f THIS-FILE\n"
    "#\n"
    "# or print it with --apply. It is one transaction, may be loaded again "
    "and\n"
    "# again, and leaves the bans in the sets as they are. To take the rules "
    "away:\n"
    "#\n"
    "#   breakwater firewall remove\n";

constexpr char kNewConnection[] = "tcp flags & (fin | syn | rst | ack) == syn";

struct Chain {
  const char* name;
  const char* hook;
};
constexpr Chain kChains[] = {
    {kDropChain, "type filter hook prerouting priority raw"},
    {kInputChain, "type filter hook input priority filter - 10"},
    {kNatChain, "type nat hook prerouting priority dstnat - 10"},
};

const Chain& ChainFor(BanAction action) {
  switch (action) {
    case BanAction::kReject:
      return kChains[1];
    case BanAction::kRedirect:
      return kChains[2];
    default:
      return kChains[0];
  }
}

// What is looked up in a set.
std::string Source(bool ipv6, uint8_t bits) {
  const char* const source = ipv6 ? "ip6 saddr" : "ip saddr";
  if (bits == 32) return source;
  IpAddress all = IpAddress::FromV4(0xffffffff);
  if (ipv6) all.bytes.fill(0xff);
  const auto length = static_cast<uint8_t>(bits + (ipv6 ? 0 : 96));
  return absl::StrCat(source, " & ",
                      Network::Of(all, length).address.ToString());
}

// New connections to our ports, and nothing else that a client sends.
std::string Entrance(const Config& config) {
  const CoveredPorts covered = CoveredPortsOf(config.ban_ports);
  std::string text;
  if (!covered.ports.empty()) {
    text = absl::StrCat("tcp dport ", covered.all_but ? "!= " : "", "{ ",
                        absl::StrJoin(covered.ports, ", "), " } ");
  }
  return absl::StrCat(text, kNewConnection, " jump ", kBannedChain);
}

// The banned end at `verdict`.
std::string BannedRules(const Config& config, const std::string& verdict) {
  const FirewallNames names(config.firewall.set_prefix);
  // What answers wants to see for itself that it is TCP.
  const std::string begin =
      verdict == "drop" ? "\t\t" : "\t\tmeta l4proto tcp ";
  std::string text;
  for (size_t i = 0; config.firewall.extend && i < 2; ++i) {
    const std::string& set = names.sets[2 + i];
    const std::string source = i == 0 ? Source(false, 32) : Source(true, 64);
    absl::StrAppend(&text, begin, source, " @", set, " update @", set, " { ",
                    source, " timeout ", UsualBanSeconds(config),
                    "s } counter ", verdict, "\n");
  }
  for (const RuleSet& set : RuleSets(config)) {
    absl::StrAppend(&text, begin, Source(set.ipv6, set.bits), " @", set.name,
                    " counter ", verdict, "\n");
  }
  return text;
}

std::string VerdictOf(const FirewallRequest& request) {
  switch (request.action) {
    case BanAction::kReject:
      return "reject with tcp reset";
    case BanAction::kRedirect:
      return absl::StrCat("redirect to :", request.tarpit_port);
    default:
      return "drop";
  }
}

// Adding what is there is no error, so that it then is there and can be
// deleted.
std::string WithoutChains(const std::string& table) {
  std::string text = absl::StrCat("add table inet ", table, "\n");
  for (const Chain& chain : kChains) {
    const std::string name = absl::StrCat("inet ", table, " ", chain.name);
    absl::StrAppend(&text, "add chain ", name, "\nflush chain ", name,
                    "\ndelete chain ", name, "\n");
  }
  const std::string banned = absl::StrCat("inet ", table, " ", kBannedChain);
  return absl::StrCat(text, "add chain ", banned, "\nflush chain ", banned,
                      "\ndelete chain ", banned, "\n");
}

}  // namespace

std::string NftFile(const Config& config, const FirewallRequest& request) {
  const FirewallNames names(config.firewall.set_prefix);
  std::string text = absl::StrCat(FirewallComment(config, request, kUse),
                                  WithoutChains(names.nft_table), "table inet ",
                                  names.nft_table, " {\n");
  std::vector<RuleSet> sets = RuleSets(config);
  for (size_t i = 0; config.firewall.extend && i < 2; ++i) {
    sets.push_back(sets[i]);
    sets.back().name = names.sets[2 + i];
  }
  for (const RuleSet& set : sets) {
    absl::StrAppend(&text, "\tset ", set.name, " {\n\t\ttype ",
                    set.ipv6 ? "ipv6_addr" : "ipv4_addr", "\n\t\tsize ",
                    set.most_entries, "\n\t\tflags dynamic,timeout\n\t}\n");
  }
  absl::StrAppend(&text, "\tchain ", kBannedChain, " {\n",
                  BannedRules(config, VerdictOf(request)), "\t}\n");
  const auto base = [&text](const Chain& chain, const std::string& rule) {
    absl::StrAppend(&text, "\tchain ", chain.name, " {\n\t\t", chain.hook,
                    "; policy accept;\n\t\t", rule, "\n\t}\n");
  };
  base(ChainFor(request.action), Entrance(config));
  if (request.action == BanAction::kRedirect) {
    // Nobody is to find the tarpit by its own port.
    base(kChains[0], absl::StrCat("tcp dport ", request.tarpit_port, " ",
                                  kNewConnection, " counter drop"));
  }
  return absl::StrCat(text, "}\n");
}

std::string NftRemoval(const Config& config) {
  const std::string table = FirewallNames(config.firewall.set_prefix).nft_table;
  if (config.firewall.Uses(FirewallBackend::kNftables)) {
    return WithoutChains(table);
  }
  return absl::StrCat("add table inet ", table, "\ndelete table inet ", table,
                      "\n");
}

}  // namespace breakwater
