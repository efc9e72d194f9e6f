// One SMTP session is one verdict, at whichever states and however often
// Postfix asks the policy server about it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A check_policy_service line. Postfix keeps a connection for each that differs
// from the others.
std::string AskAs(const std::string& context) {
  return absl::StrCat(
      "check_policy_service { unix:breakwater/policy.sock, "
      "default_action=DUNNO, timeout=5s, try_limit=1, policy_context=",
      context, " }");
}

std::vector<std::string> AskEverywhere(const std::string& delay_reject) {
  return {
      "smtpd_delay_reject = " + delay_reject,
      "smtpd_client_restrictions = " + AskAs("client") + ", " + AskAs("again"),
      "smtpd_helo_restrictions = " + AskAs("helo"),
      "smtpd_sender_restrictions = " + AskAs("sender"),
      "smtpd_relay_restrictions = " + AskAs("relay") +
          ", reject_unauth_destination",
      "smtpd_recipient_restrictions = " + AskAs("recipient"),
      "smtpd_data_restrictions = " + AskAs("data"),
      "smtpd_end_of_data_restrictions = " + AskAs("end")};
}

size_t CountOf(const std::string& text, const std::string& what) {
  const std::vector<std::string> parts = absl::StrSplit(text, what);
  return parts.size() - 1;
}

class PostfixSessionTest : public WholePathTest,
                           public ::testing::WithParamInterface<const char*> {
 protected:
  // Postfix that asks by `lines` of main.cf; the policy socket is served.
  void StartAsking(std::vector<std::string> lines,
                   const std::string& zone = "") {
    Parts parts{.policy = true, .config = zone, .main_cf = std::move(lines)};
    StartParts(parts);
  }
  // The verdicts that were counted, of all kinds.
  double Verdicts() {
    double sum = 0;
    const std::string text = breakwater_->Command({"metrics"}).out;
    for (const auto& line : absl::StrSplit(text, '\n')) {
      if (!absl::StartsWith(line, "breakwater_verdicts_total")) continue;
      double value = 0;
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (absl::SimpleAtod(words.back(), &value)) sum += value;
    }
    return sum;
  }
  // Up to RCPT, as often as wanted; the last reply.
  absl::StatusOr<SmtpReply> SayRecipients(SmtpClient& client, int count) {
    absl::StatusOr<SmtpReply> reply = client.Command("EHLO client.example");
    if (reply.ok()) reply = client.Command("MAIL FROM:<a@example.org>");
    for (int i = 0; reply.ok() && i < count; ++i) {
      reply = client.Command("RCPT TO:<honest@mail.test>");
    }
    return reply;
  }
};

INSTANTIATE_TEST_SUITE_P(DelayReject, PostfixSessionTest,
                         ::testing::Values("yes", "no"),
                         [](const auto& setting) { return setting.param; });

TEST_P(PostfixSessionTest, ACleanSessionIsOneVerdictAtAllStates) {
  StartAsking(AskEverywhere(GetParam()));
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
  for (int message = 1; message <= 2; ++message) {
    BREAKWATER_ASSERT_OK(SayRecipients(session.client, 10));
    BREAKWATER_ASSERT_OK(session.client.Command("DATA"));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpReply reply, session.client.Command("Subject: x\r\n\r\nx\r\n."));
    EXPECT_EQ(reply.code, 250) << reply.text;
  }
  EXPECT_EQ(Verdicts(), 1);
  EXPECT_EQ(list_->Queries(kClean), 1u);
}

TEST_P(PostfixSessionTest, ARefusedSessionHasOneVerdictOneLineAndOneId) {
  StartAsking(AskEverywhere(GetParam()), "reply_code = 550\nban = false\n");
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  const bool at_connect = GetParam() == std::string("no");
  EXPECT_EQ(session.banner.code, at_connect ? 550 : 220);
  std::string said = session.banner.text;
  if (!at_connect) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply first,
                                    SayRecipients(session.client, 1));
    EXPECT_EQ(first.code, 550);
    for (int i = 0; i < 10; ++i) {
      BREAKWATER_ASSERT_OK_AND_ASSIGN(
          SmtpReply reply,
          session.client.Command("RCPT TO:<honest@mail.test>"));
      EXPECT_EQ(reply.text, first.text);
    }
    said = first.text;
  }
  const std::string id = said.substr(said.find("[id ") + 4, 8);
  EXPECT_EQ(Verdicts(), 1);
  EXPECT_EQ(CountOf(breakwater_->Log(), "event=reject"), 1u);
  EXPECT_THAT(breakwater_->Log(), HasSubstr("id=" + id));
}

