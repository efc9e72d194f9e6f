// Sendmail: the milter answers a listed client at MAIL, and since Sendmail
// closes after no 5xx, it is our part to end the session.

#include "tests/integration/sendmail_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using SendmailDoorTest = SendmailDoor;

// ---- A listed client -------------------------------------------------------

TEST_F(SendmailDoorTest, AListedClientReadsWhyAtMailAndItsChildIsGone) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 220);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(session));
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, AllOf(HasSubstr("5.7.1 Client 198.18.0.5 is listed"),
                                HasSubstr("dnsbl.test"), HasSubstr("[id ")));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kReset);
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(breakwater_->WaitForLog("why=answered"));
  EXPECT_TRUE(IsBanned(kListed));
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(SendmailDoorTest, AListedIpv6ClientFaresTheSameAndItsNetworkIsBanned) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed6));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(session));
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, HasSubstr("Client 2001:db8:bad1::5 is listed"));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kReset);
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(IsDropped("2001:db8:bad1::77"));
  EXPECT_FALSE(IsDropped("2001:db8:bad1:1::5"));
}

TEST_F(SendmailDoorTest, OnAnIpv4SocketTheSameHappens) {
  StartParts({.daemons = {kIpv4Only}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(session));
  EXPECT_EQ(reply.code, 521);
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kReset);
  EXPECT_TRUE(SlotIsFree());
}

// Sendmail names the address that it listens on, 0.0.0.0, and the connection's
// own only as that of the interface. Were ours wrong, the sweep after the ban
// would find the connection, and say so.
TEST_F(SendmailDoorTest, ASessionIsKnownByTheAddressThatTheClientCameTo) {
  StartParts({.daemons = {kIpv4Only}});
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(
      RunIn(mta(), {"ip", "addr", "add", "192.0.2.26/24", "dev", "wire"}).ok());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client,
      SmtpClient::Connect(world(), {.from = kListed, .to = "192.0.2.26"}));
  BREAKWATER_ASSERT_OK(client.ReadReply());
  BREAKWATER_ASSERT_OK(client.Command("EHLO client.example"));
  BREAKWATER_ASSERT_OK(client.Command("MAIL FROM:<a@example.org>"));
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(breakwater_->WaitForLog("event=reap"));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("why=swept")));
}

TEST_F(SendmailDoorTest, ObserveModeTouchesNothing) {
  StartParts({}, {.mode = "observe"});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=would-reject"));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
}

// ---- Who does not keep to the rules ----------------------------------------

TEST_F(SendmailDoorTest, AZombieThatNeverSaysMailIsFreed) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO zombie.example"));
  EXPECT_EQ(session.client.WaitForEnd(seconds(4)), Ending::kReset);
  EXPECT_TRUE(breakwater_->WaitForLog("event=silent"));
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(IsBanned(kListed));
}

TEST_F(SendmailDoorTest, AZombieThatDoesNotReadItsReplyIsFreed) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK(session.client.Send("MAIL FROM:<a@example.org>\r\n"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(SlotIsFree());
}

// Sendmail itself refuses who does not wait for the reply to EHLO, says so to
// every further command, and asks us no more.
TEST_F(SendmailDoorTest, AZombieThatTalksOutOfTurnIsFreed) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client, SmtpClient::Connect(world(), {.from = kListed}));
  BREAKWATER_ASSERT_OK(
      client.Send("EHLO zombie.example\r\nMAIL FROM:<a@example.org>\r\n"));
  EXPECT_TRUE(breakwater_->WaitForLog("event=silent"));
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(IsBanned(kListed));
}

