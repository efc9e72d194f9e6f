// Sendmail: mail that is to go through does, whatever fails; mail of a client
// that is banned meanwhile does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/sendmail_door.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using SendmailMailTest = SendmailDoor;

// ---- Mail that is to go through --------------------------------------------

TEST_F(SendmailMailTest, ACleanClientsMailArrives) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kClean6);
  EXPECT_TRUE(SlotIsFree());
}

TEST_F(SendmailMailTest, UnknownRecipientsAreSendmailsToRefuse) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply,
      session.client.SendMessage("a@example.org", "nobody-here@mail.test", ""));
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text, HasSubstr("User unknown"));
}

// `sendmail -bs` has a peer without an address: none at all, or a unix socket.
TEST_F(SendmailMailTest, WhatIsSubmittedInsideIsNeverJudged) {
  Service service;
  service.listed = {{"0.0.0.0/0"}, {"::/0"}};
  StartParts({}, service);
  ASSERT_FALSE(HasFatalFailure());
  size_t mails = 0;
  for (const char* channel : {"pipe", "socketpair"}) {
    const CommandResult submitted = Submit(channel, kTransaction);
    EXPECT_THAT(submitted.out, HasSubstr("Message accepted")) << channel;
    EXPECT_TRUE(sendmail_->WaitForMail("honest", ++mails)) << channel;
  }
  EXPECT_TRUE(sendmail_->LogContains("(breakwater): init success"));
  EXPECT_THAT(Ask({"metrics"}), HasSubstr("breakwater_milter_sessions 0"));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("event=reject")));
}

// ---- Two sessions, and messages that are on their way ----------------------

TEST_F(SendmailMailTest, BothSessionsEndWhenTheLateVerdictComes) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const auto fault, DelayedList());
  StartParts({}, {.dns_server = kDelayedList});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session idle, Open(kListed));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session waits, Open(kListed));
  BREAKWATER_ASSERT_OK(waits.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK(waits.client.Send(
      "MAIL FROM:<a@example.org>\r\nRCPT TO:<honest@mail.test>\r\nDATA\r\n"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, waits.client.ReadReply());
  EXPECT_EQ(reply.code, 521);
  EXPECT_EQ(waits.client.WaitForEnd(seconds(2)), Ending::kReset);
  EXPECT_EQ(idle.client.WaitForEnd(seconds(2)), Ending::kReset);
  EXPECT_TRUE(SlotIsFree());
  ExpectNothingWasTaken();
}

// The children of the wave's own sessions wait in MAIL for a silent list when
// the client is banned: Sendmail does not see that the socket has gone, and
// would go on with the message if it were told to.
TEST_F(SendmailMailTest, ASessionThatWaitsForUsEndsWithTheBanOfItsClient) {
  StartParts({}, {.dns_deadline = "5s"});
  ASSERT_FALSE(HasFatalFailure());
  list_->Pause();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
  BREAKWATER_ASSERT_OK(session.client.Send("MAIL FROM:<a@example.org>\r\n"));
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_NE(session.client.WaitForEnd(seconds(2)), Ending::kOpen);
  EXPECT_TRUE(SlotIsFree());
  ExpectNothingWasTaken();
  list_->Resume();
}

TEST_F(SendmailMailTest, NothingOfABannedClientsOpenMessageIsDelivered) {
  StartParts({}, {.rules = false});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  SayUpToData(session.client);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  EXPECT_EQ(session.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(SlotIsFree());
  ExpectNothingWasTaken();
}

// ---- When Breakwater fails -------------------------------------------------

TEST_F(SendmailMailTest, MailFlowsWhenBreakwaterIsDown) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_TRUE(breakwater_->Stop());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kListed);
}

TEST_F(SendmailMailTest, MailFlowsAfterTheTimeoutsWhenTheDaemonHangs) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGSTOP), 0);
  ExpectMailFlows(kClean);
  kill(daemon, SIGCONT);
}

TEST_F(SendmailMailTest, ASessionThatSawTheDaemonStopGoesOn) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply, session.client.SendMessage("friend@example.org",
                                                  "honest@mail.test", "hello"));
  EXPECT_EQ(reply.code, 250) << reply.text;
  EXPECT_TRUE(sendmail_->WaitForMail("honest", 1));
  // And the next session is judged again.
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session listed, Open(kListed));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply refused, SayMail(listed));
  EXPECT_EQ(refused.code, 521);
}

// Why the socket has a directory of its own. On Debian this one is the group
// staff's to write to.
TEST_F(SendmailMailTest, SendmailDoesNotStartWithASocketWhereAGroupMayWrite) {
  const auto sendmail = Sendmail::Start(
      mta(), {.mc = {"INPUT_MAIL_FILTER(`unsafe', "
                     "`S=local:/var/local/milter.sock, F=')dnl"}});
  EXPECT_THAT(sendmail.status().ToString(),
              HasSubstr("unsafe: Group writable directory"));
}

// ---- What clients do -------------------------------------------------------

TEST_F(SendmailMailTest, MailForATrapIsAnsweredAsForAnUnknownUserAndBans) {
  StartParts({}, {.config = "[[offence]]\nkind = \"trap\"\n"
                            "recipients = [\"honest@mail.test\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(SayMail(session));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply, session.client.Command("RCPT TO:<honest@mail.test>"));
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text,
              AllOf(HasSubstr("5.1.1"), HasSubstr("... User unknown")));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_TRUE(SlotIsFree());
}

TEST_F(SendmailMailTest, ATrapThatSendmailDoesNotKnowBansToo) {
  StartParts({}, {.config = "[[offence]]\nkind = \"trap\"\n"
                            "recipients = [\"nobody-here@mail.test\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(SayMail(session));
  BREAKWATER_ASSERT_OK(
      session.client.Command("RCPT TO:<nobody-here@mail.test>"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
}

TEST_F(SendmailMailTest, NobodyCanTellATrapFromAnUnknownUser) {
  StartParts({}, {.config = "[[offence]]\nkind = \"trap\"\nban = false\n"
                            "recipients = [\"honest@mail.test\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(SayMail(session));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply trap, session.client.Command("RCPT TO:<honest@mail.test>"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply unknown,
      session.client.Command("RCPT TO:<stranger@mail.test>"));
  EXPECT_EQ(absl::StrReplaceAll(trap.text, {{"honest", "stranger"}}),
            unknown.text);
}

TEST_F(SendmailMailTest, TooManyUnknownRecipientsBan) {
  StartParts({}, {.config = "[[offence]]\nkind = \"unknown-recipient\"\n"
                            "after = 2\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK(SayMail(session));
  for (const char* line :
       {"RCPT TO:<one@mail.test>", "RCPT TO:<two@mail.test>"}) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                    session.client.Command(line));
    EXPECT_EQ(reply.code, 550) << reply.text;
  }
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_TRUE(SlotIsFree());
}

TEST_F(SendmailMailTest, ASenderWhoseDomainIsOnAListIsRefused) {
  StartParts({}, {.config = "[[zone]]\nname = \"dbl.test\"\n"
                            "type = \"domain\"\n",
                  .listed_names = {"example.org"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(session));
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, HasSubstr("The name example.org is listed"));
  EXPECT_FALSE(IsBanned(kClean));
}

}  // namespace
}  // namespace breakwater::testing
