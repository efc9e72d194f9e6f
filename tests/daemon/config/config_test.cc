#include "daemon/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "daemon/checks/check_config.h"
#include "daemon/config/config_keys.h"

namespace breakwater {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The shape that people are shown first.
constexpr char kWhole[] = R"(
mode = "enforce"
milter.socket   = "unix:/var/spool/postfix/breakwater/milter.sock"
policy.sockets  = ["unix:/var/spool/postfix/breakwater/policy.sock"]
dns.servers     = ["127.0.0.1", "[::1]:5353"]
dns.deadline    = "1500ms"
ban.duration    = "10m"
ban.ports       = [25]
protect.networks = ["192.0.2.0/24"]
firewall.backend = "ipset"
[[zone]]
name    = "zen.spamhaus.org"
answers = ["127.0.0.2-127.0.0.11"]
)";

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<Config> config = ParseConfig(text, "f.toml");
  return config.ok() ? "no error" : std::string(config.status().message());
}

Config Parsed(std::string_view text) {
  const absl::StatusOr<Config> config = ParseConfig(text, "f.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : Config{};
}

TEST(Config, AZoneHasABudgetForTheDayWhereOneIsSet) {
  const Config config = Parsed(
      "[[zone]]\nname = \"a.test\"\ndaily_budget = 300000\n"
      "[[zone]]\nname = \"b.test\"\n");
  EXPECT_EQ(config.rules.zones[0].daily_budget, 300'000u);
  EXPECT_EQ(config.rules.zones[1].daily_budget, 0u);
  EXPECT_THAT(ErrorOf("[[zone]]\nname = \"a.test\"\ndaily_budget = -1\n"),
              HasSubstr("zone.daily_budget"));
}

TEST(Config, AZoneHasFilters) {
  const Config config = Parsed(R"(
score.reject = 2
score.ban = 5
[[zone]]
name = "zen.test"
answers = ["127.0.0.2-127.0.0.9"]
weight = 5
after = 1
strict = false
[[zone.filter]]
answers = ["127.0.0.10", "127.0.[1..2].11"]
weight = 2
label = "dynamic"
ban = false
)");
  EXPECT_EQ(config.rules.reject_score, 2);
  EXPECT_EQ(config.rules.ban_score, 5);
  const Zone& zone = config.rules.zones[0];
  EXPECT_EQ(zone.after, 1);
  EXPECT_FALSE(zone.strict);
  ASSERT_THAT(zone.filters, SizeIs(2));
  EXPECT_EQ(zone.filters[0].weight, 5);
  EXPECT_TRUE(zone.filters[0].ban);
  EXPECT_EQ(zone.filters[1].weight, 2);
  EXPECT_EQ(zone.filters[1].label, "dynamic");
  EXPECT_FALSE(zone.filters[1].ban);
  EXPECT_EQ(zone.Matches(0x7f000002), 0b01u);
  EXPECT_EQ(zone.Matches(0x7f00000a), 0b10u);
  EXPECT_EQ(zone.Matches(0x7f00020b), 0b10u);
}

TEST(Config, AZoneOfFiltersAloneHasNoDefaultAnswers) {
  const Config config = Parsed(
      "[[zone]]\nname = \"a.test\"\n"
      "[[zone.filter]]\nanswers = [\"127.0.0.3\"]\n");
  EXPECT_THAT(config.rules.zones[0].filters, SizeIs(1));
  EXPECT_EQ(config.rules.zones[0].Matches(0x7f000002), 0u);
}

TEST(Config, ReadsZonesAsPostscreenHasThem) {
  const Config config = Parsed(R"(
score.reject = 3
score.ban = 3
zones = ["Zen.test=127.0.0.[2..11]*3, b.test*2",
         "dnswl.test=127.0.[0..255].[1..3]*-2",
         "zen.test=127.0.0.[20;30]"]
[[zone]]
name = "c.test"
)");
  const std::vector<Zone>& zones = config.rules.zones;
  ASSERT_THAT(zones, SizeIs(4));
  EXPECT_EQ(zones[0].name, "zen.test");
  ASSERT_THAT(zones[0].filters, SizeIs(2));
  EXPECT_EQ(zones[0].filters[0].weight, 3);
  EXPECT_EQ(zones[0].Matches(0x7f00001e), 0b10u);
  EXPECT_EQ(zones[1].filters[0].weight, 2);
  EXPECT_EQ(zones[2].filters[0].weight, -2);
  EXPECT_EQ(zones[3].label, "c.test");
  EXPECT_THAT(config.warnings, SizeIs(1)) << "no door";
}

TEST(Config, AnAllowListIsOfItsOwnKind) {
  const Config config = Parsed(
      "[[zone]]\nname = \"a.test\"\nkind = \"allow\"\n"
      "answers = [\"127.0.[0..255].[1..3]\"]\n");
  EXPECT_EQ(config.rules.zones[0].kind, ZoneKind::kAllow);
}

TEST(Config, WhatIsWrongWithAZoneIsToldAtItsPlace) {
  const struct {
    const char* text;
    const char* error;
  } kTable[] = {
      {"zones = [\"a.test\",\n\"b.test*x\"]",
       "f.toml:2:1: zones: entry 1, \"b.test*x\": \"x\" is"},
      {"zones = [\"a.test=10.0.0.2\"]",
       "f.toml:1:10: zones: entry 1, \"a.test=10.0.0.2\": \"10.0.0.2\""},
      // Which of many is meant, of one text as of several.
      {"zones = [\"a.test=127.0.0.2*3, b.test=127.0.0.1*2 c.test\"]",
       "zones: entry 2, \"b.test=127.0.0.1*2\": \"127.0.0.1\" holds"},
      {"zones = [\"a.test\", \"b.test=127.0.0.[1]*2\"]",
       "zones: entry 1, \"b.test=127.0.0.[1]*2\": \"127.0.0.[1]\" holds"},
      {"zones = [\"a.test\", \"b.test=127.0.0.[255]*-2\"]",
       "zones: \"127.0.0.255\" of b.test can never count"},
      {"zones = [\"\"]", "names no zone"},
      {"zones = [\"a\"]", "is not a domain name"},
      {"zones = [\"abcdefghijklmnopqrstuvwxyz.dq.test\"]", "a paid key"},
      {"zones = [\"a.test\"]\n[[zone]]\nname = \"a.test\"",
       "f.toml:3:8: zone.name: is that of an earlier zone"},
      {"[[zone]]\nname = \"a.test\"\nkind = \"allow\"\n"
       "answers = [\"127.0.0.2\", \"127.0.0.255\"]",
       "f.toml:4:11: zone.answers: \"127.0.0.255\" of a.test can never count"},
      {"[[zone]]\nname = \"a.test\"\ntype = \"domain\"\n[[zone.filter]]\n"
       "answers = [\"127.0.1.[255]\"]",
       "\"127.0.1.255\" of a.test can never count"},
      {"[[zone]]\nname = \"a.test\"\n"
       "answers = [\"127.0.0.2\",\n\"127.0.0.[1]\"]",
       "f.toml:4:1: zone.answers: \"127.0.0.[1]\" holds 127.0.0.1"},
      {"[[zone]]\nname = \"a.test\"\nkind = \"white\"", "zone.kind: \"white\""},
      {"[[zone]]\nname = \"a.test\"\nweight = 10001", "zone.weight: "},
      {"[[zone]]\nname = \"a.test\"\nafter = -1", "zone.after: "},
      {"[[zone]]\nname = \"a.test\"\nfilter = 1", "write [[zone.filter]]"},
      {"[[zone]]\nname = \"a.test\"\n[[zone.filter]]\nweight = 2",
       "f.toml:3:1: zone.filter.answers: is missing"},
      {"[[zone]]\nname = \"a.test\"\n[[zone.filter]]\nwieght = 2",
       "did you mean zone.filter.weight?"},
      {"score.reject = 0", "score.reject: "},
  };
  for (const auto& [text, error] : kTable) {
    EXPECT_THAT(ErrorOf(text), HasSubstr(error)) << text;
  }
  std::string many = "zones = [";
  for (int i = 2; i < 2 + 32; ++i) {
    many += "\"a.test=127.0.0." + std::to_string(i) + "\", ";
  }
  EXPECT_THAT(ErrorOf(many + "]"), HasSubstr("more than 31 entries"));
  const std::string key = "abcdefghijklmnopqrstuvwxyz";
  EXPECT_THAT(ErrorOf("zones = [\"" + key + ".dq.test*2\"]"),
              Not(HasSubstr(key)));
}

TEST(Config, WarnsOfTrapsThatMayNeverBeSeen) {
  const std::string trap =
      "zones = [\"a.test\"]\npolicy.sockets = [\"unix:/run/p\"]\n";
  const std::string end =
      "[[offence]]\nkind = \"trap\"\nrecipients = [\"t@mail.test\"]\n";
  EXPECT_THAT(Parsed(trap + end).warnings,
              Contains(HasSubstr("smtpd_recipient_restrictions")));
  EXPECT_THAT(Parsed(trap + "milter.socket = \"unix:/run/m\"\n" + end).warnings,
              Not(Contains(HasSubstr("smtpd_recipient_restrictions"))));
}

TEST(Config, WarnsOfNetworksThatExemptMuchOfTheInternet) {
  const std::string file =
      ::testing::TempDir() + "/wide." + std::to_string(getpid());
  std::ofstream(file) << "192.0.2.0/24\n0.0.0.0/1\n";
  const struct {
    std::string text;
    const char* warning;
  } kTable[] = {
      {"protect.networks = [\"0.0.0.0/0\"]",
       "protect.networks: 0.0.0.0/0 holds much of the internet, and nobody in "
       "it is judged or banned"},
      {"protect.networks = [\"2000::/3\"]", "protect.networks: 2000::/3 holds"},
      {"protect.networks = [\"::/0\"]", "protect.networks: ::/0 holds"},
      {"protect.files = [\"" + file + "\"]", "protect.files: 0.0.0.0/1 holds"},
      {"spare.networks = [\"128.0.0.0/2\"]",
       "spare.networks: 128.0.0.0/2 holds much of the internet, and nobody in "
       "it is banned"},
      {"spare.files = [\"" + file + "\"]", "spare.files: 0.0.0.0/1 holds"},
  };
  for (const auto& [text, warning] : kTable) {
    EXPECT_THAT(Parsed(text).warnings, Contains(HasSubstr(warning))) << text;
  }
  EXPECT_THAT(Parsed("protect.networks = [\"10.0.0.0/8\", \"fc00::/7\", "
                     "\"224.0.0.0/4\", \"53.0.0.0/8\", \"2400::/16\"]")
                  .warnings,
              Not(Contains(HasSubstr("much of the internet"))));
  std::filesystem::remove(file);
}

TEST(Config, WarnsOfAGrowthThatEndsBeforeItBegins) {
  const auto warnings = [](const std::string& text) {
    return Parsed(text + "\nzones = [\"a.test\"]").warnings;
  };
  const auto no_warning = Not(Contains(HasSubstr("growth.ceiling")));
  EXPECT_THAT(warnings("ban.duration = \"2d\""),
              Contains(HasSubstr("growth.ceiling is not longer than ban.dur")));
  EXPECT_THAT(warnings("ban.duration = \"2d\"\ngrowth.factor = 1"), no_warning);
  EXPECT_THAT(warnings("ban.duration = \"2d\"\ngrowth.ceiling = \"3d\""),
              no_warning);
}

TEST(Config, WarnsOfScoresThatDoNothing) {
  const struct {
    const char* text;
    const char* warning;
  } kTable[] = {
      {"score.reject = 3\nscore.ban = 3\nzones = [\"a.test*2\"]",
       "score.reject: the weights of all zones add up to 2, less than 3"},
      {"score.ban = 3\nzones = [\"a.test*2\"]",
       "score.ban: the weights that may ban add up to 2, less than 3"},
      {"score.reject = 2\nzones = [\"a.test*2\"]",
       "score.ban is less than score.reject"},
      {"zones = [\"a.test\", \"b.test*-1\"]",
       "zone b.test speaks for clients and names no answers"},
      {"zones = [\"a.test\"]\n[[zone]]\nname = \"b.test\"\nkind = \"allow\"",
       "zone b.test speaks for clients and names no answers"},
  };
  for (const auto& [text, warning] : kTable) {
    EXPECT_THAT(Parsed(text).warnings, Contains(HasSubstr(warning))) << text;
  }
}

TEST(Config, ReadsTheWholeShape) {
  const Config config = Parsed(kWhole);
  EXPECT_FALSE(config.rules.observe);
  EXPECT_EQ(config.milter.socket,
            "unix:/var/spool/postfix/breakwater/milter.sock");
  EXPECT_THAT(config.policy.sockets, SizeIs(1));
  ASSERT_THAT(config.resolver.servers, SizeIs(2));
  EXPECT_EQ(config.resolver.servers[1].port, 5353);
  EXPECT_EQ(config.dnsbl.deadline, std::chrono::milliseconds(1500));
  EXPECT_EQ(config.rules.ban_duration, std::chrono::minutes(10));
  EXPECT_TRUE(
      config.rules.protected_networks.Find(*IpAddress::Parse("192.0.2.77")));
  ASSERT_THAT(config.rules.zones, SizeIs(1));
  EXPECT_EQ(config.rules.zones[0].label, "zen.spamhaus.org");
  EXPECT_EQ(config.rules.zones[0].Matches(0x7f00000b), 1u);
  EXPECT_EQ(config.rules.zones[0].Matches(0x7f00000c), 0u);
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(Config, TellsAllThatIsWrongInTheFilesOrder) {
  EXPECT_EQ(ErrorOf("mode = \"enforced\"\n"
                    "dns.deadlin = \"1s\"\n"
                    "[ban]\n"
                    "duration = 600\n"
                    "ports = [25, 70000]\n"),
            "f.toml:1:8: mode: \"enforced\" is not a choice; write \"enforce\" "
            "or \"observe\"\n"
            "f.toml:2:5: dns.deadlin: unknown key; did you mean dns.deadline?\n"
            "f.toml:4:12: ban.duration: is a number; write a length of time "
            "with its unit, as in \"10m\"\n"
            "f.toml:5:14: ban.ports: 70000 is out of range; write 1 to 65535");
}

TEST(Config, SaysWhereTheFileStopsBeingToml) {
  EXPECT_THAT(ErrorOf("mode = \"enforce\"\nban = = 3\n"),
              HasSubstr("f.toml:2:"));
  EXPECT_THAT(ErrorOf(std::string_view("a\0b", 3)), HasSubstr("not TOML"));
}

struct BadValue {
  const char* text;
  const char* error;
};

TEST(ConfigErrors, APortInQuotesIsOneMistake) {
  EXPECT_THAT(ErrorOf("ban.ports = [\"25\"]"),
              AllOf(HasSubstr("is a text"), Not(HasSubstr("names no port"))));
  EXPECT_THAT(ErrorOf("ban.ports = []"), HasSubstr("names no port"));
}

TEST(ConfigErrors, AHeadingThatIsNoNameStandsInNoOtherPlace) {
  for (const char* heading : {"[fire wall]", "[ban.]", "[b\xc3\xa4n]", "[]"}) {
    EXPECT_THAT(ErrorOf(absl::StrCat(heading, "\nports = [25]")),
                AllOf(HasSubstr("this is not TOML"), Not(HasSubstr("place"))));
  }
  EXPECT_THAT(ErrorOf("ban.ports = [25]\n[ ban ]\nduration = \"1h\""),
              HasSubstr("all below one [ban], or each with its table"));
}

class ConfigRefuses : public ::testing::TestWithParam<BadValue> {};

TEST_P(ConfigRefuses, AndSaysWhatWouldBeRight) {
  EXPECT_THAT(ErrorOf(GetParam().text), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Values, ConfigRefuses,
    ::testing::Values(
        BadValue{"deadline = \"1s\"", "did you mean dns.deadline?"},
        BadValue{"[bans]\nduration = \"1s\"", "bans: unknown key"},
        BadValue{"xyzzy = 1", "breakwater.toml(5) lists the known ones"},
        BadValue{"milter = \"unix:/a\"", "must be a table; write [milter]"},
        BadValue{"milter.socket = \"/a\"", "is not a milter's socket"},
        BadValue{"milter.socket = \"unix:a\"", "is not an absolute path"},
        BadValue{"milter.socket = \"inet:8890@::1\"", "inet6:8890@::1"},
        BadValue{"milter.mode = 660", "write a text in double quotes"},
        BadValue{"milter.mode = \"0999\"", "permission in octal"},
        BadValue{"policy.sockets = [\"inet:10025\"]", "inet:127.0.0.1:10025"},
        BadValue{"report.socket = \"inet:127.0.0.1:10025\"",
                 "write \"unix:/run/breakwater/report.sock\""},
        BadValue{"policy.sockets = \"unix:/a\"", "is a text; write a list"},
        BadValue{"policy.sockets = [\"unix:/a\", \"unix:/a\"]", "here twice"},
        BadValue{"policy.max_connections = 0", "write 1 to 100000"},
        BadValue{"dns.servers = []", "names no server"},
        BadValue{"dns.servers = [\"localhost\"]", "is not the address of a"},
        BadValue{"dns.servers = [\"127.0.0.1:0\"]", "is not the address of a"},
        BadValue{"dns.servers = [\"::1:53x\"]", "is not the address of a"},
        BadValue{"dns.deadline = \"1h\"", "write 10ms to 30s"},
        BadValue{"dns.max_in_flight = 9000", "write 1 to 8191"},
        BadValue{"dns.ttl_floor = \"2h\"", "is longer than dns.ttl_ceiling"},
        BadValue{"history.probation = \"30d\"", "write 0s to 7d"},
        BadValue{"history.keep = \"6h\"", "is not shorter than history.keep"},
        BadValue{"brake.good_clients = 201", "write 1 to 200"},
        BadValue{"ban.duration = \"999ms\"", "write 1s to 2147483s"},
        BadValue{"ban.duration = \"25d\"", "write 1s to 2147483s"},
        BadValue{"ban.duration = \"10\"", "a whole number and a unit"},
        BadValue{"ban.ports = \"smtp\"", "a list of ports, [25], or \"all\""},
        BadValue{"ban.ports = []", "names no port"},
        BadValue{"ban.extend = 1", "write true or false"},
        BadValue{"reply.code = 250", "is not a reply code that refuses"},
        BadValue{"reply.template = \"{ip}\"", "has a brace"},
        BadValue{"protect.networks = [\"192.0.2.1/24\"]", "192.0.2.0/24"},
        BadValue{"protect.files = [\"nets\"]", "is not an absolute path"},
        BadValue{"protect.files = [\"/no/such\"]", "/no/such: cannot be read"},
        BadValue{"protect.postconf = []", "names no program"},
        BadValue{"protect.postconf = [\"\"]", "is no word of a command"},
        BadValue{"protect.ssh_ports = [0]", "0"},
        BadValue{"protect.ssh_after = \"0s\"", "write 1s to 1d"},
        BadValue{"proxy.addresses = 11", "write 0 to 10"},
        BadValue{"firewall.backend = \"pf\"", "\"pf\" is not a choice"},
        BadValue{
            "firewall.backend = [\"ipset\", \"none\"]",
            "firewall.backend: \"none\" stands for no backend at all, and in "
            "no list; write firewall.backend = \"none\", or leave"},
        BadValue{"firewall.backend = [\"ipset\", \"ipset\"]", "twice"},
        BadValue{"firewall.backend = []", "names no backend"},
        BadValue{"firewall.backend = 5", "is a number"},
        BadValue{"firewall.backend = \"nftables\"\n"
                 "firewall.set_prefix = \"4ever\"",
                 "must begin with a letter"},
        BadValue{"firewall.set_prefix = \"a b\"",
                 "cannot begin the names of sets"},
        BadValue{"firewall.set_prefix = \"-a\"", "and no \"-\" first"},
        BadValue{"enforcer.socket = \"\"", "is not an absolute path"},
        BadValue{"control.users = [\"a b\"]", "user or group database"},
        BadValue{"control.socket = \"/run/breakwater/enforcer.sock\"",
                 "is enforcer.socket too"},
        BadValue{"milter.socket = \"unix:/a/s\"\n"
                 "policy.sockets = [\"unix:/a/s\"]",
                 "policy.sockets: is milter.socket too"},
        BadValue{"milter.socket = \"inet:10025@127.0.0.1\"\n"
                 "policy.sockets = [\"inet:127.0.0.1:10025\"]",
                 "policy.sockets: is milter.socket too"},
        BadValue{"report.socket = \"unix:/run/breakwater/control.sock\"",
                 "report.socket: is control.socket too"},
        BadValue{"memory.file = \"/run/breakwater/control.sock\"",
                 "memory.file: is control.socket too"},
        BadValue{"policy.sockets = [\"inet:127.0.0.1:0\"]",
                 "is not a policy server's socket"},
        BadValue{"log.level = \"loud\"", "\"debug\" or \"info\""},
        BadValue{"[[zone]]\nname = \"a.b\"\nmode = \"observe\"",
                 "f.toml:3:1: zone.mode: mode has landed in the table zone, "
                 "which begins in line 1; move it above the first heading"},
        BadValue{"[ban]\ndns.deadline = \"1s\"",
                 "ban.dns: dns.deadline has landed in the table ban, which "
                 "begins in line 1; move it above the first heading, or as "
                 "deadline below [dns]"},
        BadValue{"[[zone]]\nname = \"a.b\"\nban.duration = \"1h\"",
                 "zone.ban: ban.duration has landed in the table zone, which "
                 "begins in line 1; move it"},
        BadValue{"[[zone]]\nname = \"a.b\"\n[[zone.filter]]\nanswers = "
                 "[\"127.0.0.2\"]\nmode = \"observe\"",
                 "zone.filter.mode: mode has landed in the table zone.filter, "
                 "which begins in line 3"},
        BadValue{"[[zone]]\nname = \"a.b\"\nscore = 2",
                 "zone.score: unknown key; did you mean zone.weight?"},
        BadValue{"[[offence]]\nkind = \"virus\"\nscore = 2",
                 "did you mean offence.weight?"},
        BadValue{"[[zone]]\nname = \"a.b\"\nreply = \"no\"",
                 "did you mean zone.reply_template?"},
        BadValue{"[[zone]]\nzone.name = \"a.b\"",
                 "zone.name stands below its heading already; write name"},
        BadValue{"ban.mode = \"observe\"", "did you mean "},
        BadValue{"mode = observe",
                 "; a text needs quotes: write mode = "
                 "\"observe\""},
        BadValue{"[[zone]]\nname = k3y.list.test", "write name = \"...\""},
        BadValue{"[[zone]]\n\"name\" = k3y.list.test",
                 "write \\\"name\\\" = \"...\""},
        BadValue{"zones = [k3y.list.test]", "write zones = [\"...\"]"},
        BadValue{
            "[[offence]]\nkind = \"spam\"\nheaders = X-Spam = YES with k3y",
            "write headers = \"...\""},
        BadValue{
            "[[offence]]\nkind = \"spam\"\nheaders = [X-Spam = YES with k3y]",
            "write headers = [\"...\"]"},
        BadValue{"[ban]\nduration = 10m # a bit", "write duration = \"10m\""},
        BadValue{"milter.socket = unix:/run/m.sock",
                 "write milter.socket = \"unix:/run/m.sock\""},
        BadValue{"control.socket = /run/c", "= \"/run/c\""},
        BadValue{"dns.servers = 127.0.0.1", "= \"127.0.0.1\""},
        BadValue{"firewall.extend = True", "; write firewall.extend = true"},
        BadValue{"ban.extend = yes", "; write ban.extend = true"},
        BadValue{"protect.networks = [192.0.2.0/24, 2001:db8::/32] # us",
                 "texts in a list need quotes: write protect.networks = "
                 "[\"192.0.2.0/24\", \"2001:db8::/32\"]"},
        BadValue{"ban.ports = [25, all]", "write ban.ports = [25, \"all\"]"},
        BadValue{"ban.duration = \"5m\nmode = \"observe\"",
                 "a text needs a quote at its end, too"},
        BadValue{
            "ban.duration = \"5m\"\n[ban]\nports = [25]",
            "; its keys must stand in one place: all below one [ban], or "},
        BadValue{"[[zone]]\nname = \"a.b\"\n[zone]\nname = \"c.d\"",
                 "; write [[zone]] with double brackets"},
        BadValue{"[[zones]]\nname = \"a.b\"",
                 "zones: is no list of tables; "
                 "write [[zone]]"},
        BadValue{"[[offences]]\nkind = \"trap\"", "write [[offence]]"},
        BadValue{"[[zone]]\nname = \"a.b\"\nduration = \"1h\"",
                 "did you mean zone.ban_duration?"},
        BadValue{"[[zone]]\nname = \"a.b\"\nban.duration = \"1h\"",
                 "or write ban_duration for this one alone"},
        BadValue{"policy.sockets = [\"unix:breakwater/policy.sock\"]",
                 "or, for a socket of Postfix, /var/spool/postfix/breakwater/"},
        BadValue{"user = \"root\"", "user: \"root\" may do anything"},
        BadValue{"enforcer.user = \"0\"", "enforcer.user: \"0\" may do"},
        BadValue{"zone = 3", "write [[zone]]"},
        BadValue{"[zone]\nname = \"a.b\"", "write [[zone]]"},
        BadValue{"zone = [1]", "write [[zone]] before its keys"},
        BadValue{"[[zone]]\nlabel = \"a\"", "zone.name: is missing"},
        BadValue{"[[zone]]\nname = \"a b.c\"", "is not a domain name"},
        BadValue{"[[zone]]\nname = \"zen\"", "is not a domain name"},
        BadValue{"[[zone]]\nname = \"127.0.0.2\"", "is an address"},
        BadValue{"[[zone]]\nname = \"dbl.spamhaus.org\"",
                 "a list of domain names"},
        BadValue{"[[zone]]\nname = \"multi.surbl.org\"",
                 "write type = \"domain\""},
        BadValue{"[[zone]]\nname = \"0123456789abcdefghijklmnop.dbl.dq."
                 "spamhaus.net\"\nlabel = \"DBL\"",
                 "a list of domain names"},
        BadValue{"[[zone]]\nname = \"rhsbl.sorbs.net\"",
                 "a list of domain names"},
        BadValue{"zones = [\"dbl.spamhaus.org*2\"]", "a list of domain names"},
        BadValue{"[[zone]]\ntype = \"domain\"\nname = \"zen.spamhaus.org\"",
                 "f.toml:3:8: zone.name: this is a list of addresses"},
        BadValue{"[[zone]]\ntype = \"domain\"\nname = \"0123456789abcdefghij"
                 "klmnop.zen.dq.spamhaus.net\"\nlabel = \"ZEN\"",
                 "a list of addresses"},
        BadValue{"[[zone]]\nname = \"a.b\"\ntype = \"name\"",
                 "write \"address\" or \"domain\""},
        BadValue{"[[zone]]\nname = \"a.b\"\nnames = [\"helo\"]",
                 "f.toml:3:9: zone.names: is for lists of domain names"},
        BadValue{"[[zone]]\nname = \"a.b\"\ntype = \"domain\"\nnames = []",
                 "would never be asked"},
        BadValue{"[[zone]]\nname = \"a.b\"\ntype = \"domain\"\n"
                 "names = [\"ehlo\"]",
                 "is none of a client's names"},
        BadValue{"[[zone]]\nname = \"a.b\"\nanswers = [\"127.0.0.1\"]",
                 "holds 127.0.0.1"},
        BadValue{"[[zone]]\nname = \"a.b\"\nanswers = []", "no answer at all"},
        BadValue{"[[zone]]\nname = \"a.b\"\nwait = 3", "zone.wait: unknown"},
        BadValue{"[[zone]]\nname = \"a.b\"\n[[zone]]\nname = \"A.b.\"",
                 "f.toml:4:8: zone.name: is that of an earlier zone"},
        BadValue{"[[zone]]\nname = \"a.b\"\n[[zone]]\nname = \"c.d\"\n"
                 "label = \"a.b\"",
                 "f.toml:5:9: zone.label: is that of an earlier zone"},
        BadValue{"[[zone]]\nname = \"a.b\"\nreply_code = 220",
                 "zone.reply_code: 220"}));

TEST(Config, NeverShowsAPaidKey) {
  constexpr char kName[] =
      "[[zone]]\nname = \"abcd1234efgh5678ijkl9012mn.zen.dq.spamhaus.net\"\n";
  EXPECT_THAT(ErrorOf(kName), HasSubstr("zone.label: is missing"));
  EXPECT_THAT(ErrorOf(kName), Not(HasSubstr("abcd1234")));
  const std::string shown =
      std::string(kName) + "label = \"abcd1234efgh5678ijkl9012mn.zen\"";
  EXPECT_THAT(ErrorOf(shown), HasSubstr("shows the key"));
  EXPECT_THAT(ErrorOf("[[zone]]\nname = \"abcd1234efgh5678ijkl9012mn.a b\""),
              Not(HasSubstr("abcd1234")));

  const Config config = Parsed(std::string(kName) + "label = \"zen\"");
  EXPECT_EQ(config.rules.zones.at(0).label, "zen");
}

TEST(Config, AZoneThatDefersDoesNotBanUnlessToldTo) {
  const Config config = Parsed(
      "reply.template = \"no {id}\"\n"
      "[[zone]]\nname = \"a.test\"\nreply_code = 451\n"
      "[[zone]]\nname = \"b.test\"\nreply_code = 451\nban = true\n"
      "[[zone]]\nname = \"c.test\"\nban_duration = \"1d\"\n");
  const std::vector<Zone>& zones = config.rules.zones;
  EXPECT_FALSE(zones[0].ban);
  EXPECT_EQ(zones[0].reply->text_template, "no {id}");
  EXPECT_TRUE(zones[1].ban);
  EXPECT_TRUE(zones[2].ban);
  EXPECT_FALSE(zones[2].reply);
  EXPECT_EQ(zones[2].ban_duration, std::chrono::hours(24));
  EXPECT_THAT(config.warnings, testing::Contains(HasSubstr("b.test defers")));
}

TEST(Config, WarnsOfWhatIsUnwise) {
  EXPECT_THAT(Parsed("").warnings,
              ElementsAre(HasSubstr("no [[zone]]"), HasSubstr("neither")));
  EXPECT_THAT(Parsed("dns.servers = [\"192.0.2.53\"]\n"
                     "milter.socket = \"inet:8890@192.0.2.1\"\n"
                     "ban.max = 2000000\n"
                     "reply.template = \"Go away\"\n"
                     "[[zone]]\nname = \"a.test\"\n")
                  .warnings,
              ElementsAre(HasSubstr("192.0.2.53 is not on loopback"),
                          HasSubstr("can be reached from other hosts"),
                          HasSubstr("ban.max is more than firewall.maxelem"),
                          HasSubstr("has no {id}")));
}

TEST(Config, ABanCanGoIntoSeveralBackends) {
  using enum FirewallBackend;
  const auto backends = [](const std::string& value) {
    const auto config = ParseConfig("firewall.backend = " + value, "f.toml");
    EXPECT_TRUE(config.ok()) << config.status();
    return config->firewall.backends;
  };
  EXPECT_THAT(DefaultConfig().firewall.backends, ElementsAre(kIpset));
  EXPECT_THAT(backends("\"nftables\""), ElementsAre(kNftables));
  EXPECT_THAT(backends("[\"ipset\", \"nftables\", \"xt_recent\"]"),
              ElementsAre(kIpset, kNftables, kXtRecent));
  EXPECT_THAT(backends("\"none\""), IsEmpty());
  // As a reload shows and reads it.
  for (const char* value : {"\"none\"", "[\"ipset\", \"xt_recent\"]"}) {
    const Config now =
        *ParseConfig(std::string("firewall.backend = ") + value, "f.toml");
    EXPECT_THAT(NeedRestart(now, DefaultConfig()),
                Contains("firewall.backend"));
    EXPECT_EQ(KeepUntilRestart(now, DefaultConfig()).firewall.backends,
              now.firewall.backends);
  }
}

TEST(Config, SaysWhatTheRulesOfXtRecentMustSay) {
  const auto warnings = [](const std::string& more) {
    return ParseConfig("firewall.backend = \"xt_recent\"\n" + more, "f.toml")
        ->warnings;
  };
  EXPECT_THAT(warnings("ban.duration = \"5m\""),
              Contains(HasSubstr("--seconds 300 and --rcheck")));
  EXPECT_THAT(warnings("ban.extend = true"),
              Contains(HasSubstr("--seconds 600 and --update")));
  EXPECT_THAT(warnings("[[zone]]\nname = \"a.test\"\nban_duration = \"1h\""),
              Contains(HasSubstr("ban_duration of zone a.test has no effect")));
}

TEST(Config, WarnsWhereNoSetCanHoldAWidenedBan) {
  const auto warns = [](const std::string& text) {
    const std::vector<std::string> warnings = Parsed(text).warnings;
    return std::ranges::any_of(warnings, [](const std::string& warning) {
      return warning.find("xt_recent holds no networks") != std::string::npos;
    });
  };
  const std::string recent = "firewall.backend = [\"xt_recent\"]\n";
  EXPECT_TRUE(warns(recent));
  EXPECT_FALSE(warns(recent + "widen.ipv6_56 = 0\nwiden.ipv6_48 = 0\n"));
  EXPECT_TRUE(warns(recent + "widen.ipv6_56 = 0\nwiden.ipv6_48 = 0\n"
                             "widen.ipv4_24 = 4\n"));
  EXPECT_FALSE(warns("firewall.backend = [\"ipset\", \"xt_recent\"]\n"));
  EXPECT_FALSE(warns(""));
}

TEST(Config, FilesOfNetworksToProtectAreReadWithIt) {
  const std::string path =
      ::testing::TempDir() + "/protect." + std::to_string(getpid());
  const std::string text =
      "protect.networks = [\"192.0.2.1\"]\n"
      "protect.files = [\"" +
      path + "\"]\n";
  std::ofstream(path) << "# ours\n198.51.100.0/24\n2001:db8::/32 # theirs\n";
  const auto config = ParseConfig(text, "f.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  for (const char* address : {"192.0.2.1", "198.51.100.7", "2001:db8::5"}) {
    EXPECT_TRUE(
        config->rules.protected_networks.Find(*IpAddress::Parse(address)))
        << address;
  }
  std::ofstream(path) << "198.51.100.0/24\nmail.example.org\n";
  EXPECT_THAT(std::string(ParseConfig(text, "f.toml").status().message()),
              HasSubstr(path + ":2: \"mail.example.org\" is not a network"));
  std::remove(path.c_str());
}

// A key that names a list file, with an entry of its own.
struct ListKey {
  const char* before;
  const char* key;
  const char* entry;
};
constexpr ListKey kListKeys[] = {
    {"", "protect.files", "192.0.2.9"},
    {"", "spare.files", "mx.example.org"},
    {"[[offence]]\nkind = \"trap\"\n", "files", "a@example.org"},
};

class ListFilesTest : public ::testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(path_); }
  absl::StatusOr<Config> With(const ListKey& key) const {
    return ParseConfig(
        std::string(key.before) + key.key + " = [\"" + path_ + "\"]\n",
        "f.toml");
  }
  std::string Complaint(const ListKey& key) const {
    return std::string(With(key).status().message());
  }

  const std::string path_ =
      ::testing::TempDir() + "/list." + std::to_string(getpid());
};

TEST_F(ListFilesTest, OnlyARegularFileIsOne) {
  std::filesystem::create_directory(path_);
  for (const ListKey& key : kListKeys) {
    EXPECT_THAT(Complaint(key), HasSubstr(path_ + ": cannot be read: it is a "
                                                  "directory"));
  }
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  for (const ListKey& key : kListKeys) {
    EXPECT_THAT(Complaint(key), HasSubstr("it is a pipe"));
  }
}

TEST_F(ListFilesTest, AllTakeWhatAnEditorOfWindowsLeaves) {
  for (const ListKey& key : kListKeys) {
    std::ofstream(path_) << "\xef\xbb\xbf" << key.entry << " # why\r\n\r\n";
    EXPECT_TRUE(With(key).ok()) << With(key).status();
  }
}

TEST_F(ListFilesTest, AnEmptyOneIsTakenWithAWarning) {
  std::ofstream(path_) << "# nobody yet\n";
  for (const ListKey& key : kListKeys) {
    ASSERT_TRUE(With(key).ok());
    EXPECT_THAT(With(key)->warnings, Contains(HasSubstr("has no entry")));
  }
}

TEST(Config, NamesAreComparedInOneForm) {
  const Config config = Parsed(R"(
spare.names = ["Fwd.Example.ORG.", ".b\u00fccher.example."]
[[zone]]
name = "Bl.F\u00fcr.example."
[[offence]]
kind = "helo"
names = ["MX.b\u00fccher.example."]
[[offence]]
kind = "sender"
names = ["Example.ORG."]
)");
  const Rules& rules = config.rules;
  EXPECT_THAT(rules.spare.names,
              ElementsAre("fwd.example.org", ".xn--bcher-kva.example"));
  EXPECT_EQ(rules.zones[0].name, "bl.xn--fr-xka.example");
  EXPECT_THAT(rules.conduct.own_names, ElementsAre("mx.xn--bcher-kva.example"));
  EXPECT_THAT(rules.conduct.unasked_domains, ElementsAre("example.org"));
}

TEST(Config, BanPortsCoverSubmissionOnlyWhenListed) {
  const BanPorts usual = Parsed("").ban_ports;
  EXPECT_TRUE(usual.Covers(25));
  EXPECT_FALSE(usual.Covers(26));
  const BanPorts all = Parsed("ban.ports = \"all\"").ban_ports;
  EXPECT_TRUE(all.Covers(26));
  EXPECT_FALSE(all.Covers(465));
  EXPECT_FALSE(all.Covers(587));
  const BanPorts more = Parsed("ban.ports = [\"all\", 587]").ban_ports;
  EXPECT_TRUE(more.Covers(587));
  EXPECT_FALSE(more.Covers(465));
}

TEST(Config, WhatIsShownReadsBackTheSame) {
  Config config = Parsed(kWhole);
  for (const ConfigKey& key : KeysOf(config)) {
    const std::string line =
        std::string(key.name) + " = " + key.field.show() + "\n";
    Config again = Parsed(line);
    for (const ConfigKey& other : KeysOf(again)) {
      if (other.name != key.name) continue;
      EXPECT_EQ(other.field.show(), key.field.show()) << line;
    }
  }
}

TEST(Config, AReloadKeepsWhatNeedsARestart) {
  const Config now = Parsed("log.level = \"info\"\nuser = \"one\"");
  const Config next = Parsed(
      "log.level = \"debug\"\nuser = \"two\"\nban.max = 7\n"
      "milter.socket = \"unix:/a \\\"b\\\"\"\n");
  EXPECT_THAT(NeedRestart(now, next),
              ElementsAre("user", "milter.socket", "ban.max"));
  const Config kept = KeepUntilRestart(now, next);
  EXPECT_THAT(NeedRestart(now, kept), IsEmpty());
  EXPECT_EQ(kept.user, "one");
  EXPECT_EQ(kept.log.level, Severity::kDebug);
  EXPECT_THAT(kept.warnings, Contains("user waits for a restart"));
  EXPECT_EQ(KeepUntilRestart(now, now).warnings, now.warnings);
  EXPECT_THAT(NeedRestart(next, KeepUntilRestart(next, now)), IsEmpty());
}

TEST(Config, AFileThatIsNotOneIsRefused) {
  EXPECT_THAT(LoadConfig("/nonexistent/b.toml").status().ToString(),
              HasSubstr("/nonexistent/b.toml: cannot be read: No such file"));
  EXPECT_THAT(LoadConfig("/dev/zero").status().ToString(),
              HasSubstr("not a regular file"));
  EXPECT_THAT(ErrorOf(std::string(2 << 20, ' ')), HasSubstr("is larger than"));
}

// The sample file with its commented defaults: a comment that is a setting has
// no space behind the "#".
std::string SampleFile() {
  std::ifstream file(BREAKWATER_SOURCE_DIR "/etc/breakwater.toml");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Config, TheSampleFileIsSound) {
  const Config config = Parsed(SampleFile());
  EXPECT_THAT(config.warnings, IsEmpty());
  EXPECT_THAT(config.rules.zones, SizeIs(1));
}

TEST(Config, TheSampleFilesCommentsAreTheDefaults) {
  std::istringstream lines(SampleFile());
  std::string settings;
  size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line == "[[zone]]") break;
    if (line.size() < 2 || line[0] != '#' || line[1] == ' ') continue;
    settings += line.substr(1) + "\n";
    ++count;
  }
  EXPECT_GT(count, 25u);
  Config sample = Parsed(settings);
  Config usual = DefaultConfig();
  const std::vector<ConfigKey> from_sample = KeysOf(sample);
  const std::vector<ConfigKey> defaults = KeysOf(usual);
  for (size_t i = 0; i < defaults.size(); ++i) {
    EXPECT_EQ(from_sample[i].field.show(), defaults[i].field.show())
        << defaults[i].name;
  }
}

