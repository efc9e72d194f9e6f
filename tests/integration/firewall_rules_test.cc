// What `breakwater firewall print` prints, loaded by the tool that it is for,
// and what a client meets then.

#include <sys/mount.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/integration/harness/breakwater.h"
#include "tests/integration/harness/integration_test.h"
#include "tests/integration/harness/ip_set.h"
#include "tests/integration/harness/mta_root.h"
#include "tests/integration/harness/smtp_client.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kBanned[] = "198.18.0.5";
constexpr char kBanned6[] = "2001:db8:bad1::5";
constexpr char kClean[] = "203.0.113.9";
constexpr char kClean6[] = "2001:db8:900d::9";

// A tarpit with a quick tongue stands for the mail server: it answers for as
// long as nobody is in the way.
class FirewallRulesTest : public IntegrationTest {
 protected:
  enum class Fate { kAnswered, kReset, kDropped };

  void SetUp() override {
    IntegrationTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory made, TempDirectory::Make());
    directory_.emplace(std::move(made));
    StartServer(25);
  }
  void StartServer(int port) {
    InNamespace here(mta());
    const std::string log = absl::StrCat(directory_->path(), "/log", port);
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        auto server,
        Process::Start(
            {Breakwater::ProgramPath("breakwater-tarpit"), "--user", "nobody",
             "--interval", "2ms", "--listen", absl::StrCat("0.0.0.0:", port),
             "--listen", absl::StrCat("[::]:", port), "--reply",
             absl::StrCat("521 5.7.1 By port ", port)},
            log));
    ASSERT_TRUE(server->WaitForLog("event=tarpit-started")) << server->Log();
    servers_.push_back(std::move(server));
  }

  void Configure(const std::string& toml) {
    BREAKWATER_ASSERT_OK(WriteFile(ConfigPath(), toml));
  }
  std::string ConfigPath() const { return directory_->path() + "/b.toml"; }
  CommandResult Command(std::vector<std::string> words) {
    words.insert(words.begin(), {Breakwater::ProgramPath("breakwater"),
                                 "--config", ConfigPath(), "firewall"});
    return RunIn(mta(), words);
  }
  std::string Print(std::vector<std::string> words) {
    words.insert(words.begin(), {"print", "--for"});
    const CommandResult printed = Command(words);
    EXPECT_TRUE(printed.ok()) << printed.err;
    return printed.out;
  }
  void Pipe(const std::string& input, const std::vector<std::string>& argv) {
    const CommandResult result = RunIn(mta(), argv, seconds(30), input);
    ASSERT_TRUE(result.ok()) << argv[0] << ": " << result.err << "\n" << input;
  }
  void RunThere(const std::vector<std::string>& argv) { Pipe("", argv); }

  // The kinds of bans.
  void MakeIpsets() { Pipe(Print({"ipset"}), {"ipset", "-exist", "restore"}); }
  void BanByIpset(const std::string& suffix = "") {
    RunThere({"ipset", "add", "breakwater4" + suffix, kBanned});
    RunThere({"ipset", "add", "breakwater6" + suffix, kBanned6});
  }
  void BanByNft(const std::string& suffix = "") {
    const auto add = [&](const std::string& set, const std::string& element) {
      RunThere({"nft", "add", "element", "inet", "breakwater", set,
                "{ " + element + " timeout 600s }"});
    };
    add("breakwater4" + suffix, kBanned);
    add("breakwater6" + suffix, "2001:db8:bad1::");
  }
  // The network around kBanned, and around kBanned6.
  void BanNetworksByIpset() {
    RunThere({"ipset", "add", "breakwater4-24", "198.18.0.0"});
    RunThere({"ipset", "add", "breakwater6-56", "2001:db8:bad1::"});
  }
  // All of the networks meet that, those beside them the server.
  void ExpectNetworksBanned(Fate fate) {
    for (const char* in : {kBanned, "198.18.0.250", kBanned6,
                           "2001:db8:bad1:7f::1", "2001:db8:bad1:ff::1"}) {
      EXPECT_EQ(FateOf(in), fate) << in;
    }
    for (const char* out :
         {kClean, "198.18.1.5", kClean6, "2001:db8:bad1:100::1"}) {
      EXPECT_EQ(FateOf(out), Fate::kAnswered) << out;
    }
  }
  void LoadIptables(const std::vector<std::string>& options,
                    const std::string& way = "-restore") {
    std::vector<std::string> words = {"iptables"};
    words.insert(words.end(), options.begin(), options.end());
    Pipe(Print(words), {"iptables" + way, "--noflush"});
    words.push_back("--ipv6");
    Pipe(Print(words), {"ip6tables" + way, "--noflush"});
  }

  Fate FateOf(const std::string& from, uint16_t port = 25) {
    const bool ipv6 = from.find(':') != std::string::npos;
    const auto client = SmtpClient::Connect(
        world(),
        {.from = from,
         .to = ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress,
         .port = port},
        milliseconds(1200));
    if (client.ok()) return Fate::kAnswered;
    return absl::IsDeadlineExceeded(client.status()) ? Fate::kDropped
                                                     : Fate::kReset;
  }
  // The banned meet that, everybody else the server.
  void ExpectBanned(Fate fate) {
    EXPECT_EQ(FateOf(kBanned), fate);
    EXPECT_EQ(FateOf(kBanned6), fate);
    // Another address of the same /64.
    EXPECT_EQ(FateOf("2001:db8:bad1::77"), fate);
    EXPECT_EQ(FateOf(kClean), Fate::kAnswered);
    EXPECT_EQ(FateOf(kClean6), Fate::kAnswered);
  }
  // The banned are kept from the port and from nothing else.
  void ExpectOtherTrafficFlows() {
    EXPECT_EQ(FateOf(kBanned, 26), Fate::kReset);
    EXPECT_EQ(FateOf(kBanned6, 26), Fate::kReset);
    for (const char* from : {kBanned, kBanned6}) {
      const bool ipv6 = std::string(from).find(':') != std::string::npos;
      const std::string ping = absl::StrCat(
          "import socket\n"
          "s = socket.socket(socket.AF_INET",
          ipv6 ? "6" : "",
          ", socket.SOCK_DGRAM)\n"
          "s.bind(('",
          from, "', 0)); s.settimeout(3)\ns.connect(('",
          ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress,
          "', 25)); s.send(b'x')\n"
          "try: s.recv(1)\n"
          "except ConnectionRefusedError: print('refused')\n");
      const CommandResult result = RunIn(world(), {"python3", "-c", ping});
      EXPECT_THAT(result.out, HasSubstr("refused")) << result.err;
    }
  }

  // Debian with the firewalls in it.
  void MakeRoot() {
    if (const auto why = MtaRoot::WhyNot("firewall")) GTEST_SKIP() << *why;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(root_, MtaRoot::Make("firewall"));
    ASSERT_EQ(mount("proc", root_->Path("/proc").c_str(), "proc", 0, nullptr),
              0);
  }
  void Append(const std::string& file, const std::string& text) {
    const std::string path = root_->Path(file);
    BREAKWATER_ASSERT_OK(WriteFile(path, ReadFile(path) + text));
  }
  void InRoot(const std::vector<std::string>& argv) {
    const CommandResult result = RunIn(mta(), root_->Chroot(argv), seconds(60));
    ASSERT_TRUE(result.ok()) << argv[0] << ": " << result.out << result.err;
  }

  std::optional<TempDirectory> directory_;
  std::vector<std::unique_ptr<Process>> servers_;
  std::unique_ptr<MtaRoot> root_;
};