// As Debian's sendmail.mc has it, where access_db must be as well.
TEST_F(SendmailDoorTest, AZombieThatTalksBeforeTheGreetingIsFreed) {
  StartParts(
      {.mc = {"FEATURE(`access_db')dnl", "FEATURE(`greet_pause', `1000')dnl"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client, SmtpClient::Connect(world(), {.from = kListed}));
  BREAKWATER_ASSERT_OK(client.Send("EHLO zombie.example\r\n"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner, client.ReadReply());
  EXPECT_EQ(banner.code, 554);
  EXPECT_TRUE(breakwater_->WaitForLog("event=silent"));
  EXPECT_TRUE(SlotIsFree());
}

// Sendmail's own rules come first, and it does not tell what they refuse.
TEST_F(SendmailDoorTest, AZombieWhoseSenderSendmailRefusesIsFreed) {
  StartParts({.mc = {"LOCAL_RULESETS", "SLocal_check_mail",
                     "R$*\t$#error $@ 5.1.8 $: \"553 Domain does not exist\"",
                     "divert(0)dnl"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(session));
  EXPECT_EQ(reply.code, 553);
  EXPECT_TRUE(breakwater_->WaitForLog("event=silent"));
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(IsBanned(kListed));
}

TEST_F(SendmailDoorTest, AZombieThatTalksOnAfterItsReplyIsFreed) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK(SayMail(session));
  absl::Status sent;
  EXPECT_TRUE(WaitUntil(
      [&] {
        sent = session.client.Send("MAIL FROM:<a@example.org>\r\n");
        return !sent.ok();
      },
      seconds(2)));
  EXPECT_TRUE(SlotIsFree());
  ExpectNothingWasTaken();
}

TEST_F(SendmailDoorTest, AListedClientWhoseHostHasGoneIsFreed) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const auto fault, DelayedList());
  StartParts({}, {.dns_server = kDelayedList});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO zombie.example"));
  BREAKWATER_ASSERT_OK(session.client.Send("MAIL FROM:<a@example.org>\r\n"));
  // The verdict is not there yet; the reply will never be acknowledged.
  ASSERT_TRUE(
      RunIn(world(), {"ip", "route", "add", "blackhole", Network::kMtaAddress})
          .ok());
  EXPECT_TRUE(breakwater_->WaitForLog("why=silent"));
  EXPECT_TRUE(SlotIsFree());
}

TEST_F(SendmailDoorTest, ClientsThatVanishAtAnyStageLeaveNothingBehind) {
  StartParts();
  ASSERT_FALSE(HasFatalFailure());
  for (const bool reset : {true, false}) {
    std::string said;
    for (const char* line :
         {"", "EHLO client.example\r\n", "MAIL FROM:<a@example.org>\r\n",
          "RCPT TO:<honest@mail.test>\r\n", "DATA\r\n", "Subject: half a"}) {
      absl::StrAppend(&said, line);
      BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
      BREAKWATER_ASSERT_OK(session.client.Send(said));
      reset ? session.client.Reset() : session.client.Close();
      EXPECT_TRUE(SlotIsFree()) << "reset " << reset << " after " << said;
    }
  }
  ExpectNothingWasTaken();
  ExpectMailFlows(kClean);
}

TEST_F(SendmailDoorTest, ListedClientsThatVanishAtAnyStageLeaveNothingBehind) {
  StartParts({}, {.rules = false, .listed = {{"198.18.0.0/16"}}});
  ASSERT_FALSE(HasFatalFailure());
  std::string said;
  int last = 0;
  for (const char* line : {"", "EHLO z\r\n", "MAIL FROM:<a@example.org>\r\n",
                           "RCPT TO:<honest@mail.test>\r\n", "DATA\r\n"}) {
    absl::StrAppend(&said, line);
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session,
                                    Open(absl::StrCat("198.18.1.", ++last)));
    BREAKWATER_ASSERT_OK(session.client.Send(said));
    session.client.Reset();
    EXPECT_TRUE(SlotIsFree()) << said;
  }
  ExpectMailFlows(kClean);
}

// ---- TLS -------------------------------------------------------------------

TEST_F(SendmailDoorTest, AListedClientReadsTheSameInTlsAndIsFreed) {
  StartParts({.tls = true});
  ASSERT_FALSE(HasFatalFailure());
  const CommandResult talk =
      TalkInTls(kListed, "EHLO z\nMAIL FROM:<a@example.org>\n");
  EXPECT_THAT(talk.out, HasSubstr("521 5.7.1 Client 198.18.0.5 is listed"));
  EXPECT_EQ(talk.exit_code, 0) << "the session was not ended: " << talk.err;
  EXPECT_TRUE(SlotIsFree());
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(SendmailDoorTest, ACleanClientsMailArrivesThroughTls) {
  StartParts({.tls = true});
  ASSERT_FALSE(HasFatalFailure());
  const CommandResult talk = TalkInTls(kClean, kTransaction);
  EXPECT_THAT(talk.out, HasSubstr("Message accepted")) << talk.err;
  EXPECT_TRUE(sendmail_->WaitForMail("honest", 1));
  EXPECT_TRUE(SlotIsFree());
}

}  // namespace
}  // namespace breakwater::testing
