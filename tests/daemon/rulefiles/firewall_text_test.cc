#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/rulefiles/firewall_parts.h"
#include "daemon/rulefiles/firewall_rules.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Config Parse(const std::string& text) {
  const absl::StatusOr<Config> config = ParseConfig(text, "test.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : DefaultConfig();
}

std::string Rules(const std::string& config, const FirewallRequest& request) {
  const absl::StatusOr<std::string> rules =
      FirewallRules(Parse(config), request);
  EXPECT_TRUE(rules.ok()) << rules.status();
  return rules.ok() ? *rules : "";
}

// Without the comment.
std::string RulesAlone(const std::string& config,
                       const FirewallRequest& request) {
  std::istringstream text(Rules(config, request));
  std::string rules;
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with('#')) rules += line + "\n";
  }
  return rules;
}

std::string File(const std::string& name) {
  std::ifstream file(std::string(BREAKWATER_SOURCE_DIR "/etc/") + name);
  EXPECT_TRUE(file.is_open()) << name;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(FirewallRulesTest, TheInstalledFilesAreWhatIsPrinted) {
  const FirewallRequest v4, v6{.ipv6 = true};
  const FirewallRequest sets{.tool = FirewallTool::kIpset};
  const FirewallRequest nft{.tool = FirewallTool::kNftables};
  const std::string extend = "ban.extend = true\n";
  const std::string nftables = "firewall.backend = \"nftables\"\n";
  EXPECT_EQ(File("iptables/breakwater.sets"), Rules("", sets));
  EXPECT_EQ(File("iptables/breakwater.v4"), Rules("", v4));
  EXPECT_EQ(File("iptables/breakwater.v6"), Rules("", v6));
  EXPECT_EQ(File("iptables/breakwater-extend.v4"), Rules(extend, v4));
  EXPECT_EQ(File("iptables/breakwater-extend.v6"), Rules(extend, v6));
  EXPECT_EQ(File("nftables/breakwater.nft"), Rules(nftables, nft));
  EXPECT_EQ(File("nftables/breakwater-extend.nft"),
            Rules(extend + nftables, nft));
}

TEST(FirewallRulesTest, IptablesDropsNewConnectionsInRaw) {
  EXPECT_EQ(RulesAlone("", {}),
            "*raw\n"
            ":BREAKWATER - [0:0]\n"
            "-I PREROUTING -p tcp --syn --dport 25 -j BREAKWATER\n"
            "-A BREAKWATER -m set --match-set breakwater4 src -j DROP\n"
            "COMMIT\n");
}

TEST(FirewallRulesTest, ABanIsExtendedBeforeItsPacketIsDropped) {
  EXPECT_EQ(RulesAlone("ban.extend = true\nban.duration = \"90s\"\n"
                       "firewall.set_prefix = \"mx\"\n",
                       {.ipv6 = true}),
            "*raw\n"
            ":BREAKWATER - [0:0]\n"
            "-I PREROUTING -p tcp --syn --dport 25 -j BREAKWATER\n"
            "-A BREAKWATER -m set --match-set mx6-extend src -j SET "
            "--add-set mx6-extend src --exist --timeout 90\n"
            "-A BREAKWATER -m set --match-set mx6-extend src -j DROP\n"
            "-A BREAKWATER -m set --match-set mx6 src -j DROP\n"
            "-A BREAKWATER -m set --match-set mx6-56 src -j DROP\n"
            "-A BREAKWATER -m set --match-set mx6-48 src -j DROP\n"
            "COMMIT\n");
}

// A rule for each would cost every packet its time.
TEST(FirewallRulesTest, RulesDoNotGrowWithTheProtectedNetworks) {
  std::string networks;
  for (int i = 0; i < 1'000; ++i) {
    absl::StrAppend(&networks, "\"10.", i / 250, ".", i % 250, ".0/24\", ");
  }
  int compared = 0;
  for (const char* backend : {"ipset", "nftables", "xt_recent"}) {
    const std::string uses =
        absl::StrCat("firewall.backend = \"", backend, "\"\n");
    const Config none = Parse(uses);
    const Config many = Parse(absl::StrCat(uses, "protect.networks = [",
                                           networks, "\"2001:db8::/32\"]\n"));
    for (const char* tool :
         {"ipset", "iptables", "nftables", "firewalld", "shorewall", "ufw"}) {
      for (const char* action : {"drop", "reject", "tarpit", "redirect"}) {
        for (const bool ipv6 : {false, true}) {
          const FirewallRequest request{.tool = *ParseFirewallTool(tool),
                                        .ipv6 = ipv6,
                                        .action = *ParseBanAction(action)};
          const auto rules = FirewallRules(none, request);
          if (!rules.ok()) continue;  // these three do not go together
          ++compared;
          EXPECT_EQ(*rules, *FirewallRules(many, request)) << tool << action;
        }
      }
    }
  }
  EXPECT_GT(compared, 50);
}

// Behind those of clients, and in no -extend set.
TEST(FirewallRulesTest, NetworksAreLookedUpWhereBansAreWidened) {
  const std::string some = "widen.ipv4_24 = 4\nwiden.ipv6_48 = 0\n";
  EXPECT_THAT(RulesAlone(some + "ban.extend = true\n", {}),
              HasSubstr("--match-set breakwater4 src -j DROP\n"
                        "-A BREAKWATER -m set --match-set breakwater4-24 src "
                        "-j DROP\nCOMMIT"));
  EXPECT_THAT(RulesAlone(some, {.ipv6 = true}),
              HasSubstr("--match-set breakwater6-56 src -j DROP\nCOMMIT"));
  EXPECT_THAT(RulesAlone(some, {.tool = FirewallTool::kShorewall}),
              HasSubstr("DROP:P\t+breakwater4-24\t-\ttcp:syn\t25\n"));
  const std::string sets = RulesAlone(some, {.tool = FirewallTool::kIpset});
  EXPECT_THAT(sets,
              HasSubstr("create breakwater4-24 hash:ip family inet netmask 24 "
                        "hashsize 16384 maxelem 65536 timeout 600\n"));
  EXPECT_THAT(sets,
              HasSubstr("breakwater6-56 hash:ip family inet6 netmask 56"));
  EXPECT_THAT(sets, Not(HasSubstr("breakwater6-48")));
  const std::string nft = RulesAlone(some + "firewall.backend = \"nftables\"\n",
                                     {.tool = FirewallTool::kNftables});
  EXPECT_THAT(nft, HasSubstr("\t\tip saddr & 255.255.255.0 @breakwater4-24 "
                             "counter drop\n"));
  EXPECT_THAT(nft, HasSubstr("\t\tip6 saddr & ffff:ffff:ffff:ff00:: "
                             "@breakwater6-56 counter drop\n"));
  EXPECT_THAT(nft, HasSubstr("set breakwater6-56 {\n\t\ttype ipv6_addr\n"
                             "\t\tsize 65536\n"));
}

TEST(FirewallRulesTest, XtRecentKeepsTheTimeInTheRule) {
  const std::string recent = "firewall.backend = \"xt_recent\"\n";
  EXPECT_THAT(RulesAlone(recent, {}),
              HasSubstr("-A BREAKWATER -m recent --name breakwater --rcheck "
                        "--seconds 600 -j DROP\n"));
  EXPECT_THAT(RulesAlone(recent + "ban.extend = true\n", {.ipv6 = true}),
              HasSubstr("-A BREAKWATER -m recent --name breakwater6 --mask "
                        "ffff:ffff:ffff:ffff:: --update --seconds 600 -j "
                        "DROP\n"));
}

TEST(FirewallRulesTest, PortsAreThoseOfBans) {
  const auto matches = [](const std::string& ports) {
    return IptablesParts(Parse("ban.ports = " + ports + "\n"), {})[0].matches;
  };
  EXPECT_THAT(matches("[2525, 25]"),
              ElementsAre("-p tcp --syn -m multiport --dports 25,2525"));
  EXPECT_THAT(matches("\"all\""),
              ElementsAre("-p tcp --syn -m multiport ! --dports 465,587"));
  EXPECT_THAT(matches("[\"all\", 587]"),
              ElementsAre("-p tcp --syn -m multiport ! --dports 465"));
  EXPECT_THAT(matches("[\"all\", 465, 587]"), ElementsAre("-p tcp --syn"));
  // More than one match takes.
  EXPECT_THAT(
      matches("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17]"),
      ElementsAre("-p tcp --syn -m multiport --dports "
                  "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                  "-p tcp --syn -m multiport --dports 16,17"));
}

TEST(FirewallRulesTest, NftPortsAreThoseOfBans) {
  const auto rules = [](const std::string& ports) {
    return RulesAlone(
        "firewall.backend = \"nftables\"\nban.ports = " + ports + "\n",
        {.tool = FirewallTool::kNftables});
  };
  EXPECT_THAT(rules("[2525, 25]"), HasSubstr("\ttcp dport { 25, 2525 } tcp "));
  EXPECT_THAT(rules("\"all\""), HasSubstr("\ttcp dport != { 465, 587 } tcp "));
  EXPECT_THAT(rules("[\"all\", 465, 587]"), HasSubstr("\t\ttcp flags & "));
}

TEST(FirewallRulesTest, ARedirectionHidesTheTarpitsOwnPort) {
  EXPECT_EQ(
      RulesAlone("", {.action = BanAction::kRedirect, .tarpit_port = 2600}),
      "*raw\n"
      ":BREAKWATER - [0:0]\n"
      "-I PREROUTING -p tcp --syn --dport 2600 -j BREAKWATER\n"
      "-A BREAKWATER -j DROP\n"
      "COMMIT\n"
      "*nat\n"
      ":BREAKWATER - [0:0]\n"
      "-I PREROUTING -p tcp --syn --dport 25 -j BREAKWATER\n"
      "-A BREAKWATER -p tcp -m set --match-set breakwater4 src -j "
      "REDIRECT --to-ports 2600\n"
      "COMMIT\n");
}

TEST(FirewallRulesTest, ATarpitOfXtablesTakesWhatIsNotTracked) {
  const std::vector<IptablesPart> parts = IptablesParts(
      Parse("ban.extend = true\n"), {.action = BanAction::kTarpit});
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_THAT(parts[0].rules[1], HasSubstr("-j CT --notrack"));
  EXPECT_THAT(parts[1].matches, ElementsAre("-p tcp -m conntrack ! --ctstate "
                                            "ESTABLISHED,RELATED --dport 25"));
  // A packet extends a ban once.
  EXPECT_THAT(parts[1].rules, ::testing::Each(Not(HasSubstr("--add-set"))));
}

TEST(FirewallRulesTest, AToolWithoutABackendIsRefused) {
  const auto why = [](const std::string& backend, FirewallTool tool) {
    return std::string(
        FirewallRules(Parse("firewall.backend = \"" + backend + "\"\n"),
                      {.tool = tool})
            .status()
            .message());
  };
  EXPECT_THAT(why("ipset", FirewallTool::kNftables), HasSubstr("\"nftables\""));
  EXPECT_THAT(why("nftables", FirewallTool::kIptables),
              HasSubstr("\"ipset\" or \"xt_recent\""));
  EXPECT_THAT(why("xt_recent", FirewallTool::kShorewall),
              HasSubstr("\"ipset\""));
  EXPECT_THAT(why("none", FirewallTool::kUfw), HasSubstr("firewall.backend"));
  EXPECT_THAT(why("xt_recent", FirewallTool::kUfw), IsEmpty());
}

TEST(FirewallRulesTest, AnActionThatAToolCannotSayIsRefused) {
  for (const FirewallRequest& request : std::vector<FirewallRequest>{
           {.tool = FirewallTool::kNftables, .action = BanAction::kTarpit},
           {.tool = FirewallTool::kShorewall, .action = BanAction::kReject},
           {.tool = FirewallTool::kUfw, .action = BanAction::kRedirect}}) {
    const auto rules = FirewallRules(
        Parse("firewall.backend = [\"ipset\", \"nftables\"]\n"), request);
    EXPECT_TRUE(absl::IsUnimplemented(rules.status())) << rules.status();
  }
}

TEST(FirewallRulesTest, NamesAreReadAndTheErrorSaysWhichThereAre) {
  EXPECT_EQ(*ParseFirewallTool("nftables"), FirewallTool::kNftables);
  EXPECT_EQ(*ParseBanAction("redirect"), BanAction::kRedirect);
  EXPECT_THAT(std::string(ParseFirewallTool("pf").status().message()),
              HasSubstr("\"pf\" is none of ipset, iptables, nftables"));
  EXPECT_THAT(std::string(ParseBanAction("").status().message()),
              HasSubstr("drop, reject, tarpit, redirect"));
}

TEST(FirewallRulesTest, RemovalLeavesTheSetsToTheirBackend) {
  EXPECT_THAT(NftRemoval(Parse("firewall.backend = \"nftables\"\n")),
              Not(HasSubstr("delete table")));
  EXPECT_THAT(NftRemoval(Parse("")),
              HasSubstr("delete table inet breakwater\n"));
}

}  // namespace
}  // namespace breakwater