TEST_F(FirewallRulesTest, IptablesDropsTheBanned) {
  Configure("");
  MakeIpsets();
  LoadIptables({});
  BanByIpset();
  ExpectBanned(Fate::kDropped);
  ExpectOtherTrafficFlows();
}

TEST_F(FirewallRulesTest, IptablesOfTheOldKindDropsTheBanned) {
  Configure("ban.ports = [25, 2525]\n");
  MakeIpsets();
  LoadIptables({}, "-legacy-restore");
  BanByIpset();
  ExpectBanned(Fate::kDropped);
}

TEST_F(FirewallRulesTest, XtRecentDropsTheBanned) {
  Configure("firewall.backend = \"xt_recent\"\n");
  LoadIptables({});
  for (const auto& [list, address] :
       {std::pair("breakwater", kBanned),
        std::pair("breakwater6", "2001:db8:bad1::")}) {
    RunThere(
        {"sh", "-c",
         absl::StrCat("echo +", address, " > /proc/net/xt_recent/", list)});
  }
  EXPECT_EQ(FateOf(kBanned), Fate::kDropped);
  EXPECT_EQ(FateOf(kBanned6), Fate::kDropped);
  EXPECT_EQ(FateOf(kClean), Fate::kAnswered);
  EXPECT_EQ(FateOf(kClean6), Fate::kAnswered);
}

