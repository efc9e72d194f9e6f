#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/enforcer/enforcer_server.h"
#include "firewall/ipset/ip_sets.h"
#include "tests/daemon/test_daemon.h"
#include "tests/fakes/cable.h"
#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::Not;

constexpr milliseconds kSoon(2000);
constexpr milliseconds kNotYet(400);

Record Ban(const std::string& client, uint32_t seconds = 600) {
  const Instant now = Clock::now();
  return TimedRecord(RecordKind::kBan,
                     Network::OfClient(*IpAddress::Parse(client)),
                     now + std::chrono::seconds(seconds), now);
}

// The whole enforcer on real sets, rules and sockets. The server's end is this
// thread's namespace, 192.0.2.1; the clients are in another, 192.0.2.0/24 and
// 2001:db8::/64, at the other end of a cable.
class EnforcerKernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    config_.ban_ports.listed = {25};
    config_.ban_ports.all = false;
    // As the rules of etc/ have it.
    config_.rules.widening = DefaultConfig().rules.widening;
  }
  void TearDown() override { enforcer_.reset(); }

  void LayCable() {
    cable_.emplace();
    for (const char* client : {"192.0.2.5/24", "192.0.2.6/24", "192.0.2.7/24",
                               "2001:db8:0:5::5/48", "2001:db8:0:6::6/48"}) {
      cable_->AddClient(client);
    }
  }
  static void Run(const std::string& command) {
    EXPECT_TRUE(NetNamespace::Run(command)) << command;
  }
  Session Connect(const std::string& client, const TcpSocketFd& listener,
                  uint16_t port = 25) {
    return cable_->Connect(client, listener, port);
  }
  bool CanConnect(const std::string& client) {
    return cable_->CanConnect(client);
  }

  // ---- The enforcer
  void StartEnforcer(bool extend = false) {
    auto sets = IpSets::Open(
        {{.extend = extend, .widening = config_.rules.widening}, 1024});
    ASSERT_TRUE(sets.ok()) << sets.status();
    auto reaper = Reaper::Start(ReaperOptionsOf(config_.ban_ports));
    ASSERT_TRUE(reaper.ok()) << reaper.status();
    enforcer_ = std::make_unique<TestEnforcer>(directory_.File("enforcer.sock"),
                                               *std::move(sets),
                                               *std::move(reaper), config_);
    daemon_ = std::make_unique<TestDaemon>(directory_.File("enforcer.sock"));
    daemon_->SayHello();
    daemon_->ReadTo(RecordKind::kProtectedEnd);
  }
  static std::string RuleFile(const std::string& name) {
    return std::string(BREAKWATER_SOURCE_DIR) + "/etc/iptables/" + name;
  }
  static int Left(const char* set, const char* element) {
    const std::string list =
        NetNamespace::Output(std::string("ipset list ") + set);
    const size_t at = list.find(std::string(element) + " timeout ");
    return at == std::string::npos
               ? -1
               : std::stoi(list.substr(at + std::strlen(element) + 9));
  }

  NetNamespace namespace_;
  std::optional<Cable> cable_;
  TestDirectory directory_;
  Config config_;
  std::unique_ptr<TestEnforcer> enforcer_;
  std::unique_ptr<TestDaemon> daemon_;
};

TEST_F(EnforcerKernelTest, ABannedClientsNextSynIsDroppedAndItsSessionsEnd) {
  LayCable();
  StartEnforcer();
  Run("iptables-restore --noflush " + RuleFile("breakwater.v4"));
  Run("ip6tables-restore --noflush " + RuleFile("breakwater.v6"));
  const TcpSocketFd listener = ListenOn("::", 25);
  for (const char* client : {"192.0.2.5", "2001:db8:0:5::5"}) {
    const Session open = Connect(client, listener);
    ASSERT_GE(open.server.get(), 0) << client;
    daemon_->Order({Ban(client)});
    EXPECT_TRUE(open.client.IsReset(kSoon)) << client;
    EXPECT_TRUE(open.server.IsReset(kSoon)) << client;
    EXPECT_FALSE(CanConnect(client));
  }
  EXPECT_TRUE(CanConnect("192.0.2.6"));
  EXPECT_TRUE(CanConnect("2001:db8:0:6::6"));
}

