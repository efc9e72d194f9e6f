#include "reaper/reaper.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSoon(2000);
constexpr milliseconds kNotYet(300);

// Real sockets in a network namespace of the test's own.
class ReaperTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
    auto reaper = Reaper::Start(
        {.covers = [](uint16_t port) { return port == 25; }, .only_port = 25});
    ASSERT_TRUE(reaper.ok()) << reaper.status();
    reaper_ = *std::move(reaper);
    listener_ = ListenOn("::", 25);
  }
  Session Connect(const char* client, bool accepted = true) {
    return ConnectFrom(client, "127.0.0.1", 25, listener_, accepted);
  }
  static Network Of(const char* client) {
    return Network::OfClient(*IpAddress::Parse(client));
  }
  // The count follows the reset by a moment.
  bool HasDestroyed(uint64_t count) {
    for (int i = 0; i < 200 && reaper_->counts().destroyed < count; ++i) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    return reaper_->counts().destroyed == count;
  }
  bool ListenerLives() { return Connect("127.0.0.99").server.get() >= 0; }

  NetNamespace namespace_;
  TcpSocketFd listener_;
  std::unique_ptr<Reaper> reaper_;
};

TEST_F(ReaperTest, AKnownSessionIsDestroyedAtOnce) {
  const Session session = Connect("127.0.0.5");
  reaper_->Add({.destroy = {session.connection}});
  EXPECT_TRUE(session.client.IsReset(kSoon));
  EXPECT_TRUE(session.server.IsReset(kSoon));
  EXPECT_TRUE(HasDestroyed(1));
}

TEST_F(ReaperTest, ASweepFindsTheSessionsThatNobodyKnew) {
  const Session first = Connect("127.0.0.5");
  const Session second = Connect("127.0.0.5");
  const Session other = Connect("127.0.0.6");
  reaper_->Add({.sweep = {Of("127.0.0.5")}});
  EXPECT_TRUE(first.client.IsReset(kSoon));
  EXPECT_TRUE(second.client.IsReset(kSoon));
  EXPECT_FALSE(other.client.IsReset(kNotYet));
}

TEST_F(ReaperTest, ManyBansShareADump) {
  std::vector<Session> sessions;
  for (int i = 0; i < 50; ++i) {
    sessions.push_back(Connect("127.0.0.5"));
    reaper_->Add({.sweep = {Of("127.0.0.5"), Of("127.0.0.6")}});
  }
  for (const Session& session : sessions) {
    EXPECT_TRUE(session.client.IsReset(kSoon));
  }
  EXPECT_LE(reaper_->counts().dumps, 20U);
}

TEST_F(ReaperTest, ASweepEndsWhatWaitsToBeAccepted) {
  const Session session = Connect("127.0.0.5", /*accepted=*/false);
  reaper_->Add({.sweep = {Of("127.0.0.5")}});
  EXPECT_TRUE(session.client.IsReset(kSoon));
  // It keeps its place in the queue until it is accepted.
  TcpSocketFd(accept(listener_.get(), nullptr, nullptr));
  EXPECT_TRUE(ListenerLives());
}

TEST_F(ReaperTest, ASweepOfANetworkFindsAllItsHosts) {
  ASSERT_TRUE(NetNamespace::Run("ip -6 addr add 2001:db8::5/128 dev lo nodad"));
  ASSERT_TRUE(
      NetNamespace::Run("ip -6 addr add 2001:db8:0:1::5/128 dev lo nodad"));
  const Session mine = ConnectFrom("2001:db8::5", "::1", 25, listener_);
  const Session other = ConnectFrom("2001:db8:0:1::5", "::1", 25, listener_);
  reaper_->Add({.sweep = {Of("2001:db8::1234")}});
  EXPECT_TRUE(mine.client.IsReset(kSoon));
  EXPECT_FALSE(other.client.IsReset(kNotYet));
}