TEST_F(FirewallRulesTest, NftablesDropsTheBanned) {
  Configure("firewall.backend = \"nftables\"\n");
  Pipe(Print({"nftables"}), {"nft", "-f", "-"});
  BanByNft();
  ExpectBanned(Fate::kDropped);
  ExpectOtherTrafficFlows();
}

// In the rules of every tool: those of xt_recent hold no networks.
TEST_F(FirewallRulesTest, IptablesAndNftablesDropBannedNetworks) {
  Configure(
      "widen.ipv4_24 = 9\n"
      "firewall.backend = [\"ipset\", \"nftables\"]\n");
  MakeIpsets();
  BanNetworksByIpset();
  LoadIptables({});
  ExpectNetworksBanned(Fate::kDropped);
  RunThere({"ipset", "flush"});
  ExpectNetworksBanned(Fate::kAnswered);
  Pipe(Print({"nftables"}), {"nft", "-f", "-"});
  for (const char* element :
       {"breakwater4-24 { 198.18.0.0", "breakwater6-56 { 2001:db8:bad1::"}) {
    RunThere({"sh", "-ec",
              absl::StrCat("nft 'add element inet breakwater ", element,
                           " timeout 600s }'")});
  }
  ExpectNetworksBanned(Fate::kDropped);
}

TEST_F(FirewallRulesTest, AnOpenSessionGoesOn) {
  Configure("firewall.backend = [\"ipset\", \"nftables\"]\n");
  MakeIpsets();
  LoadIptables({});
  ASSERT_TRUE(Command({"print", "--for", "nftables", "--apply"}).ok());
  auto session = SmtpClient::Connect(world(), {.from = kBanned});
  BREAKWATER_ASSERT_OK(session);
  BanByIpset();
  BanByNft();
  EXPECT_EQ(session->ReadReply()->code, 220);
  EXPECT_EQ(session->Command("EHLO a")->code, 250);
  EXPECT_EQ(FateOf(kBanned), Fate::kDropped);
}

TEST_F(FirewallRulesTest, ApplyingAgainKeepsTheBansAndRemovingEndsTheRules) {
  Configure("firewall.backend = \"nftables\"\n");
  const std::vector<std::string> apply = {"print", "--for", "nftables",
                                          "--apply"};
  ASSERT_TRUE(Command(apply).ok());
  BanByNft();
  ASSERT_TRUE(Command(apply).ok());
  const CommandResult listed =
      RunIn(mta(), {"nft", "list", "table", "inet", "breakwater"});
  EXPECT_EQ(listed.out.find("jump banned"), listed.out.rfind("jump banned"));
  EXPECT_EQ(FateOf(kBanned), Fate::kDropped);
  // Another action takes the place of the first.
  ASSERT_TRUE(
      Command({"print", "--for", "nftables", "--apply", "--action", "reject"})
          .ok());
  EXPECT_EQ(FateOf(kBanned), Fate::kReset);
  ASSERT_TRUE(Command({"remove"}).ok());
  EXPECT_EQ(FateOf(kBanned), Fate::kAnswered);
  EXPECT_THAT(
      RunIn(mta(), {"nft", "list", "set", "inet", "breakwater", "breakwater4"})
          .out,
      HasSubstr(kBanned));
  EXPECT_TRUE(Command({"remove"}).ok());
}

