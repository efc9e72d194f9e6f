// What condemns a client besides a list, from the SMTP client's side to the
// kernel's set, on Postfix.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kTraps[] = R"(
[[offence]]
kind = "trap"
recipients = ["honest@mail.test"]
)";

class OffenceTest : public WholePathTest {
 protected:
  // Each with its reply, which the test reads from the last one.
  SmtpReply Say(SmtpClient& client, const std::vector<std::string>& lines) {
    SmtpReply last;
    for (const std::string& line : lines) {
      absl::StatusOr<SmtpReply> reply = client.Command(line);
      EXPECT_TRUE(reply.ok()) << line << ": " << reply.status();
      if (!reply.ok()) break;
      last = *std::move(reply);
    }
    return last;
  }
  void ExpectBanned(const std::string& address, const char* kind) {
    EXPECT_TRUE(WaitUntil([&] { return IsBanned(address); }));
    EXPECT_THAT(Ask({"bans"}), AllOf(HasSubstr(address), HasSubstr(kind)));
    EXPECT_TRUE(IsDropped(address));
    EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
  }
  // A whole message with that in its header.
  SmtpReply SendWith(SmtpClient& client, const std::string& header) {
    return Say(client,
               {"EHLO client.example", "MAIL FROM:<a@example.org>",
                "RCPT TO:<honest@mail.test>", "DATA",
                absl::StrCat(header, "Subject: a test\r\n\r\nhello\r\n.")});
  }
  // Many sessions, each as far as the lines go.
  void SayInSessions(int sessions, const std::vector<std::string>& lines) {
    for (int i = 0; i < sessions && !IsBanned(kClean); ++i) {
      absl::StatusOr<Session> session = Open(kClean);
      if (!session.ok()) break;  // dropped
      for (const std::string& line : lines) {
        if (!session->client.Command(line).ok()) break;
      }
    }
  }
};

// ---- Traps -----------------------------------------------------------------

TEST_F(OffenceTest, MailForATrapIsAnsweredAsForAnUnknownUserAndBans) {
  StartParts({.milter = true, .config = kTraps});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply =
      Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                           "RCPT TO:<Honest@mail.test>"});
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text,
              AllOf(HasSubstr("5.1.1"), HasSubstr("User unknown"),
                    Not(HasSubstr("[id ")), Not(HasSubstr("trap"))));
  EXPECT_NE(session.client.WaitForEnd(seconds(3)), Ending::kOpen);
  ExpectBanned(kClean, "trap");
}

// The usual kind: Postfix refuses it by itself, and us it only tells.
TEST_F(OffenceTest, ATrapThatPostfixDoesNotKnowBansToo) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"trap\"\n"
                        "recipients = [\"nobody-here@mail.test\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply =
      Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                           "RCPT TO:<Nobody-Here@mail.test>"});
  EXPECT_EQ(reply.code, 550);
  ExpectBanned(kClean, "trap");
}

// Postfix tells the milter of what our policy server has it refuse.
TEST_F(OffenceTest, ATrapThatBothDoorsSeeIsOne) {
  StartParts({.policy = true,
              .milter = true,
              .config = absl::StrCat(kTraps, "after = 2\n"),
              .main_cf = {"smtpd_recipient_restrictions = "
                          "permit_mynetworks, reject_unauth_destination, "
                          "check_policy_service "
                          "unix:breakwater/policy.sock"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                       "RCPT TO:<honest@mail.test>"});
  EXPECT_TRUE(breakwater_->WaitForLog("kind=trap"));
  EXPECT_FALSE(WaitUntil([&] { return IsBanned(kClean); }, seconds(1)));
  Say(session.client, {"RCPT TO:<honest@Mail.test>"});
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
}

TEST_F(OffenceTest, NobodyCanTellATrapFromAnUnknownUser) {
  for (const bool policy : {false, true}) {
    SCOPED_TRACE(policy ? "refused by the policy server" : "by the milter");
    Parts parts{.policy = policy,
                .milter = true,
                .config = absl::StrCat(kTraps, "ban = false\n")};
    if (policy) {
      parts.main_cf = {
          "smtpd_recipient_restrictions = permit_mynetworks, "
          "reject_unauth_destination, check_policy_service "
          "unix:breakwater/policy.sock"};
    }
    StartParts(parts);
    ASSERT_FALSE(HasFatalFailure());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
    const SmtpReply unknown =
        Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                             "RCPT TO:<Nobody@mail.test>"});
    const SmtpReply trap = Say(session.client, {"RCPT TO:<Honest@mail.test>"});
    EXPECT_EQ(trap.code, 550);
    EXPECT_EQ(absl::StrReplaceAll(trap.text, {{"Honest", "Nobody"}}),
              unknown.text);
    ASSERT_TRUE(breakwater_->Stop());
    breakwater_.reset();
    postfix_.reset();
  }
}

