// breakwater-tcp under tcpserver: a listed client is answered before an SMTP
// server is started.

#include "tests/integration/tcpserver_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class TcpserverSessionsTest : public TcpserverDoorTest {
 protected:
  // A client that the list does not know until it comes for a second time.
  void ExpectTheOtherSessionToGo() {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session early, Open(kListed));
    ASSERT_EQ(early.banner.code, 220);
    ASSERT_EQ(SlotsUsed(), 1u);
    // And neither does a fresh cache.
    BREAKWATER_ASSERT_OK(list_->SetEntries({{kListed}}));
    ASSERT_TRUE(breakwater_->Stop());
    StartBreakwater();
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session late, Open(kListed));
    EXPECT_EQ(late.banner.code, 521);
    EXPECT_EQ(early.client.WaitForEnd(seconds(3)), Ending::kReset);
    EXPECT_TRUE(WaitForFreeSlots());
  }
};

TEST_F(TcpserverDoorTest, AListedClientReadsWhyInPlaceOfAGreeting) {
  StartDoor({});
  if (HasFatalFailure() || IsSkipped()) return;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_THAT(session.banner.text,
              AllOf(HasSubstr("5.7.1 Client 198.18.0.5 is listed by dnsbl.test "
                              "(Listed, see https://dnsbl.test/) [id ")));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitForFreeSlots());
  EXPECT_THAT(Log(), AllOf(HasSubstr("breakwater-tcp: 198.18.0.5 pid "),
                           HasSubstr(": 521 5.7.1 Client 198.18.0.5")));
}

TEST_F(TcpserverDoorTest, TheNextConnectionOfABannedClientIsDropped) {
  StartDoor({});
  if (HasFatalFailure() || IsSkipped()) return;
  BREAKWATER_ASSERT_OK(Open(kListed));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(IsDropped(kListed));
  EXPECT_FALSE(IsDropped(kClean));
}

TEST_F(TcpserverDoorTest, ACleanClientsMailArrivesAtAnUntouchedServer) {
  // The test may have descriptors of its own that it passes on.
  const char closing[] =
      "for fd in $(ls /proc/self/fd); do"
      "  ((fd > 2)) && eval \"exec $fd>&-\"; done; exec \"$@\"";
  StartDoor({.before = {"bash", "-c", closing, "bash"}});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectMailFlows(kClean);
  EXPECT_THAT(
      Messages(),
      ElementsAre(AllOf(
          HasSubstr("X-Client: 203.0.113.9\n"), HasSubstr("X-Relay: unset\n"),
          HasSubstr("X-Descriptors: 0 1 2\n"),
          HasSubstr("X-Sigpipe: default\n"), HasSubstr("Subject: hello\n"))));
  EXPECT_THAT(Log(), Not(HasSubstr("breakwater-tcp")));
}

TEST_F(TcpserverDoorTest, Ipv6ClientsAreJudged) {
  StartDoor({.ipv6 = true});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectMailFlows(kClean6);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed6));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed6); }));
  EXPECT_TRUE(IsDropped("2001:db8:bad1::77"));
}

TEST_F(TcpserverDoorTest, MappedClientsAreJudgedAsIpv4) {
  // An IPv6 socket, and the environment as couriertcpd makes it.
  const char mapped[] =
      "TCPREMOTEIP=::ffff:$TCPREMOTEIP TCPLOCALIP=::ffff:$TCPLOCALIP "
      "exec \"$@\"";
  StartDoor({.ipv6 = true, .before = {"sh", "-c", mapped, "sh"}});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectMailFlows(kClean);
  EXPECT_THAT(Messages(),
              ElementsAre(HasSubstr("X-Client: ::ffff:203.0.113.9\n")));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(TcpserverSessionsTest, AnotherSessionOfTheClientIsGoneAndItsSlotFree) {
  StartDoor({.listed = {}});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectTheOtherSessionToGo();
}

TEST_F(TcpserverSessionsTest, AMappedSessionOfTheClientIsGoneToo) {
  StartDoor({.ipv6 = true, .listed = {}});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectTheOtherSessionToGo();
}

TEST_F(TcpserverDoorTest, ZombiesThatIgnoreTheReplyHoldNoSlot) {
  StartDoor({.slots = 2, .listed = {{"198.18.0.0/16"}}});
  if (HasFatalFailure() || IsSkipped()) return;
  std::vector<SmtpClient> zombies;
  for (int i = 1; i <= 10; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpClient zombie,
        SmtpClient::Connect(world(), {.from = absl::StrCat("198.18.7.", i)}));
    // Half of them do not wait for a greeting, either.
    if (i % 2 == 0) {
      BREAKWATER_ASSERT_OK(
          zombie.Send("EHLO z\r\nMAIL FROM:<a@b.example>\r\n"));
    }
    zombies.push_back(std::move(zombie));
  }
  ExpectMailFlows(kClean);
  EXPECT_TRUE(WaitForFreeSlots());
  for (SmtpClient& zombie : zombies) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(const SmtpReply reply, zombie.ReadReply());
    EXPECT_EQ(reply.code, 521);
  }
}