TEST_F(FirewallRulesTest, WhatCannotBeAppliedChangesNothing) {
  Configure("firewall.backend = \"nftables\"\n");
  RunThere({"nft",
            "add table inet breakwater; add set inet breakwater "
            "breakwater6 { type inet_service; }; add chain inet "
            "breakwater banned"});
  const std::string before = RunIn(mta(), {"nft", "list", "ruleset"}).out;
  const CommandResult applied =
      Command({"print", "--for", "nftables", "--apply"});
  EXPECT_EQ(applied.exit_code, 1);
  EXPECT_THAT(applied.err, HasSubstr("loading the rules"));
  EXPECT_EQ(RunIn(mta(), {"nft", "list", "ruleset"}).out, before);
}

TEST_F(FirewallRulesTest, OnlyOurOwnTableIsEverApplied) {
  Configure("");
  MakeIpsets();
  const CommandResult applied =
      Command({"print", "--for", "iptables", "--apply"});
  EXPECT_EQ(applied.exit_code, 2);
  EXPECT_THAT(applied.err, HasSubstr("--apply is for nftables"));
  EXPECT_EQ(RunIn(mta(), {"iptables-save"}).out.find("BREAKWATER"),
            std::string::npos);
}

TEST_F(FirewallRulesTest, RejectResetsTheBanned) {
  Configure("firewall.backend = [\"ipset\", \"nftables\"]\n");
  MakeIpsets();
  LoadIptables({"--action", "reject"});
  BanByIpset();
  ExpectBanned(Fate::kReset);
  RunThere({"ipset", "flush"});
  EXPECT_EQ(FateOf(kBanned), Fate::kAnswered);
  Pipe(Print({"nftables", "--action", "reject"}), {"nft", "-f", "-"});
  BanByNft();
  ExpectBanned(Fate::kReset);
}

TEST_F(FirewallRulesTest, RedirectSendsTheBannedToTheTarpit) {
  const auto last_reply = [&](const std::string& from) {
    const bool ipv6 = from.find(':') != std::string::npos;
    auto client = SmtpClient::Connect(
        world(), {.from = from,
                  .to = ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress});
    if (!client.ok() || !client->ReadReply().ok()) return std::string();
    static_cast<void>(client->Command("EHLO a"));
    const auto reply = client->Command("MAIL FROM:<a@b>");
    return reply.ok() ? reply->text : std::string();
  };
  StartServer(2525);
  Configure("firewall.backend = [\"ipset\", \"nftables\"]\n");
  MakeIpsets();
  BanByIpset();
  const auto expect = [&] {
    EXPECT_THAT(last_reply(kBanned), HasSubstr("By port 2525"));
    EXPECT_THAT(last_reply(kBanned6), HasSubstr("By port 2525"));
    EXPECT_THAT(last_reply(kClean), HasSubstr("By port 25"));
    EXPECT_THAT(last_reply(kClean), Not(HasSubstr("By port 2525")));
    EXPECT_EQ(FateOf(kClean, 2525), Fate::kDropped);
  };
  LoadIptables({"--action", "redirect"});
  expect();
  RunThere({"iptables", "-t", "nat", "-F"});
  RunThere({"ip6tables", "-t", "nat", "-F"});
  RunThere({"iptables", "-t", "raw", "-F"});
  RunThere({"ip6tables", "-t", "raw", "-F"});
  EXPECT_THAT(last_reply(kBanned), Not(HasSubstr("By port 2525")));
  Pipe(Print({"nftables", "--action", "redirect"}), {"nft", "-f", "-"});
  BanByNft();
  expect();
}

TEST_F(FirewallRulesTest, AnAttemptStartsABanOfTheUsualLengthAnew) {
  Configure(
      "ban.extend = true\nban.duration = \"600s\"\n"
      "firewall.backend = [\"ipset\", \"nftables\"]\n");
  MakeIpsets();
  LoadIptables({});
  RunThere({"ipset", "add", "breakwater4-extend", kBanned, "timeout", "60"});
  RunThere({"ipset", "add", "breakwater4", "198.18.0.6", "timeout", "60"});
  const IpSets sets(mta());
  EXPECT_EQ(FateOf(kBanned), Fate::kDropped);
  EXPECT_GT(sets.Timeout("breakwater4-extend", kBanned), seconds(500));
  EXPECT_EQ(FateOf("198.18.0.6"), Fate::kDropped);
  EXPECT_LE(sets.Timeout("breakwater4", "198.18.0.6"), seconds(60));

  ASSERT_TRUE(Command({"print", "--for", "nftables", "--apply"}).ok());
  RunThere({"nft", "add", "element", "inet", "breakwater", "breakwater6-extend",
            "{ 2001:db8:bad1:: timeout 60s }"});
  EXPECT_EQ(FateOf(kBanned6), Fate::kDropped);
  EXPECT_THAT(RunIn(mta(), {"nft", "list", "set", "inet", "breakwater",
                            "breakwater6-extend"})
                  .out,
              HasSubstr("expires 9m"));
}