TEST_F(ReaperTest, ASweepOfAWideNetworkFindsAllItsClients) {
  for (const char* address :
       {"2001:db8:0:1::5", "2001:db8:0:ff::5", "2001:db8:0:100::5"}) {
    ASSERT_TRUE(NetNamespace::Run(std::string("ip -6 addr add ") + address +
                                  "/128 dev lo nodad"));
  }
  const Session mine = ConnectFrom("2001:db8:0:1::5", "::1", 25, listener_);
  const Session neighbour =
      ConnectFrom("2001:db8:0:ff::5", "::1", 25, listener_);
  const Session other = ConnectFrom("2001:db8:0:100::5", "::1", 25, listener_);
  const Session v4 = Connect("127.0.0.5");
  const Session other_v4 = Connect("127.0.1.5");
  reaper_->Add({.sweep = {*Network::Parse("2001:db8::/56"),
                          *Network::Parse("127.0.0.0/24")}});
  EXPECT_TRUE(mine.client.IsReset(kSoon));
  EXPECT_TRUE(neighbour.client.IsReset(kSoon));
  EXPECT_TRUE(v4.client.IsReset(kSoon));
  EXPECT_FALSE(other.client.IsReset(kNotYet));
  EXPECT_FALSE(other_v4.client.IsReset(kNotYet));
}

TEST_F(ReaperTest, WhoIsUnbannedBeforeTheDumpIsNotSwept) {
  const Session session = Connect("127.0.0.5");
  reaper_->Add({.sweep = {Of("127.0.0.5")}});
  reaper_->Add({.lifted = {Of("127.0.0.5")}});
  EXPECT_FALSE(session.client.IsReset(kNotYet));
  // And who is banned once more is.
  reaper_->Add({.lifted = {Of("127.0.0.5")}, .sweep = {Of("127.0.0.5")}});
  EXPECT_TRUE(session.client.IsReset(kSoon));
}

TEST_F(ReaperTest, OtherPortsAreLeftAlone) {
  const TcpSocketFd submission = ListenOn("::", 587);
  const Session session =
      ConnectFrom("127.0.0.5", "127.0.0.1", 587, submission);
  reaper_->Add({.destroy = {session.connection},
                .end_after_reply = {session.connection},
                .sweep = {Of("127.0.0.5")}});
  EXPECT_FALSE(session.client.IsReset(milliseconds(1300)));
  EXPECT_EQ(reaper_->counts().destroyed, 0U);
}

TEST_F(ReaperTest, OnAllPortsOurOwnConnectionsToTheClientAreLeftAlone) {
  // We deliver to 127.0.0.5, from a port that nobody listens on.
  const TcpSocketFd mx = ListenOn("127.0.0.5", 2525);
  const Session ours = ConnectFrom("127.0.0.1", "127.0.0.5", 2525, mx);
  const TcpSocketFd submission = ListenOn("127.0.0.1", 10025);
  const Session its = ConnectFrom("127.0.0.5", "127.0.0.1", 10025, submission);
  reaper_->SetPorts([](uint16_t) { return true; }, 0);
  reaper_->Add({.sweep = {Of("127.0.0.5")}});
  EXPECT_TRUE(its.client.IsReset(kSoon));
  EXPECT_FALSE(ours.client.IsReset(kNotYet));
  EXPECT_EQ(reaper_->counts().destroyed, 1U);
}

TEST_F(ReaperTest, OnAllPortsAListenerOfAnyAddressHasItsSessionsSwept) {
  const TcpSocketFd v4 = ListenOn("0.0.0.0", 10025);
  const Session of_v4 = ConnectFrom("127.0.0.5", "127.0.0.1", 10025, v4);
  const Session of_dual_stack = Connect("127.0.0.5");
  const TcpSocketFd v6 = ListenOn("::1", 10026);
  const Session of_v6 = ConnectFrom("::1", "::1", 10026, v6);
  reaper_->SetPorts([](uint16_t port) { return port < 11000; }, 0);
  reaper_->Add({.sweep = {Of("127.0.0.5"), Of("::1")}});
  EXPECT_TRUE(of_v4.client.IsReset(kSoon));
  EXPECT_TRUE(of_dual_stack.client.IsReset(kSoon));
  EXPECT_TRUE(of_v6.client.IsReset(kSoon));
}

TEST_F(ReaperTest, ASparedSessionOutlivesEverything) {
  const Session session = Connect("127.0.0.5");
  reaper_->Add({.sparings = {{session.connection, true}},
                .destroy = {session.connection},
                .end_after_reply = {session.connection},
                .sweep = {Of("127.0.0.5")}});
  EXPECT_FALSE(session.client.IsReset(milliseconds(1300)));
  reaper_->Add(
      {.sparings = {{session.connection, false}}, .sweep = {Of("127.0.0.5")}});
  EXPECT_TRUE(session.client.IsReset(kSoon));
}

