// The milter: the lists are asked at CONNECT, a listed client is answered at
// MAIL.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class MilterDoorTest : public WholePathTest {
 protected:
  // As far as the end of DATA, which is not sent.
  void SayUpToData(SmtpClient& client) {
    for (const char* line : {"EHLO client.example", "MAIL FROM:<a@example.org>",
                             "RCPT TO:<honest@mail.test>", "DATA"}) {
      BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, client.Command(line));
      ASSERT_TRUE(reply.Positive()) << line << ": " << reply.text;
    }
    BREAKWATER_ASSERT_OK(client.Send("Subject: held\r\n\r\nbody\r\n"));
  }
};

TEST_F(MilterDoorTest, AListedClientReadsWhyAtMailAndIsClosed) {
  StartParts({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 220);
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply, session.client.Command("MAIL FROM:<a@example.org>"));
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, AllOf(HasSubstr("5.7.1 Client 198.18.0.5 is listed"),
                                HasSubstr("dnsbl.test"), HasSubstr("[id ")));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(MilterDoorTest, ACleanClientsMailArrives) {
  StartParts({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kClean6);
}

TEST_F(MilterDoorTest, AClientThatNeverSaysMailIsDestroyedAfterItsPatience) {
  StartParts({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.client.WaitForEnd(seconds(4)), Ending::kReset);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(breakwater_->WaitForLog("event=silent"));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
}

TEST_F(MilterDoorTest, AnotherSessionOfABannedClientIsGoneAndItsSlotFree) {
  StartParts({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session idle, Open(kListed));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session first, Open(kListed));
  BREAKWATER_ASSERT_OK(first.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply, first.client.Command("MAIL FROM:<a@example.org>"));
  EXPECT_EQ(reply.code, 521);
  EXPECT_EQ(idle.client.WaitForEnd(milliseconds(900)), Ending::kReset);
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
}

TEST_F(MilterDoorTest, NothingOfABannedClientsOpenMessageIsDelivered) {
  StartParts({.milter = true, .rules = false});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_EQ(session.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
  EXPECT_THAT(postfix_->Mailbox("honest"), IsEmpty());
}

TEST_F(MilterDoorTest, ASessionThatWaitsInACallbackIsRejected) {
  // The list is silent, so the session waits at MAIL for the deadline.
  StartParts({.milter = true, .config = "", .dns_server = "127.0.0.1"});
  ASSERT_FALSE(HasFatalFailure());
  list_->Pause();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
  BREAKWATER_ASSERT_OK(session.client.Send(
      "MAIL FROM:<a@example.org>\r\nRCPT TO:<honest@mail.test>\r\nDATA\r\n"));
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_NE(session.client.WaitForEnd(seconds(3)), Ending::kOpen);
  EXPECT_TRUE(postfix_->WaitForLog("milter-reject: MAIL"));
  EXPECT_THAT(postfix_->Mailbox("honest"), IsEmpty());
  list_->Resume();
}

TEST_F(MilterDoorTest, ObserveModeTouchesNothing) {
  StartParts({.milter = true, .mode = "observe"});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=would-reject"));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
}

TEST_F(MilterDoorTest, ObserveModeTellsASessionOfBothDoorsOnce) {
  StartParts({.policy = true, .milter = true, .mode = "observe"});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=would-reject"));
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(Ask({"history", kListed}), "would-ban");
  }));
  EXPECT_THAT(Ask({"history", kListed}), HasSubstr("would-reject"));
  const std::string log = breakwater_->Log();
  const size_t line = log.find("event=would-reject");
  EXPECT_EQ(log.find("event=would-reject", line + 1), std::string::npos) << log;
  EXPECT_THAT(log.substr(line), HasSubstr("front=policy"));
  EXPECT_THAT(breakwater_->Command({"metrics"}).out,
              HasSubstr("action=\"would-reject\""));
}

TEST_F(MilterDoorTest, BothDoorsTogetherAnswerOnce) {
  StartParts({.policy = true, .milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  ExpectMailFlows(kClean);
  EXPECT_LE(list_->Queries(kClean), 1u);
}

TEST_F(MilterDoorTest, BothDoorsTogetherCountAConnectionOnce) {
  StartParts({.policy = true,
              .milter = true,
              .config = "[[offence]]\nkind = \"connections\"\nafter = 6\n"});
  ASSERT_FALSE(HasFatalFailure());
  int taken = 0;
  while (taken < 12) {
    absl::StatusOr<Session> session = Open(kClean);
    if (!session.ok() || session->banner.code != 220) break;
    ++taken;
    BREAKWATER_ASSERT_OK(session->client.Command("EHLO client.example"));
  }
  EXPECT_EQ(taken, 5);
}

TEST_F(MilterDoorTest, TheListenerSurvivesAThousandBansOfClientsThatJustLeft) {
  Parts parts{.milter = true, .rules = false};
  parts.listed = {{"198.18.0.0/16"}};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  for (int i = 0; i < 1000; ++i) {
    const std::string from =
        "198.18." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1);
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(from));
    BREAKWATER_ASSERT_OK(
        session.client.Send("EHLO z\r\nMAIL FROM:<a@example.org>\r\n"));
    session.client.Reset();
  }
  ExpectMailFlows(kClean);
}

}  // namespace
}  // namespace breakwater::testing