TEST_F(FirewallRulesTest, WithAllPortsSubmissionStaysOpen) {
  Configure(
      "ban.ports = \"all\"\n"
      "firewall.backend = [\"ipset\", \"nftables\"]\n");
  MakeIpsets();
  LoadIptables({});
  BanByIpset();
  EXPECT_EQ(FateOf(kBanned), Fate::kDropped);
  EXPECT_EQ(FateOf(kBanned, 26), Fate::kDropped);
  EXPECT_EQ(FateOf(kBanned, 587), Fate::kReset);
  RunThere({"ipset", "flush"});
  ASSERT_TRUE(Command({"print", "--for", "nftables", "--apply"}).ok());
  BanByNft();
  EXPECT_EQ(FateOf(kBanned, 26), Fate::kDropped);
  EXPECT_EQ(FateOf(kBanned, 587), Fate::kReset);
}

TEST_F(FirewallRulesTest, ManyPortsLoad) {
  Configure(
      "ban.ports = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 25, "
      "26]\n");
  MakeIpsets();
  LoadIptables({});
  BanByIpset();
  EXPECT_EQ(FateOf(kBanned), Fate::kDropped);
  EXPECT_EQ(FateOf(kBanned, 1), Fate::kDropped);
  EXPECT_EQ(FateOf(kBanned, 27), Fate::kReset);
}

// The module is hardly anywhere: that iptables understands the rules is all
// that can be seen without it.
TEST_F(FirewallRulesTest, TheTarpitOfXtablesIsUnderstood) {
  MakeRoot();
  if (IsSkipped() || HasFatalFailure()) return;
  Configure("");
  MakeIpsets();
  for (const bool ipv6 : {false, true}) {
    std::vector<std::string> words = {"iptables", "--action", "tarpit"};
    if (ipv6) words.push_back("--ipv6");
    Pipe(Print(words), root_->Chroot({ipv6 ? "ip6tables-legacy-restore"
                                           : "iptables-legacy-restore",
                                      "--noflush", "--test"}));
  }
}

TEST_F(FirewallRulesTest, TheKernelsOwnLimitsDropWhoConnectsTooOften) {
  const auto file = [](const std::string& name) {
    return absl::StrCat(BREAKWATER_SOURCE_DIR "/etc/", name);
  };
  // Forty at once: however busy this machine is, they take no minute.
  const auto expect_limited = [this](const std::string& from) {
    const bool ipv6 = from.find(':') != std::string::npos;
    const std::string burst = absl::StrCat(
        "import socket, select, time\nall = []\nfor i in range(40):\n"
        "  s = socket.socket(socket.AF_INET",
        ipv6 ? "6" : "", ")\n  s.setblocking(False)\n  s.bind(('", from,
        "', 0))\n  s.connect_ex(('",
        ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress,
        "', 25)); all.append(s)\ntime.sleep(0.7)\n"
        "print(len(select.select([], all, [], 0)[1]))\n");
    const CommandResult result = RunIn(world(), {"python3", "-c", burst});
    const int answered = std::atoi(result.out.c_str());
    EXPECT_GE(answered, 20) << from << result.err;
    EXPECT_LT(answered, 40) << from;
  };
  const auto expect_limits = [&] {
    expect_limited(kBanned);
    expect_limited(kBanned6);
    EXPECT_EQ(FateOf(kClean), Fate::kAnswered);
    EXPECT_EQ(FateOf(kClean6), Fate::kAnswered);
  };
  Pipe(ReadFile(file("iptables/breakwater-limits.v4")),
       {"iptables-restore", "--noflush"});
  Pipe(ReadFile(file("iptables/breakwater-limits.v6")),
       {"ip6tables-restore", "--noflush"});
  expect_limits();
  RunThere({"iptables", "-t", "raw", "-F"});
  RunThere({"ip6tables", "-t", "raw", "-F"});
  ASSERT_EQ(FateOf(kBanned), Fate::kAnswered);
  RunThere({"nft", "-f", file("nftables/breakwater-limits.nft")});
  expect_limits();
}