TEST_F(ReaperTest, TheClientHasItsReplyBeforeTheSessionEnds) {
  const Session session = Connect("127.0.0.5");
  session.server.Say("220 mx.example.org\r\n");
  session.client.Hear(kSoon);
  session.client.Say("MAIL FROM:<>\r\n");
  session.server.Hear(kSoon);
  reaper_->Add(
      {.end_after_reply = {session.connection}, .sweep = {Of("127.0.0.5")}});
  std::this_thread::sleep_for(milliseconds(150));  // a slow MTA
  session.server.Say("521 5.7.1 no\r\n");
  EXPECT_EQ(session.client.Hear(kSoon), "521 5.7.1 no\r\n");
  EXPECT_TRUE(session.client.IsReset(kSoon));
  EXPECT_TRUE(HasDestroyed(1));
}

TEST_F(ReaperTest, AReplyThatWasAlreadySentIsNotWaitedForToTheLimit) {
  const Session session = Connect("127.0.0.5");
  session.client.Say("MAIL FROM:<>\r\n");
  session.server.Hear(kSoon);
  std::this_thread::sleep_for(milliseconds(50));
  session.server.Say("521 5.7.1 no\r\n");
  reaper_->Add({.end_after_reply = {session.connection}});
  EXPECT_TRUE(session.client.IsReset(milliseconds(800)));
}

TEST_F(ReaperTest, WithoutAReplyTheSessionEndsAtTheLimit) {
  const Session session = Connect("127.0.0.5");
  session.server.Say("220 mx.example.org\r\n");
  reaper_->Add({.end_after_reply = {session.connection}});
  const auto begin = Clock::now();
  EXPECT_TRUE(session.client.IsReset(milliseconds(2000)));
  EXPECT_GE(Clock::now() - begin, milliseconds(200));
  EXPECT_LE(Clock::now() - begin, milliseconds(1900));
}

TEST_F(ReaperTest, AnMtaThatClosesByItselfIsLeftToDoSo) {
  Session session = Connect("127.0.0.5");
  reaper_->Add({.end_after_reply = {session.connection}});
  session.server.Say("521 5.7.1 no\r\n");
  session.server.Close();
  EXPECT_EQ(session.client.Hear(kSoon), "521 5.7.1 no\r\n");
  EXPECT_FALSE(session.client.IsReset(milliseconds(1300)));
  EXPECT_EQ(reaper_->counts().destroyed, 0U);
}

TEST_F(ReaperTest, ASessionWhoseClientHasHungUpIsFreed) {
  Session session = Connect("127.0.0.5");
  shutdown(session.client.get(), SHUT_WR);  // the server's is in CLOSE_WAIT
  std::this_thread::sleep_for(milliseconds(20));
  reaper_->Add({.destroy = {session.connection}});
  EXPECT_TRUE(session.client.IsReset(kSoon));
}

TEST_F(ReaperTest, TheListenerSurvivesAThousandClientsThatJustLeft) {
  for (int i = 0; i < 1000; ++i) {
    Session session = Connect("127.0.0.5");
    Reaper::Work work;
    (i % 2 == 0 ? work.destroy : work.end_after_reply)
        .push_back(session.connection);
    work.sweep.push_back(Of("127.0.0.5"));
    // Some are gone when the order comes, some while it is carried out.
    if (i % 3 == 0) {
      session.client.Close();
      session.server.Close();
    }
    reaper_->Add(work);
  }
  EXPECT_TRUE(ListenerLives());
  std::this_thread::sleep_for(milliseconds(1200));
  EXPECT_TRUE(ListenerLives());
  EXPECT_EQ(reaper_->counts().errors, 0U);
}

TEST_F(ReaperTest, MoreThanCanWaitIsDroppedAndNotKept) {
  Reaper::Work work;
  for (uint32_t i = 0; i < 150'000; ++i) {
    work.sweep.push_back(Network::OfClient(IpAddress::FromV4(i)));
  }
  reaper_->Add(work);
  const Session session = Connect("127.0.0.5");
  reaper_->Add({.destroy = {session.connection}});
  EXPECT_TRUE(session.client.IsReset(kSoon));
  EXPECT_EQ(reaper_->counts().dumps, 0U);
}

}  // namespace
}  // namespace breakwater