TEST(Config, TheSampleFilesZoneMayBeWrittenOut) {
  std::istringstream lines(SampleFile());
  std::string settings;
  bool in_zone = false;
  for (std::string line; std::getline(lines, line);) {
    in_zone = in_zone || line == "[[zone]]";
    if (!in_zone) continue;
    if (line.starts_with("# ---- ")) break;
    const bool setting = line.size() > 1 && line[0] == '#' && line[1] != ' ';
    settings += line.substr(setting ? 1 : 0) + "\n";
  }
  const std::vector<Zone> zones = Parsed(settings).rules.zones;
  ASSERT_THAT(zones, SizeIs(2));
  EXPECT_EQ(zones[0].label, zones[0].name);
  EXPECT_EQ(zones[0].type, ZoneType::kAddress);
  EXPECT_TRUE(zones[0].ban);
  EXPECT_EQ(zones[0].reply, DefaultConfig().rules.reply);
  EXPECT_EQ(zones[1].type, ZoneType::kDomain);
  EXPECT_EQ(zones[1].names, Zone{}.names);
}

TEST(Config, AListOfDomainsHasDefaultsOfItsOwn) {
  const Config config = Parsed(
      "reply.code = 554\n"
      "reply.name_template = \"{name} {id}\"\n"
      "[[zone]]\nname = \"dbl.spamhaus.org\"\ntype = \"domain\"\n"
      "[[zone]]\nname = \"names.test\"\ntype = \"domain\"\n"
      "names = [\"sender\"]\nban = true\nreply_code = 550\n"
      "answers = [\"127.0.1.2\"]\n"
      "[[zone]]\nname = \"a.test\"\n");
  ASSERT_THAT(config.rules.zones, SizeIs(3));
  const Zone& dbl = config.rules.zones[0];
  EXPECT_FALSE(dbl.ban);
  EXPECT_EQ(dbl.names, Zone{}.names);
  for (const char* listing : {"127.0.0.2", "127.0.1.2", "127.0.1.254"}) {
    EXPECT_EQ(dbl.Matches(IpAddress::Parse(listing)->V4()), 1u) << listing;
  }
  EXPECT_EQ(dbl.Matches(IpAddress::Parse("127.0.1.255")->V4()), 0u);
  EXPECT_EQ(ReplyFormOf(config.rules, dbl),
            (ReplyForm{.code = 554, .text_template = "{name} {id}"}));
  const Zone& names = config.rules.zones[1];
  EXPECT_TRUE(names.ban);
  EXPECT_EQ(names.names, std::vector{NameKind::kSender});
  EXPECT_EQ(names.Matches(IpAddress::Parse("127.0.0.2")->V4()), 0u);
  EXPECT_EQ(ReplyFormOf(config.rules, names),
            (ReplyForm{.code = 550, .text_template = "{name} {id}"}));
  EXPECT_EQ(ReplyFormOf(config.rules, config.rules.zones[2]),
            config.rules.reply);
}

