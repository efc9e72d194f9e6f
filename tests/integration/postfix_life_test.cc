// What clients and the service may do in the middle of a session, at both
// doors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;

constexpr const char* kDialogue[] = {"EHLO client.example",
                                     "MAIL FROM:<a@example.org>",
                                     "RCPT TO:<honest@mail.test>",
                                     "RCPT TO:<nobody@mail.test>",
                                     "DATA",
                                     "Subject: x"};

// The policy server is asked at each state, so that it has something to say in
// the middle of a session.
class PostfixLifeTest : public WholePathTest,
                        public ::testing::WithParamInterface<const char*> {
 protected:
  void StartFront(const std::string& zone = "") {
    constexpr char kAsk[] =
        "check_policy_service { unix:breakwater/policy.sock, "
        "default_action=DUNNO, timeout=2s, try_limit=1 }";
    Parts parts{.config = zone};
    if (GetParam() == std::string("policy")) {
      parts.policy = true;
      parts.main_cf = {absl::StrCat("smtpd_sender_restrictions = ", kAsk),
                       absl::StrCat("smtpd_data_restrictions = ", kAsk),
                       absl::StrCat("smtpd_end_of_data_restrictions = ", kAsk)};
    } else {
      parts.milter = true;
    }
    StartParts(parts);
  }
  // From MAIL on; the reply to the end of the message.
  absl::StatusOr<SmtpReply> SayTheRest(SmtpClient& client) {
    absl::StatusOr<SmtpReply> reply = SmtpReply{};
    for (const char* line :
         {"MAIL FROM:<a@example.org>", "RCPT TO:<honest@mail.test>", "DATA",
          "Subject: x\r\n\r\nx\r\n."}) {
      reply = client.Command(line, seconds(20));
      if (!reply.ok() || !reply->Positive()) break;
    }
    return reply;
  }
};

INSTANTIATE_TEST_SUITE_P(Front, PostfixLifeTest,
                         ::testing::Values("policy", "milter"),
                         [](const auto& front) { return front.param; });

TEST_P(PostfixLifeTest, AClientMayVanishAtEveryStage) {
  StartFront();
  ASSERT_FALSE(HasFatalFailure());
  for (size_t stage = 0; stage <= std::size(kDialogue); ++stage) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
    for (size_t i = 0; i < stage; ++i) {
      BREAKWATER_ASSERT_OK(
          session.client.Send(absl::StrCat(kDialogue[i], "\r\n")));
      if (i + 1 == std::size(kDialogue)) continue;  // within the message
      BREAKWATER_ASSERT_OK(session.client.ReadReply());
    }
    stage % 2 == 0 ? session.client.Reset() : session.client.Close();
    EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
  }
  // Nobody is remembered as being there, and nothing was delivered.
  EXPECT_TRUE(WaitUntil([&] {
    return absl::StrContains(breakwater_->Command({"metrics"}).out,
                             "\nbreakwater_milter_sessions 0\n");
  }));
  EXPECT_THAT(postfix_->Mailbox("honest"), IsEmpty());
  ExpectMailFlows(kClean);
}

TEST_P(PostfixLifeTest, AZombieThatIgnoresEveryReplyIsGone) {
  // 550 leaves the closing to us.
  StartFront("reply_code = 550\n");
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient zombie, SmtpClient::Connect(world(), {.from = kListed}));
  // It talks on whatever it is told, and takes no notice of the end.
  for (int i = 0; i < 20; ++i) {
    if (!zombie
             .Send("EHLO z\r\nMAIL FROM:<a@example.org>\r\n"
                   "RCPT TO:<honest@mail.test>\r\nDATA\r\nspam\r\n.\r\n")
             .ok()) {
      break;
    }
  }
  EXPECT_EQ(zombie.WaitForEnd(seconds(5)), Ending::kReset);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
  EXPECT_THAT(postfix_->Mailbox("honest"), IsEmpty());
}

TEST_P(PostfixLifeTest, ASessionGoesOnWhenBreakwaterIsStoppedInTheMiddle) {
  StartFront();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
  ASSERT_TRUE(breakwater_->Stop());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayTheRest(session.client));
  EXPECT_EQ(reply.code, 250) << reply.text;
}

TEST_P(PostfixLifeTest, ASessionGoesOnWhenBreakwaterHangsInTheMiddle) {
  StartFront();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGSTOP), 0);
  const absl::StatusOr<SmtpReply> reply = SayTheRest(session.client);
  kill(daemon, SIGCONT);
  BREAKWATER_ASSERT_OK(reply);
  EXPECT_EQ(reply->code, 250) << reply->text;
}

TEST_P(PostfixLifeTest, ASessionGoesOnWhenBreakwaterIsRestartedInTheMiddle) {
  StartFront();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayTheRest(session.client));
  EXPECT_EQ(reply.code, 250) << reply.text;
  // And it is there for the next one.
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session listed, Open(kListed));
  reply = listed.banner;
  if (reply.Positive()) {
    BREAKWATER_ASSERT_OK(listed.client.Command("EHLO zombie.example"));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        reply, listed.client.Command("MAIL FROM:<a@example.org>"));
  }
  EXPECT_EQ(reply.code, 521) << reply.text;
}

using PostfixWaitingTest = WholePathTest;

TEST_F(PostfixWaitingTest, TwoSessionsThatWaitInACallbackAreBothEnded) {
  StartParts({.milter = true});
  ASSERT_FALSE(HasFatalFailure());
  list_->Pause();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session first, Open(kListed));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session second, Open(kListed));
  for (SmtpClient* client : {&first.client, &second.client}) {
    BREAKWATER_ASSERT_OK(client->Command("EHLO zombie.example"));
    BREAKWATER_ASSERT_OK(client->Send("MAIL FROM:<a@example.org>\r\n"));
  }
  list_->Resume();
  // Whoever is answered first is told; the other may be ended by its ban.
  const absl::StatusOr<SmtpReply> one = first.client.ReadReply();
  const absl::StatusOr<SmtpReply> other = second.client.ReadReply();
  EXPECT_TRUE((one.ok() && one->code == 521) ||
              (other.ok() && other->code == 521));
  EXPECT_NE(first.client.WaitForEnd(seconds(3)), Ending::kOpen);
  EXPECT_NE(second.client.WaitForEnd(seconds(3)), Ending::kOpen);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
}

}  // namespace
}  // namespace breakwater::testing