TEST_P(PostfixSessionTest, AListedClientReads521WhereItIsAskedFirst) {
  StartAsking(AskEverywhere(GetParam()));
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  SmtpReply reply = session.banner;
  if (reply.code == 220) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(reply, SayRecipients(session.client, 1));
  }
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text, HasSubstr("is listed by dnsbl.test"));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_EQ(Verdicts(), 1);
  EXPECT_EQ(CountOf(breakwater_->Log(), "event=ban "), 1u);
}

// A client that takes care to come from one port.
class OnePortTest : public PostfixSessionTest {
 protected:
  absl::StatusOr<Session> OpenFromOnePort() {
    absl::StatusOr<SmtpClient> client =
        SmtpClient::Connect(world(), {.from = kClean, .from_port = 4711});
    if (!client.ok()) return client.status();
    absl::StatusOr<SmtpReply> banner = client->ReadReply();
    if (!banner.ok()) return banner.status();
    return Session{*std::move(client), *std::move(banner)};
  }
};

TEST_F(OnePortTest, EachConnectionIsJudgedAndEachIsOneVerdict) {
  StartAsking({"smtpd_client_restrictions = " + AskAs("client") + ", " +
               AskAs("again")});
  ASSERT_FALSE(HasFatalFailure());
  for (int i = 1; i <= 3; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, OpenFromOnePort());
    EXPECT_EQ(session.banner.code, 220);
    session.client.Reset();
    EXPECT_EQ(Verdicts(), i);
  }
}

TEST_F(OnePortTest, TwentyConnectionsAreTwenty) {
  StartAsking({"smtpd_client_restrictions = " + AskAs("client")},
              "\n[[offence]]\nkind = \"connections\"\nafter = 20\n");
  ASSERT_FALSE(HasFatalFailure());
  int taken = 0;
  while (taken < 40) {
    absl::StatusOr<Session> session = OpenFromOnePort();
    if (!session.ok() || session->banner.code != 220) break;
    ++taken;
    session->client.Reset();
  }
  EXPECT_EQ(taken, 19);
}

TEST_P(PostfixSessionTest, ABanThatComesMeanwhileRefusesAtALaterState) {
  // On a port where no session is ended by the ban, so that Postfix asks.
  Parts parts{.policy = true, .main_cf = AskEverywhere(GetParam())};
  parts.master_cf = {"2525 inet n - y - - smtpd"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean, 2525));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                  SayRecipients(session.client, 1));
  ASSERT_EQ(reply.code, 250) << reply.text;
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(reply, session.client.Command("DATA"));
  EXPECT_EQ(reply.code, 521);
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_EQ(Verdicts(), 2);  // let pass once, refused once
}

TEST_P(PostfixSessionTest, AUserWhoLoggedInKeepsItsSessionUnderABan) {
  std::vector<std::string> lines = AskEverywhere(GetParam());
  // Stands in for SASL: the client is told what its own address is, and more.
  lines.push_back("smtpd_authorized_xclient_hosts = 203.0.113.9");
  StartAsking(lines);
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session user, Open(kClean));
  BREAKWATER_ASSERT_OK(user.client.Command("EHLO client.example"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply,
      user.client.Command(absl::StrCat("XCLIENT LOGIN=joe ADDR=", kClean,
                                       " PORT=", user.client.local_port())));
  ASSERT_EQ(reply.code, 220) << reply.text;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(reply, SayRecipients(user.client, 1));
  ASSERT_EQ(reply.code, 250) << reply.text;
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_EQ(user.client.WaitForEnd(milliseconds(700)), Ending::kOpen);
  BREAKWATER_ASSERT_OK(user.client.Command("DATA"));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(reply, user.client.Command("\r\nx\r\n."));
  EXPECT_EQ(reply.code, 250) << reply.text;
}

// Where Postfix first asks; what 521 does there.
class PostfixStateTest : public PostfixSessionTest {};

TEST_P(PostfixStateTest, A521IsReadAndClosesTheSession) {
  StartAsking(
      {"smtpd_delay_reject = no", "smtpd_client_restrictions =",
       absl::StrCat("smtpd_", GetParam(), "_restrictions = ", AskAs("x"))});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  SmtpReply reply = session.banner;
  for (const char* line :
       {"EHLO zombie.example", "MAIL FROM:<a@example.org>",
        "RCPT TO:<honest@mail.test>", "DATA", "Subject: x\r\n\r\nx\r\n."}) {
    if (!reply.Positive()) break;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(reply, session.client.Command(line));
  }
  EXPECT_EQ(reply.code, 521);
  EXPECT_THAT(reply.text,
              AllOf(HasSubstr("5.7.1"), HasSubstr("is listed by dnsbl.test")));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_THAT(postfix_->Mailbox("honest"), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(List, PostfixStateTest,
                         ::testing::Values("client", "helo", "sender",
                                           "recipient", "data", "end_of_data"),
                         [](const auto& list) { return list.param; });

}  // namespace
}  // namespace breakwater::testing