TEST_F(OffenceTest, ThePolicyServerKnowsTrapsToo) {
  StartParts({.policy = true,
              .config = kTraps,
              .main_cf = {"smtpd_recipient_restrictions = "
                          "permit_mynetworks, reject_unauth_destination, "
                          "check_policy_service "
                          "unix:breakwater/policy.sock"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply =
      Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                           "RCPT TO:<honest@mail.test>"});
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text, AllOf(HasSubstr("5.1.1"), HasSubstr("unknown")));
  ExpectBanned(kClean, "trap");
}

TEST_F(OffenceTest, AnObservedTrapTakesItsMailAndIsCounted) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"trap\"\nmode = \"observe\"\n"
                        "recipients = [\"@mail.test\"]\n"});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  EXPECT_FALSE(IsBanned(kClean));
  EXPECT_TRUE(breakwater_->WaitForLog("effect=observed"));
  EXPECT_THAT(Ask({"explain", kClean}),
              AllOf(HasSubstr("\"kind\":\"trap\""), HasSubstr("\"next\"")));
}

// ---- What only the MTA knows -----------------------------------------------

TEST_F(OffenceTest, TooManyUnknownRecipientsBanAfterTheMtasOwnReply) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"unknown-recipient\"\n"
                        "after = 3\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>"});
  for (const char* user : {"one", "two", "three"}) {
    EXPECT_FALSE(IsBanned(kClean));
    const SmtpReply reply =
        Say(session.client, {absl::StrCat("RCPT TO:<", user, "@mail.test>")});
    EXPECT_EQ(reply.code, 550);
    EXPECT_THAT(reply.text, HasSubstr("5.1.1"));
  }
  ExpectBanned(kClean, "unknown-recipient");
}

TEST_F(OffenceTest, RelayAttemptsAreCountedApart) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"relay\"\nafter = 2\n"
                        "[[offence]]\nkind = \"unknown-recipient\"\n"
                        "after = 1\nmode = \"observe\"\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  Say(session.client,
      {"EHLO client.example", "MAIL FROM:<a@example.org>",
       "RCPT TO:<a@elsewhere.test>", "RCPT TO:<b@elsewhere.test>"});
  ExpectBanned(kClean, "relay");
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("kind=unknown-recipient")));
}

TEST_F(OffenceTest, CommandsThatNobodyKnowsBan) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"rejected-commands\"\n"
                        "after = 3\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  Say(session.client, {"EHLO client.example", "HACK 1", "HACK 2", "HACK 3"});
  ExpectBanned(kClean, "rejected-commands");
}

// ---- Names -----------------------------------------------------------------

