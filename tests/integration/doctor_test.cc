// breakwater doctor, before firewalls that work and firewalls that somebody has
// broken.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class DoctorTest : public BreakwaterTest {
 protected:
  static constexpr int kWell = 0;
  static constexpr int kNotWell = 4;

  void SetUp() override {
    BreakwaterTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory made, TempDirectory::Make());
    directory_ = std::make_unique<TempDirectory>(std::move(made));
    StartServer(25);
  }
  // It stands for the mail server.
  void StartServer(int port) {
    InNamespace here(mta());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        auto server,
        Process::Start({Breakwater::ProgramPath("breakwater-tarpit"), "--user",
                        "nobody", "--listen", absl::StrCat("0.0.0.0:", port),
                        "--listen", absl::StrCat("[::]:", port)},
                       absl::StrCat(directory_->path(), "/log", port)));
    ASSERT_TRUE(server->WaitForLog("event=tarpit-started")) << server->Log();
    servers_.push_back(std::move(server));
  }
  void StartWith(const std::string& config = "", bool rules = false,
                 const std::string& mode = "enforce") {
    StartService({.policy = {"inet:127.0.0.1:10040"},
                  .rules = rules,
                  .mode = mode,
                  .config = config});
  }

  void RunThere(const std::string& line) {
    const CommandResult result = RunIn(mta(), {"sh", "-ec", line});
    ASSERT_TRUE(result.ok()) << line << ": " << result.err;
  }
  // The printed rules, changed by sed, loaded.
  void LoadRules(const std::string& sed = "", const std::string& more = "") {
    for (const bool ipv6 : {false, true}) {
      RunThere(absl::StrCat(Breakwater::ProgramPath("breakwater"), " --config ",
                            breakwater_->config_path(),
                            " firewall print --for iptables ", more,
                            ipv6 ? " --ipv6" : "", " | sed '", sed, "' | ip",
                            ipv6 ? "6" : "", "tables-restore --noflush"));
    }
  }
  CommandResult Doctor(std::vector<std::string> more = {}) {
    more.insert(more.begin(), "doctor");
    CommandResult result = breakwater_->Command(more);
    // Nothing of it stays.
    EXPECT_THAT(RunIn(mta(), {"ip", "-br", "link"}).out,
                Not(HasSubstr("bw-doctor")));
    EXPECT_TRUE(WaitUntil([&] { return !sets_->Has("breakwater4", kTest); }));
    return result;
  }
  void ExpectFault(const std::string& fault) {
    const CommandResult result = Doctor();
    EXPECT_EQ(result.exit_code, kNotWell) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr(fault));
    EXPECT_THAT(result.out, Not(HasSubstr("all is well")));
  }
  void ExpectWell() {
    const CommandResult result = Doctor();
    EXPECT_EQ(result.exit_code, kWell) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("all is well"));
  }

  static constexpr char kTest[] = "198.51.100.2";
  std::unique_ptr<TempDirectory> directory_;
  std::vector<std::unique_ptr<Process>> servers_;
};

TEST_F(DoctorTest, ProvesThatTheBannedAreDroppedAndOthersAreNot) {
  StartWith("", /*rules=*/true);
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kWell) << result.out << result.err;
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("a banned client (198.51.100.2) to 192.0.2.25 port 25: "
                      "dropped"),
            HasSubstr("another client (198.51.100.3) to 192.0.2.25 port 25: "
                      "accepted"),
            HasSubstr("a banned client (2001:db8:0:bad::2) to "
                      "2001:db8:25::25 port 25: dropped"),
            HasSubstr("another client (2001:db8:0:900d::3) to "
                      "2001:db8:25::25 port 25: accepted"),
            HasSubstr("all is well")));
  // Asked of the daemon, as any ban.
  EXPECT_THAT(breakwater_->Log(), AllOf(HasSubstr("ban 198.51.100.2 60"),
                                        HasSubstr("ban 2001:db8:0:bad::2 60")));
  // The mail server has seen none of it.
  servers_[0]->Signal(SIGUSR1);
  EXPECT_TRUE(servers_[0]->WaitForLog("accepted=0"));
}

TEST_F(DoctorTest, AMissingRuleIsFound) {
  StartWith();
  ExpectFault(
      "a banned client gets in: no rule of the firewall drops who is in the "
      "set breakwater4 of ipset");
}

TEST_F(DoctorTest, ARuleForAnotherSetIsFound) {
  StartWith();
  RunThere(
      "ipset create blocklist4 hash:ip; ipset create blocklist6 hash:ip "
      "family inet6");
  LoadRules("s/breakwater\\([46]\\) src/blocklist\\1 src/");
  ExpectFault(
      "no rule drops who is in the set breakwater4 of ipset, but in another "
      "one: iptables -t raw: -A BREAKWATER -m set --match-set blocklist4 src "
      "-j DROP");
}

