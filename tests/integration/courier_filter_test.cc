// Courier with breakwater-courierfilter, which asks when a message is complete.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/courier_door.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CourierFilterTest : public CourierDoor {};

TEST_F(CourierFilterTest, AClientBannedInDataReadsWhyAfterItAndNothingIsTaken) {
  // At CONNECT it was let pass, and the daemon remembers the session.
  StartParts({.wrapper = true, .filter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  {
    // Else it would be reset before it comes to the end.
    const Paused enforcer(breakwater_->ChildPid("breakwater-enforcer"));
    ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                    session.client.Command("."));
    EXPECT_EQ(reply.code, 521);
    EXPECT_THAT(reply.text, HasSubstr("5.7.1 Client 203.0.113.9 is refused"));
  }
  EXPECT_EQ(session.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(WaitForNoSession());
  ExpectNothingElseArrives();
}

TEST_F(CourierFilterTest, NothingOfABannedClientsOpenMessageIsDelivered) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_EQ(session.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(WaitForNoSession());
  ExpectNothingElseArrives();
}

TEST_F(CourierFilterTest, AMessageThatWaitsInTheFilterIsRefused) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  // The filter's question waits for the list.
  list_->Pause();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session idle, Open(kClean));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(session.client.Send(".\r\n"));
  ASSERT_TRUE(WaitUntil([&] {
    return Ask({"metrics"}).find("breakwater_screenings_waiting 1") !=
           std::string::npos;
  }));
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_EQ(idle.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_NE(session.client.WaitForEnd(seconds(3)), Ending::kOpen);
  EXPECT_TRUE(WaitForNoSession());
  EXPECT_TRUE(courier_->WaitForLog("521 5.7.1 Client 203.0.113.9"));
  list_->Resume();
  ExpectNothingElseArrives();
}

TEST_F(CourierFilterTest, AListedClientIsRefusedByTheFilterAlone) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, session.client.Command("."));
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, HasSubstr("Client 198.18.0.5 is listed"));
  EXPECT_NE(session.client.WaitForEnd(seconds(3)), Ending::kOpen);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitForNoSession());
  ExpectNothingElseArrives();
}

TEST_F(CourierFilterTest, MailForATrapIsRefusedAndBansItsSender) {
  StartParts({.filter = true,
              .config = "[[offence]]\nkind = \"trap\"\n"
                        "recipients = [\"honest@mail.test\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, session.client.Command("."));
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text, HasSubstr("5.1.1 User unknown"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_TRUE(WaitForNoSession());
}

TEST_F(CourierFilterTest, AVerdictInTheHeaderRefusesTheMessage) {
  StartParts({.filter = true,
              .config = "[[offence]]\nkind = \"virus\"\n"
                        "headers = [\"X-Virus-Status ^= Infected\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                       "RCPT TO:<honest@mail.test>", "DATA"});
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply,
      session.client.Command("X-Virus-Status: Infected (Eicar)\r\n\r\nx\r\n."));
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text, HasSubstr("virus"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
}

TEST_F(CourierFilterTest, AListedClientIsRefusedByTheFilterInTlsToo) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  const CommandResult said = RunIn(
      world(), {BREAKWATER_SMTP_TALK, "tls", kListed, Network::kMtaAddress},
      seconds(10),
      "EHLO client.example\nMAIL FROM:<a@example.org>\n"
      "RCPT TO:<honest@mail.test>\nDATA\nSubject: x\n\nbody\n.\n");
  EXPECT_THAT(said.out, HasSubstr("521 5.7.1 Client 198.18.0.5 is listed"));
  EXPECT_TRUE(WaitForNoSession());
  ExpectNothingElseArrives();
}

TEST_F(CourierFilterTest, ATarpitHoldsTheSlotOfARefusedClientButNoLonger) {
  StartParts({.filter = true, .tarpit = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(session.client.Send(".\r\n"));
  EXPECT_EQ(session.client.WaitForEnd(seconds(5)), Ending::kReset);
  EXPECT_TRUE(WaitUntil([&] { return courier_->SessionProcessCount() == 0; },
                        seconds(30)));
  ExpectNothingElseArrives();
}

TEST_F(CourierFilterTest, AUserWhoHasLoggedInIsNotRefusedByTheFilter) {
  StartParts({.filter = true,
              .rules = false,
              .esmtpd = {"ESMTPAUTH=PLAIN", "ESMTPAUTH_TLS=PLAIN"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  // "\0honest\0secret"
  Say(session.client,
      {"EHLO client.example", "AUTH PLAIN AGhvbmVzdABzZWNyZXQ="});
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, session.client.Command("."));
  EXPECT_EQ(reply.code, 250) << reply.text;
  EXPECT_TRUE(courier_->WaitForMail("honest", 1));
}

TEST_F(CourierFilterTest, FilterctlTakesTheFilterAwayAndBringsItBack) {
  StartParts({.filter = true, .rules = false, .listed = {{kListed}}});
  ASSERT_FALSE(HasFatalFailure());
  const std::string socket =
      courier_->root().Path("/var/lib/courier/allfilters/breakwater");
  BREAKWATER_ASSERT_OK(Filterctl("stop"));
  ASSERT_TRUE(WaitUntil([&] { return access(socket.c_str(), F_OK) != 0; }));
  ExpectMailFlows(kListed);
  BREAKWATER_ASSERT_OK(Filterctl("start"));
  ASSERT_TRUE(WaitUntil([&] { return access(socket.c_str(), F_OK) == 0; }));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, session.client.Command("."));
  EXPECT_EQ(reply.code, 521) << reply.text;
}

TEST_F(CourierFilterTest, ManyMessagesAtATimePassWhileBreakwaterHangs) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  std::vector<Session> sessions;
  for (int i = 0; i < 30; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session,
                                    Open(absl::StrCat("203.0.113.", 100 + i)));
    SayUpToData(session.client);
    ASSERT_FALSE(HasFatalFailure());
    sessions.push_back(std::move(session));
  }
  const Paused daemon(breakwater_->ChildPid("breakwaterd"));
  for (Session& session : sessions) {
    BREAKWATER_ASSERT_OK(session.client.Send(".\r\n"));
  }
  // Together, not one after the other: each would take five seconds.
  for (Session& session : sessions) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                    session.client.ReadReply(seconds(25)));
    EXPECT_EQ(reply.code, 250) << reply.text;
  }
  EXPECT_TRUE(courier_->WaitForMail("honest", sessions.size()));
}

TEST_F(CourierFilterTest, MailWaitsForAMomentWhenTheFiltersProcessDies) {
  StartParts({.filter = true});
  ASSERT_FALSE(HasFatalFailure());
  // The second is the first one's child.
  const std::vector<pid_t> before = courier_->Processes("breakwater");
  ASSERT_EQ(before.size(), 2u);
  kill(std::max(before[0], before[1]), SIGKILL);
  ASSERT_TRUE(courier_->WaitForLog("ended with signal 9"));
  ExpectMailFlows(kClean);
}

}  // namespace
}  // namespace breakwater::testing