TEST_F(EnforcerKernelTest,
       ABannedClientStillGetsItsReplyAndItsSessionThenEnds) {
  LayCable();
  StartEnforcer();
  Run("iptables-restore --noflush " + RuleFile("breakwater.v4"));
  const TcpSocketFd listener = ListenOn("0.0.0.0", 25);
  const Session session = Connect("192.0.2.5", listener);
  session.server.Say("220 mx.example.org\r\n");
  session.client.Hear(kSoon);
  daemon_->Order(
      {Ban("192.0.2.5"),
       {.kind = RecordKind::kEndAfterReply, .connection = session.connection}});
  // What it says still comes through, only its SYNs do not.
  session.client.Say("MAIL FROM:<>\r\n");
  EXPECT_EQ(session.server.Hear(kSoon), "MAIL FROM:<>\r\n");
  session.server.Say("521 5.7.1 no\r\n");
  EXPECT_EQ(session.client.Hear(kSoon), "521 5.7.1 no\r\n");
  EXPECT_TRUE(session.client.IsReset(kSoon));
  EXPECT_FALSE(CanConnect("192.0.2.5"));
}

TEST_F(EnforcerKernelTest, AnAuthenticatedSessionAndOneForSubmissionStay) {
  LayCable();
  StartEnforcer();
  const TcpSocketFd smtp = ListenOn("0.0.0.0", 25);
  const TcpSocketFd submission = ListenOn("0.0.0.0", 587);
  const Session spared = Connect("192.0.2.5", smtp);
  const Session submitting = Connect("192.0.2.5", submission, 587);
  const Session other = Connect("192.0.2.5", smtp);
  daemon_->Order(
      {Ban("192.0.2.5"),
       {.kind = RecordKind::kSpare, .connection = spared.connection},
       {.kind = RecordKind::kDestroy, .connection = submitting.connection}});
  EXPECT_TRUE(other.client.IsReset(kSoon));
  EXPECT_FALSE(spared.client.IsReset(kNotYet));
  EXPECT_FALSE(submitting.client.IsReset(kNotYet));
}

TEST_F(EnforcerKernelTest, OwnAddressesAndGatewaysAreRefused) {
  LayCable();
  Run("ip route add default via 192.0.2.7");
  StartEnforcer();
  for (const char* client : {"192.0.2.1", "192.0.2.7", "2001:db8::99"}) {
    EXPECT_THAT(
        daemon_->Order({Ban(client)}),
        Contains(AllOf(
            Field(&Record::kind, RecordKind::kRefused),
            Field(&Record::detail, static_cast<uint8_t>(Refusal::kProtected)))))
        << client;
  }
  EXPECT_THAT(NetNamespace::Output("ipset list breakwater4"),
              HasSubstr("Number of entries: 0"));
}

TEST_F(EnforcerKernelTest, AnAddressThatTheHostGetsLeavesTheSet) {
  LayCable();
  StartEnforcer();
  daemon_->Order({Ban("192.0.2.44")});
  EXPECT_GT(Left("breakwater4", "192.0.2.44"), 590);
  Run("ip addr add 192.0.2.44/24 dev mail0");
  EXPECT_THAT(daemon_->ReadTo(RecordKind::kProtectedEnd),
              Contains(Field(&Record::network, *Network::Parse("192.0.2.44"))));
  EXPECT_EQ(Left("breakwater4", "192.0.2.44"), -1);
}