// Rules of before bans were widened.
TEST_F(DoctorTest, AMissingRuleForNetworksIsFound) {
  StartWith();
  LoadRules("/breakwater6-56/d");
  ExpectFault(
      "IPv6, by its rules alone: a client of a banned /56 gets in: no rule of "
      "the firewall drops who is in the set breakwater6-56 of ipset: load what "
      "`breakwater firewall print` prints");
}

TEST_F(DoctorTest, ARuleForAnotherPortIsFound) {
  StartWith();
  LoadRules("s/--dport 25/--dport 2525/");
  ExpectFault(
      "the rule is for other ports: iptables -t raw: -A PREROUTING -p tcp -m "
      "tcp --dport 2525");
}

TEST_F(DoctorTest, ARuleThatAcceptsBeforeOursIsFound) {
  StartWith();
  RunThere(
      "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT;"
      "iptables -A INPUT -i lo -j ACCEPT;"
      "iptables -A INPUT -p tcp -m multiport --dports 25,587 -j ACCEPT;"
      "iptables -A INPUT -p tcp --dport 25 -m set --match-set breakwater4 src "
      "-j DROP");
  ExpectFault(
      "another rule accepts before ours: iptables -t filter: -A INPUT -p tcp "
      "-m multiport --dports 25,587 -j ACCEPT");
}

TEST_F(DoctorTest, AChainThatNothingLeadsToIsFound) {
  StartWith();
  LoadRules("/^-I/d");
  ExpectFault("no rule leads to the chain BREAKWATER of iptables -t raw");
}

TEST_F(DoctorTest, ARuleOfTheOldIptablesIsFoundToo) {
  StartWith();
  RunThere(
      "iptables-legacy -A INPUT -p tcp --dport 25 -j ACCEPT;"
      "iptables-legacy -A INPUT -m set --match-set breakwater4 src -j DROP");
  ExpectFault(
      "another rule accepts before ours: iptables-legacy -t filter: -A INPUT "
      "-p tcp");
}

TEST_F(DoctorTest, ARuleThatDropsEverybodyIsFound) {
  StartWith("", /*rules=*/true);
  RunThere("iptables -A INPUT -p tcp --dport 25 -j DROP");
  ExpectFault(
      "a client that is not banned gets no answer from 192.0.2.25 port 25: "
      "iptables -t filter: -A INPUT -p tcp -m tcp --dport 25 -j DROP");
}

TEST_F(DoctorTest, AMissingRuleOfIpv6IsFound) {
  StartWith("", /*rules=*/true);
  ExpectWell();
  RunThere("ip6tables -t raw -F");
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kNotWell);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr("to 192.0.2.25 port 25: dropped"),
                    HasSubstr("to 2001:db8:25::25 port 25: accepted"),
                    HasSubstr("a banned client gets in: no rule of the "
                              "firewall drops who is in the set "
                              "breakwater6")));
}

TEST_F(DoctorTest, ARuleThatDropsAllOfIpv6IsFound) {
  StartWith("", /*rules=*/true);
  RunThere("ip6tables -A INPUT -p tcp --dport 25 -j DROP");
  ExpectFault(
      "a client that is not banned gets no answer from 2001:db8:25::25 port "
      "25: ip6tables -t filter: -A INPUT -p tcp -m tcp --dport 25 -j DROP");
}

// As a VPN does that takes all that leaves.
constexpr char kOtherWay[] =
    "dev=$(ip -o route get 192.0.2.1 | sed 's/.* dev \\([^ ]*\\).*/\\1/');"
    "ip route add 198.51.100.0/24 dev $dev table 100;"
    "ip rule add pref 100 to 198.51.100.0/24 lookup 100;"
    "sysctl -q net.ipv4.conf.all.rp_filter=";

TEST_F(DoctorTest, PacketsThatRpFilterDropsProveNothing) {
  StartWith();
  RunThere(absl::StrCat(kOtherWay, "1"));
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kNotWell);
  EXPECT_THAT(
      result.out,
      AllOf(HasSubstr("(198.51.100.2) to 192.0.2.25 port 25: dropped by "
                      "rp_filter"),
            HasSubstr("FAULT: rp_filter, not the ban, drops the test's "
                      "packets, so they prove nothing: "
                      "net.ipv4.conf.*.rp_filter is 1, and the way back to "
                      "198.51.100.2 leads by "),
            // What can be read is said all the same.
            HasSubstr("IPv4, by its rules alone: a banned client gets in: no "
                      "rule of the firewall drops who is in the set "
                      "breakwater4")));
}

TEST_F(DoctorTest, AnAnswerThatLeavesByAnotherInterfaceIsFound) {
  StartWith("", /*rules=*/true);
  RunThere(absl::StrCat(kOtherWay, "0"));
  RunThere("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done");
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kNotWell);
  EXPECT_THAT(result.out, AllOf(HasSubstr("(198.51.100.2) to 192.0.2.25 port "
                                          "25: dropped\n"),
                                HasSubstr("the answer leaves by ")));
}