TEST_F(TcpserverDoorTest, AClientThatVanishesAtOnceHoldsNoSlot) {
  StartDoor({.rules = false});
  if (HasFatalFailure() || IsSkipped()) return;
  for (int i = 0; i < 50; ++i) {
    for (const char* from : {kListed, kClean}) {
      BREAKWATER_ASSERT_OK_AND_ASSIGN(
          SmtpClient client, SmtpClient::Connect(world(), {.from = from}));
      client.Reset();
    }
  }
  ExpectMailFlows(kClean);
  EXPECT_TRUE(WaitForFreeSlots());
  EXPECT_TRUE(tcpserver_->Running());
}

TEST_F(TcpserverDoorTest,
       MailFlowsWhenBreakwaterIsStoppedAndListedOnesNotAfter) {
  StartDoor({});
  if (HasFatalFailure() || IsSkipped()) return;
  EXPECT_TRUE(breakwater_->Stop());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kListed);
  EXPECT_THAT(Log(), AllOf(HasSubstr("breakwater-tcp: 203.0.113.9 pid "),
                           HasSubstr(": passes unasked: unix:/")));
  StartBreakwater();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
}

TEST_F(TcpserverDoorTest, MailFlowsWhenTheDaemonHangs) {
  StartDoor({.options = {"-w", "1"}});
  if (HasFatalFailure() || IsSkipped()) return;
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGSTOP), 0);
  ExpectMailFlows(kClean);
  ExpectMailFlows(kListed);
  EXPECT_THAT(Log(), HasSubstr("no time left while waiting for the answer"));
  ASSERT_EQ(kill(daemon, SIGCONT), 0);
  // Nobody was told anything, so nothing was done.
  ExpectMailFlows(kClean);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
}

TEST_F(TcpserverDoorTest, TheAdministratorsRulesCountFirst) {
  StartDoor({.tcprules = {"198.18.0.5:allow,RBLSMTPD=\"\"",
                          "198.18.0.6:allow,RELAYCLIENT=\"\"",
                          "203.0.113.9:allow,RBLSMTPD=\"-Not you\""}});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectMailFlows(kListed);
  ExpectMailFlows(kListedToo);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session refused, Open(kClean));
  EXPECT_EQ(refused.banner.code, 553);
  EXPECT_EQ(refused.banner.text, "Not you");
  EXPECT_EQ(refused.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
  EXPECT_EQ(list_->Queries(kListed) + list_->Queries(kClean), 0u);
}

TEST_F(TcpserverDoorTest, OneWhoMayRelayIsAskedAboutOnRequest) {
  StartDoor({.tcprules = {":allow,RELAYCLIENT=\"\""}, .options = {"-A"}});
  if (HasFatalFailure() || IsSkipped()) return;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
}

TEST_F(TcpserverDoorTest, WhomTheRulesRefuseCanBeSpokenTo) {
  StartDoor({.tcprules = {":allow,RBLSMTPD=\"Later\""},
             .options = {"-t", "20", "-r", "zen.example"}});
  if (HasFatalFailure() || IsSkipped()) return;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  EXPECT_EQ(session.banner.code, 220);
  const absl::StatusOr<SmtpReply> reply = session.client.SendMessage(
      "friend@example.org", "honest@mail.test", "\n");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->code, 451);
  EXPECT_EQ(reply->text, "Later");
  session.client.Close();
  EXPECT_TRUE(WaitForFreeSlots());
  EXPECT_THAT(Log(), HasSubstr("-a, -c, -C and -r are ignored"));
}

TEST_F(TcpserverDoorTest, AListedClientIsNeverSpokenTo) {
  StartDoor({.options = {"-t", "20"}});
  if (HasFatalFailure() || IsSkipped()) return;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_TRUE(WaitForFreeSlots());
}

TEST_F(TcpserverDoorTest, ObserveModeTouchesNothing) {
  StartDoor({.mode = "observe"});
  if (HasFatalFailure() || IsSkipped()) return;
  ExpectMailFlows(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=would-reject"));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
}

TEST_F(TcpserverDoorTest, TheSlotIsFreeSoonAfterTheConnection) {
  StartDoor({.listed = {{"198.18.0.0/16"}}});
  if (HasFatalFailure() || IsSkipped()) return;
  std::vector<microseconds> times;
  for (int i = 1; i <= 200; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session,
                                    Open(absl::StrCat("198.18.9.", i)));
    ASSERT_EQ(session.banner.code, 521);
    // The client, a zombie, does not close.
    ASSERT_TRUE(WaitUntil([&] { return SlotsUsed() == 0; }, seconds(10),
                          milliseconds(0)));
    times.push_back(std::chrono::ceil<microseconds>(
        std::chrono::steady_clock::now() - begin));
  }
  std::sort(times.begin(), times.end());
  for (const auto& [name, place] : {std::pair("p50", 100), {"p99", 198}}) {
    std::cout << name << " " << times[place].count() << " us\n";
  }
  EXPECT_LT(times[100], milliseconds(500));
}

}  // namespace
}  // namespace breakwater::testing