TEST_F(EnforcerKernelTest, ASetDestroyedUnderUsIsMadeAgainAndTheDaemonTold) {
  StartEnforcer();
  daemon_->Order({Ban("192.0.2.5")});
  Run("ipset destroy breakwater4");
  // With an order that finds it missing ...
  EXPECT_THAT(daemon_->Order({Ban("192.0.2.6")}),
              Contains(Field(&Record::kind, RecordKind::kSetsMade)));
  EXPECT_GT(Left("breakwater4", "192.0.2.6"), 590);
  // ... and without.
  Run("ipset destroy breakwater6");
  EXPECT_EQ(daemon_->ReadTo(RecordKind::kSetsMade).back().kind,
            RecordKind::kSetsMade);
  Run("ipset list -t breakwater6 >/dev/null");
}

TEST_F(EnforcerKernelTest, AHitProlongsAnUsualBanAndNeverShortensALongOne) {
  LayCable();
  StartEnforcer(/*extend=*/true);
  Run("iptables-restore --noflush " + RuleFile("breakwater-extend.v4"));
  Run("ip6tables-restore --noflush " + RuleFile("breakwater-extend.v6"));
  const TcpSocketFd listener = ListenOn("::", 25);
  daemon_->Order({Ban("192.0.2.5", 86'400), Ban("192.0.2.6", 600),
                  Ban("2001:db8:0:5::5", 86'400), Ban("2001:db8:0:6::6", 600)});
  // What is left of the usual bans after nine minutes.
  Run("ipset -exist add breakwater4-extend 192.0.2.6 timeout 60");
  Run("ipset -exist add breakwater6-extend 2001:db8:0:6:: timeout 60");
  for (const char* client :
       {"192.0.2.5", "192.0.2.6", "2001:db8:0:5::5", "2001:db8:0:6::6"}) {
    EXPECT_FALSE(CanConnect(client)) << client;
  }
  EXPECT_GT(Left("breakwater4", "192.0.2.5"), 86'390);
  EXPECT_GT(Left("breakwater6", "2001:db8:0:5::"), 86'390);
  EXPECT_GT(Left("breakwater4-extend", "192.0.2.6"), 590);
  EXPECT_GT(Left("breakwater6-extend", "2001:db8:0:6::"), 590);
}

TEST_F(EnforcerKernelTest, ALongBanStaysLongThoughTheUsualOneFollows) {
  LayCable();
  StartEnforcer(/*extend=*/true);
  Run("iptables-restore --noflush " + RuleFile("breakwater-extend.v4"));
  daemon_->Order({Ban("192.0.2.5", 86'400)});
  daemon_->Order({Ban("192.0.2.5", 600)});
  EXPECT_FALSE(CanConnect("192.0.2.5"));
  EXPECT_GT(Left("breakwater4", "192.0.2.5"), 86'390);
}

TEST_F(EnforcerKernelTest, TheSetsOfTheFileAreTheOnesThatTheEnforcerNeeds) {
  Run("ipset -exist -file " + RuleFile("breakwater.sets") + " restore");
  StartEnforcer(/*extend=*/true);
  EXPECT_EQ(daemon_->Order({Ban("192.0.2.5"), Ban("2001:db8::5")}).back().kind,
            RecordKind::kApplied);
  // And a second time it is no error.
  Run("ipset -exist -file " + RuleFile("breakwater.sets") + " restore");
}

TEST_F(EnforcerKernelTest, TheListenerSurvivesAThousandBansOfClientsThatLeft) {
  LayCable();
  StartEnforcer();
  const TcpSocketFd listener = ListenOn("::", 25);
  for (int i = 0; i < 1000; ++i) {
    Session session = Connect("192.0.2.5", listener);
    session.client.Close();
    session.server.Close();
    daemon_->Order({Ban("192.0.2.5"),
                    {.kind = i % 2 == 0 ? RecordKind::kDestroy
                                        : RecordKind::kEndAfterReply,
                     .connection = session.connection}});
  }
  EXPECT_TRUE(CanConnect("192.0.2.6"));
}

}  // namespace
}  // namespace breakwater