TEST_F(DoctorTest, ObserveModeIsFound) {
  StartWith("", /*rules=*/true, "observe");
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kNotWell);
  // The firewall is tried all the same.
  EXPECT_THAT(result.out, AllOf(HasSubstr("breakwaterd is in observe mode"),
                                HasSubstr("port 25: dropped")));
}

TEST_F(DoctorTest, ADaemonThatDoesNotRunIsFound) {
  StartWith("", /*rules=*/true);
  breakwater_->Stop();
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kNotWell);
  EXPECT_THAT(result.out, AllOf(HasSubstr("breakwaterd does not run"),
                                HasSubstr("port 25: dropped")));
}

TEST_F(DoctorTest, AnEnforcerThatDoesNotRunIsFound) {
  StartWith("", /*rules=*/true);
  breakwater_->Stop();
  // The daemon alone, as a unit has it whose enforcer is not enabled.
  RunThere("rm -f " + breakwater_->directory() + "/*.sock; chmod 777 " +
           breakwater_->directory());
  InNamespace here(mta());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      const auto daemon,
      Process::Start({"setpriv", "--reuid=65534", "--regid=65534",
                      "--clear-groups", Breakwater::ProgramPath("breakwaterd"),
                      "--config", breakwater_->config_path()},
                     directory_->path() + "/daemon"));
  ASSERT_TRUE(daemon->WaitForLog("event=ready")) << daemon->Log();
  const CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kNotWell);
  EXPECT_THAT(result.out, HasSubstr("the enforcer is not connected"));
}

TEST_F(DoctorTest, NftablesIsTriedAndRead) {
  StartWith("[firewall]\nbackend = \"nftables\"\n");
  // A set of that name that nobody fills proves nothing.
  RunThere(
      "ipset create breakwater4 hash:ip && iptables -t raw -A PREROUTING -m "
      "set --match-set breakwater4 src -j DROP");
  ExpectFault(
      "no rule drops who is in the set breakwater4 of the table inet "
      "breakwater, but in another one: iptables -t raw: -A PREROUTING -m set "
      "--match-set breakwater4 src -j DROP");
  RunThere("iptables -t raw -F && ipset destroy breakwater4");
  const std::string apply = absl::StrCat(
      Breakwater::ProgramPath("breakwater"), " --config ",
      breakwater_->config_path(), " firewall print --for nftables");
  RunThere(apply + " --apply");
  ExpectWell();
  // Other tables' rules do not stand in the way of a drop.
  RunThere(
      "nft 'add table inet filter; add chain inet filter input { type filter "
      "hook input priority 0; }; add rule inet filter input ct state { "
      "established, related } accept; add rule inet filter input tcp dport 25 "
      "accept'");
  ExpectWell();
  RunThere(
      "nft insert rule inet breakwater new-connections tcp dport { 25, "
      "587 } accept");
  ExpectFault(
      "another rule accepts before ours: nft table inet breakwater: chain "
      "new-connections: tcp dport { 25, 587 } accept");
  RunThere(apply + " | sed 's/dport { 25 }/dport { 24 }/' | nft -f -");
  ExpectFault(
      "the rule is for other ports: nft table inet breakwater: chain "
      "new-connections: tcp dport 24");
}

TEST_F(DoctorTest, XtRecentIsTriedAndRead) {
  StartWith("[firewall]\nbackend = \"xt_recent\"\n");
  LoadRules();
  // The lists, which are root's, are opened by an enforcer that still is.
  breakwater_->Stop();
  StartBreakwater();
  ExpectWell();
}

TEST_F(DoctorTest, RejectingAndRedirectingAreNoFaults) {
  StartWith();
  LoadRules("", "--action reject");
  CommandResult result = Doctor();
  EXPECT_EQ(result.exit_code, kWell) << result.out << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("port 25: reset"),
                                HasSubstr("as this rule says: -A BREAKWATER")));
  RunThere("iptables -F; ip6tables -F");
  StartServer(2525);
  LoadRules("", "--action redirect");
  result = Doctor();
  EXPECT_EQ(result.exit_code, kWell) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("REDIRECT"));
}

TEST_F(DoctorTest, SaysWhatItCannotDo) {
  StartWith("", /*rules=*/true);
  CommandResult result = Doctor({"--port", "587"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("bans do not cover port 587"));
  result =
      RunIn(mta(), {"setpriv", "--reuid=65534", "--regid=65534",
                    "--clear-groups", Breakwater::ProgramPath("breakwater"),
                    "--config", breakwater_->config_path(), "doctor"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("this needs root"));
}

TEST_F(DoctorTest, ProgramsReadWhatItFinds) {
  StartWith();
  const CommandResult result = Doctor({"--json"});
  EXPECT_EQ(result.exit_code, kNotWell);
  EXPECT_THAT(result.out, AllOf(HasSubstr("\"all_ok\":false"),
                                HasSubstr("\"faults\":[\"a banned client")));
}

}  // namespace
}  // namespace breakwater::testing