TEST_F(OffenceTest, HeloWithTheServersAddressIsRefusedAtMail) {
  StartParts({.milter = true, .config = "[[offence]]\nkind = \"helo\"\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply =
      Say(session.client, {absl::StrCat("EHLO [", Network::kMtaAddress, "]"),
                           "MAIL FROM:<a@example.org>"});
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, HasSubstr("HELO with a name that is not its own"));
  ExpectBanned(kClean, "helo");
}

constexpr char kNames[] = "[[zone]]\nname = \"dbl.test\"\ntype = \"domain\"\n";

TEST_F(OffenceTest, ASenderWhoseDomainIsOnAListIsRefusedAndNotBanned) {
  StartParts(
      {.milter = true, .config = kNames, .listed_names = {"spam.example"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply = Say(
      session.client, {"EHLO client.example", "MAIL FROM:<a@mx.spam.example>"});
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text,
              HasSubstr("The name mx.spam.example is listed by dbl.test"));
  EXPECT_FALSE(IsBanned(kClean));
  ExpectMailFlows(kClean);
}

// As MTAs do, the list knows it by its A-labels only.
TEST_F(OffenceTest, ASenderBeyondAsciiIsOnAListByItsALabels) {
  StartParts({.milter = true,
              .config = kNames,
              .listed_names = {"xn--bcher-kva.example"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply = Say(
      session.client,
      {"EHLO client.example", "MAIL FROM:<u@b\u00fccher.example> SMTPUTF8"});
  EXPECT_EQ(reply.code, 521) << reply.text;
  EXPECT_THAT(reply.text, HasSubstr("xn--bcher-kva.example is listed"));
}

TEST_F(OffenceTest, ThePolicyServerKnowsNamesBeyondAsciiToo) {
  StartParts({.policy = true,
              .config = kNames,
              .main_cf = {"smtpd_sender_restrictions = check_policy_service "
                          "unix:breakwater/policy.sock"},
              .listed_names = {"xn--bcher-kva.example"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  EXPECT_EQ(Say(session.client, {"EHLO client.example",
                                 "MAIL FROM:<u@b\u00fccher.example> SMTPUTF8"})
                .code,
            521);
}

TEST_F(OffenceTest, AHeloNameOnAListIsRefusedAtMail) {
  StartParts(
      {.milter = true, .config = kNames, .listed_names = {"spam.example"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  EXPECT_EQ(
      Say(session.client, {"EHLO pc.spam.example", "MAIL FROM:<a@example.org>"})
          .code,
      521);
}

TEST_F(OffenceTest, ThePolicyServerAsksListsOfDomainsToo) {
  StartParts({.policy = true,
              .config = kNames,
              .main_cf = {"smtpd_sender_restrictions = check_policy_service "
                          "unix:breakwater/policy.sock"},
              .listed_names = {"spam.example"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  EXPECT_EQ(
      Say(session.client, {"EHLO client.example", "MAIL FROM:<a@spam.example>"})
          .code,
      521);
  EXPECT_FALSE(IsBanned(kClean));
}

// ---- Connections -----------------------------------------------------------

TEST_F(OffenceTest, WhoConnectsTooOftenIsBanned) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"connections\"\nafter = 5\n"});
  ASSERT_FALSE(HasFatalFailure());
  SayInSessions(10,
                {"EHLO client.example", "MAIL FROM:<a@example.org>", "QUIT"});
  ExpectBanned(kClean, "connections");
}

TEST_F(OffenceTest, WhoConnectsAndLeavesWithoutAMailIsBanned) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"vanish\"\nafter = 5\n"});
  ASSERT_FALSE(HasFatalFailure());
  SayInSessions(5, {});
  ExpectBanned(kClean, "vanish");
}

// ---- Mercy -----------------------------------------------------------------

TEST_F(OffenceTest, AForwarderIsRefusedAndNeverBanned) {
  StartParts({.milter = true,
              .config = absl::StrCat("[spare]\nnetworks = [\"", kClean, "\"]\n",
                                     kTraps)});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  EXPECT_EQ(
      Say(session.client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
                           "RCPT TO:<honest@mail.test>"})
          .code,
      550);
  EXPECT_TRUE(breakwater_->WaitForLog("why=spared"));
  EXPECT_FALSE(IsBanned(kClean));
}

// ---- Other filters' verdicts -----------------------------------------------

constexpr char kHeaders[] = R"(
[[offence]]
kind = "spam"
headers = ["X-Spam-Flag = YES with a-secret-word"]
)";

TEST_F(OffenceTest, AVerdictInTheHeaderRefusesTheMessageAndBans) {
  StartParts({.milter = true, .config = kHeaders});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  const SmtpReply reply =
      SendWith(session.client, "X-Spam-Flag: YES a-secret-word\r\n");
  EXPECT_EQ(reply.code, 550);
  EXPECT_THAT(reply.text, HasSubstr("refused as spam"));
  ExpectBanned(kClean, "spam");
  EXPECT_THAT(postfix_->Mailbox("honest"), IsEmpty());
}

TEST_F(OffenceTest, AForgedVerdictCountsForNothing) {
  StartParts({.milter = true, .config = kHeaders});
  ASSERT_FALSE(HasFatalFailure());
  for (const char* forged :
       {"X-Spam-Flag: YES\r\n", "X-Spam-Flag: YES wrong\r\n",
        "X-Spam-Flag: YES a-secret-word\r\nX-Spam-Flag: YES "
        "a-secret-word\r\n"}) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
    const SmtpReply reply = SendWith(session.client, forged);
    EXPECT_TRUE(reply.Positive()) << forged << reply.text;
  }
  EXPECT_FALSE(IsBanned(kClean));
}

}  // namespace
}  // namespace breakwater::testing