TEST_F(FirewallRulesTest, UfwDropsTheBannedAndReloads) {
  MakeRoot();
  if (IsSkipped() || HasFatalFailure()) return;
  Configure("ban.extend = true\nwiden.ipv4_24 = 9\n");
  MakeIpsets();
  Append("/etc/ufw/before.rules", Print({"ufw"}));
  Append("/etc/ufw/before6.rules", Print({"ufw", "--ipv6"}));
  InRoot({"ufw", "allow", "25/tcp"});
  InRoot({"ufw", "--force", "enable"});
  InRoot({"ufw", "reload"});
  BanByIpset("-extend");
  ExpectBanned(Fate::kDropped);
  BanNetworksByIpset();
  ExpectNetworksBanned(Fate::kDropped);
  // A reload has not left the rule there twice.
  const std::string saved = RunIn(mta(), {"iptables-save"}).out;
  EXPECT_NE(saved.find("-j BREAKWATER"), std::string::npos);
  EXPECT_EQ(saved.find("-j BREAKWATER"), saved.rfind("-j BREAKWATER"));
}

TEST_F(FirewallRulesTest, ShorewallDropsTheBanned) {
  MakeRoot();
  if (IsSkipped() || HasFatalFailure()) return;
  Configure("ban.extend = true\nwiden.ipv4_24 = 9\n");
  MakeIpsets();
  for (const bool ipv6 : {false, true}) {
    const std::string program = ipv6 ? "shorewall6" : "shorewall";
    const std::string etc = "/etc/" + program;
    Append(etc + "/zones",
           ipv6 ? "fw firewall\nnet ipv6\n" : "fw firewall\nnet ipv4\n");
    Append(etc + "/interfaces", "?FORMAT 2\nnet wire\n");
    Append(etc + "/policy", "all all ACCEPT\n");
    Append(etc + "/conntrack",
           ipv6 ? Print({"shorewall", "--ipv6"}) : Print({"shorewall"}));
    InRoot({program, "check"});
    InRoot({program, "start"});
  }
  BanByIpset("-extend");
  ExpectBanned(Fate::kDropped);
  BanNetworksByIpset();
  ExpectNetworksBanned(Fate::kDropped);
}

TEST_F(FirewallRulesTest, FirewalldDropsTheBannedAndReloads) {
  MakeRoot();
  if (IsSkipped() || HasFatalFailure()) return;
  Configure("widen.ipv4_24 = 9\n");
  MakeIpsets();
  Append("/etc/firewalld/direct.xml", Print({"firewalld"}));
  InRoot({"firewall-offline-cmd", "--add-port=25/tcp"});
  InRoot({"firewall-offline-cmd", "--check-config"});
  InRoot({"mkdir", "-p", "/run/dbus", "/run/lock"});
  std::unique_ptr<Process> bus, firewalld;
  {
    InNamespace here(mta());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        bus, Process::Start(root_->Chroot({"dbus-daemon", "--system",
                                           "--nofork", "--nopidfile"}),
                            directory_->path() + "/bus"));
    ASSERT_TRUE(WaitUntil([&] {
      return access(root_->Path("/run/dbus/system_bus_socket").c_str(), F_OK) ==
             0;
    }));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        firewalld,
        Process::Start(root_->Chroot({"firewalld", "--nofork", "--nopid"}),
                       directory_->path() + "/firewalld"));
  }
  const auto is_running = [&] {
    return RunIn(mta(), root_->Chroot({"firewall-cmd", "--state"})).ok();
  };
  ASSERT_TRUE(WaitUntil(is_running, seconds(60), milliseconds(200)))
      << firewalld->Log();
  InRoot({"firewall-cmd", "--reload"});
  BanByIpset();
  ExpectBanned(Fate::kDropped);
  BanNetworksByIpset();
  ExpectNetworksBanned(Fate::kDropped);
  firewalld->Stop();
  bus->Stop();
}

}  // namespace
}  // namespace breakwater::testing
