#include "daemon/rulefiles/firewall_files.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "core/rules/names.h"
#include "daemon/rulefiles/firewall_parts.h"

namespace breakwater {
namespace {

constexpr char kWhyNewOnly[] =
    "# New connections only. If every packet of a banned client were dropped, "
    "so\n"
    "# would be the MAIL at which it is to be told why, and the "
    "acknowledgement of\n"
    "# that reply: the mail server would send it again and again. What is "
    "already\n"
    "# open is ended by Breakwater itself.\n";

constexpr char kWhyRaw[] =
    "# In raw PREROUTING, before connection tracking: a dropped packet costs "
    "a ninth\n"
    "# to a quarter of what it costs in INPUT.\n";

constexpr char kNeedsTarpit[] =
    "# Where they are sent breakwater-tarpit listens, on that port of all "
    "addresses.\n"
    "# A rule that accepts new connections to the port may be needed.\n";

constexpr char kNeedsModule[] = "# TARPIT is a module of xtables-addons.\n";

constexpr char kFollowing[] =
    "# Ports, sets and times are those of the configuration: print and load it "
    "again\n"
    "# when ban.ports, ban.duration, ban.extend, widen.* or [firewall] change. "
    "Of\n"
    "# protected networks they say nothing: no such address gets into a set.\n";

std::string WhatItDoes(const Config& config, const FirewallRequest& request) {
  std::string text;
  switch (request.action) {
    case BanAction::kDrop:
      text = "# Drops new connections of banned clients";
      break;
    case BanAction::kReject:
      text = "# Resets new connections of banned clients";
      break;
    case BanAction::kTarpit:
      text = "# Holds new connections of banned clients";
      break;
    case BanAction::kRedirect:
      text = "# Sends new connections of banned clients to the tarpit";
      break;
  }
  if (config.firewall.extend) {
    absl::StrAppend(&text,
                    ",\n# and starts a ban of the usual length anew at each");
  }
  return absl::StrCat(text, ".\n");
}

std::string MadeBy(const FirewallRequest& request) {
  const std::string tool = FirewallToolName(request.tool);
  const std::string action = BanActionName(request.action);
  // A comment of XML's must not hold two hyphens.
  if (request.tool == FirewallTool::kFirewalld) {
    return absl::StrCat("# Printed by: breakwater firewall print, for ", tool,
                        ", action ", action, "\n");
  }
  return absl::StrCat(
      "# Printed by: breakwater firewall print --for ", tool,
      request.ipv6 ? " --ipv6" : "",
      request.action == BanAction::kDrop ? "" : " --action " + action, "\n");
}

std::string Reasons(const FirewallRequest& request) {
  std::string text = absl::StrCat("#\n", kWhyNewOnly, "#\n");
  if (request.action == BanAction::kDrop &&
      request.tool != FirewallTool::kUfw) {
    absl::StrAppend(&text, kWhyRaw, "#\n");
  }
  if (request.action == BanAction::kRedirect) {
    absl::StrAppend(&text, kNeedsTarpit, "#\n");
  }
  if (request.action == BanAction::kTarpit) {
    absl::StrAppend(&text, kNeedsModule, "#\n");
  }
  return absl::StrCat(text, kFollowing);
}

// How the rules of an iptables file go away again.
std::string Removal(const char* program,
                    const std::vector<IptablesPart>& parts) {
  std::string text;
  for (const IptablesPart& part : parts) {
    const std::string table = absl::StrCat("#   ", program, " -t ", part.table);
    for (const std::string& match : part.matches) {
      absl::StrAppend(&text, table, " -D ", part.hook, " ", match, " -j ",
                      kIptablesChain, "\n");
    }
    absl::StrAppend(&text, table, " -F ", kIptablesChain, "\n", table, " -X ",
                    kIptablesChain, "\n");
  }
  return text;
}

// The parts as iptables-restore reads them. Our rules stand first in the hook,
// so that no other rule accepts before them.
std::string Tables(const std::vector<IptablesPart>& parts) {
  std::string text;
  for (const IptablesPart& part : parts) {
    absl::StrAppend(&text, "*", part.table, "\n:", kIptablesChain,
                    " - [0:0]\n");
    for (const std::string& match : part.matches) {
      absl::StrAppend(&text, "-I ", part.hook, " ", match, " -j ",
                      kIptablesChain, "\n");
    }
    for (const std::string& rule : part.rules) {
      absl::StrAppend(&text, "-A ", kIptablesChain, " ", rule, "\n");
    }
    absl::StrAppend(&text, "COMMIT\n");
  }
  return text;
}

std::string SetsFirst(const Config& config) {
  if (!config.firewall.Uses(FirewallBackend::kIpset)) return "";
  return "#   breakwater-enforcer --make-sets\n";
}

}  // namespace

std::string FirewallComment(const Config& config,
                            const FirewallRequest& request,
                            const std::string& use) {
  return absl::StrCat(WhatItDoes(config, request), MadeBy(request), "#\n", use,
                      Reasons(request));
}

std::string IpsetFile(const Config& config) {
  const FirewallNames names(config.firewall.set_prefix);
  std::string text =
      "# The sets that the rules name: a rule can only be loaded once its set "
      "exists.\n"
      "# Printed by: breakwater firewall print --for ipset\n"
      "#\n"
      "#   ipset -exist -file THIS-FILE restore\n"
      "#\n"
      "# Hardly ever needed: breakwater-sets.service makes them at boot, "
      "before "
      "rules are\n"
      "# loaded, and the enforcer those that are missing, while it keeps those "
      "that it\n"
      "# finds; they must be as they are here, sizes and default timeout "
      "apart. "
      "The\n"
      "# -extend sets are only needed with ban.extend = true; those that end "
      "in "
      "a number\n"
      "# hold whole networks (widen.*).\n"
      "#\n"
      "# Presized: a set that grows stops the packets for up to 0.1 s. An "
      "element takes\n"
      "# 40 bytes (IPv4) or 56 (an IPv6 /64).\n";
  std::vector<RuleSet> sets = RuleSets(config);
  for (const bool ipv6 : {false, true}) {
    RuleSet extending = sets[ipv6 ? 1 : 0];
    extending.name = names.sets[ipv6 ? 3 : 2];
    sets.insert(sets.begin() + (ipv6 ? 3 : 2), extending);
  }
  for (const RuleSet& set : sets) {
    absl::StrAppend(&text, "create ", set.name, " hash:ip family ",
                    set.ipv6 ? "inet6" : "inet",
                    set.bits == 32 ? "" : absl::StrCat(" netmask ", set.bits),
                    " hashsize ", set.hash_size, " maxelem ", set.most_entries,
                    " timeout ", UsualBanSeconds(config), "\n");
  }
  return text;
}

std::string IptablesFile(const Config& config, const FirewallRequest& request) {
  const char* const program = request.ipv6 ? "ip6tables" : "iptables";
  const std::vector<IptablesPart> parts = IptablesParts(config, request);
  const std::string use = absl::StrCat(
      SetsFirst(config), "#   ", program,
      "-restore --noflush THIS-FILE\n"
      "#\n"
      "# --noflush leaves all other rules as they are; loaded twice, the first "
      "rule is\n"
      "# there twice, which does no harm. To take the rules away again:\n"
      "#\n",
      Removal(program, parts));
  return absl::StrCat(FirewallComment(config, request, use), Tables(parts));
}

std::string FirewalldFile(const Config& config,
                          const FirewallRequest& request) {
  std::string rules;
  for (const bool ipv6 : {false, true}) {
    FirewallRequest one = request;
    one.ipv6 = ipv6;
    for (const IptablesPart& part : IptablesParts(config, one)) {
      const auto place = [&](absl::string_view chain) {
        return absl::StrCat(" ipv=\"", ipv6 ? "ipv6" : "ipv4", "\" table=\"",
                            part.table, "\" chain=\"", chain, "\"");
      };
      absl::StrAppend(&rules, "  <chain", place(kIptablesChain), "/>\n");
      int priority = 0;
      const auto rule = [&](absl::string_view chain, absl::string_view text) {
        absl::StrAppend(&rules, "  <rule", place(chain), " priority=\"",
                        priority++, "\">", text, "</rule>\n");
      };
      for (const std::string& text : part.rules) rule(kIptablesChain, text);
      priority = 0;
      for (const std::string& match : part.matches) {
        rule(part.hook, absl::StrCat(match, " -j ", kIptablesChain));
      }
    }
  }
  const std::string comment = absl::StrReplaceAll(
      FirewallComment(
          config, request,
          "#   /etc/firewalld/direct.xml, then reload firewalld\n#\n"
          "# For both families. The sets must exist by then:\n"
          "# breakwater-sets.service makes them at boot.\n"),
      {{"#\n", "\n"}, {"# ", ""}});
  return absl::StrCat("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!--\n",
                      comment, "-->\n<direct>\n", rules, "</direct>\n");
}

std::string ShorewallFile(const Config& config,
                          const FirewallRequest& request) {
  const std::string family = request.ipv6 ? "shorewall6" : "shorewall";
  const FirewallNames names(config.firewall.set_prefix);
  const size_t index = request.ipv6 ? 1 : 0;
  const CoveredPorts covered = CoveredPortsOf(config.ban_ports);
  const std::string ports =
      covered.ports.empty() ? "-"
                            : absl::StrCat(covered.all_but ? "!" : "",
                                           absl::StrJoin(covered.ports, ","));
  std::string rules;
  const auto rule = [&](absl::string_view action, const std::string& set) {
    absl::StrAppend(&rules, action, ":P\t+", set, "\t-\ttcp:syn\t", ports,
                    "\n");
  };
  if (config.firewall.extend) {
    const std::string& set = names.sets[2 + index];
    rule(absl::StrCat("IP", request.ipv6 ? "6" : "", "TABLES(SET --add-set ",
                      set, " src --exist --timeout ", UsualBanSeconds(config),
                      ")"),
         set);
    rule("DROP", set);
  }
  for (const RuleSet& set : RuleSets(config)) {
    if (set.ipv6 == request.ipv6) rule("DROP", set.name);
  }
  const std::string use =
      absl::StrCat("#   the end of /etc/", family, "/conntrack, then: ", family,
                   " reload\n");
  return absl::StrCat(FirewallComment(config, request, use),
                      "#ACTION\tSOURCE\tDEST\tPROTO\tDPORT\n", rules);
}

std::string UfwFile(const Config& config, const FirewallRequest& request) {
  std::vector<IptablesPart> parts = IptablesParts(config, request);
  // ufw empties its own chains when it is reloaded, and no others.
  for (IptablesPart& part : parts) {
    part.table = "filter";
    part.hook = request.ipv6 ? "ufw6-before-input" : "ufw-before-input";
  }
  const std::string use = absl::StrCat(
      "#   the end of /etc/ufw/before", request.ipv6 ? "6" : "",
      ".rules, then: ufw reload\n"
      "#\n"
      "# The sets must exist by then: breakwater-sets.service makes them at "
      "boot.\n"
      "#\n"
      "# In the table filter, since ufw would load rules in raw once more at "
      "each\n"
      "# reload.\n");
  return absl::StrCat(FirewallComment(config, request, use), Tables(parts));
}

}  // namespace breakwater