TEST(CheckConfig, SaysOkOrEverythingThatIsWrong) {
  const std::string path = testing::TempDir() + "/check_config.toml";
  std::ostringstream out;
  std::ofstream(path) << "mode = \"observe\"\nuser = \"nobody-here\"\n";
  EXPECT_EQ(CheckConfig(path, out), 0);
  EXPECT_THAT(out.str(), HasSubstr(path + ": warning: user: "));
  EXPECT_THAT(out.str(), HasSubstr("nobody-here"));
  EXPECT_THAT(out.str(), HasSubstr(path + ": warning: no [[zone]]"));
  EXPECT_THAT(out.str(), HasSubstr(path + ": ok\n"));

  out.str("");
  std::ofstream(path) << "report.group = \"no-such-group\"\n"
                         "report.users = [\"no-such-user\"]\n"
                         "milter.socket = \"inet6:8890@2001:db8::1\"\n"
                         "policy.sockets = [\"inet:192.0.2.1:10025\"]\n"
                         "control.socket = \"/proc/self/status\"\n"
                         "enforcer.socket = \"/proc/self/status/s\"\n"
                         "memory.file = \"/proc/self\"\n"
                         "protect.mynetworks = true\n"
                         "protect.postconf = [\"/no/postconf\"]\n";
  EXPECT_EQ(CheckConfig(path, out), 0);
  for (const char* what :
       {"report.group: ", "report.users: ",
        "milter.socket: binding inet:[2001:db8::1]:0: Cannot assign",
        "policy.sockets: binding inet:192.0.2.1:0: Cannot assign",
        "control.socket: /proc/self/status is there, and is no socket",
        "enforcer.socket: /proc/self/status/s: Not a directory",
        "memory.file: /proc/self is not a regular file",
        "protect.postconf: /no/postconf cannot be run here"}) {
    EXPECT_THAT(out.str(), HasSubstr(absl::StrCat(": warning: ", what)));
  }

  out.str("");
  std::ofstream(path) << "user = \"nobody\"\nmilter.group = \"daemon\"\n"
                         "policy.group = \"nogroup\"\n";
  EXPECT_EQ(CheckConfig(path, out), 0);
  EXPECT_THAT(out.str(),
              HasSubstr(": warning: milter.group: nobody is not in group "));
  EXPECT_THAT(out.str(), Not(HasSubstr("policy.group")));

  out.str("");
  std::ofstream(path) << "mode = 1\nuser = 2\n";
  EXPECT_EQ(CheckConfig(path, out), 1);
  EXPECT_THAT(out.str(), HasSubstr(path + ":1:8: mode: is a number"));
  EXPECT_THAT(out.str(), HasSubstr(path + ":2:8: user: is a number"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace breakwater
