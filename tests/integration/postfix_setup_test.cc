// Ways to set Postfix up beside the plain one: postscreen in front, TLS,
// clients that are exempt, and sockets that it may not use.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PostfixSetupTest : public WholePathTest {
 protected:
  std::string SocketPath(const std::string& name) {
    return absl::StrCat(postfix_->QueueDirectory(), "/breakwater/", name);
  }
  // The reply to MAIL, or the banner if that is a refusal.
  absl::StatusOr<SmtpReply> SayMail(Session& session) {
    if (!session.banner.Positive()) return session.banner;
    absl::StatusOr<SmtpReply> reply =
        session.client.Command("EHLO client.example");
    if (!reply.ok()) return reply;
    return session.client.Command("MAIL FROM:<a@example.org>");
  }
};

// ---- postscreen ------------------------------------------------------------

class PostscreenTest : public PostfixSetupTest,
                       public ::testing::WithParamInterface<const char*> {
 protected:
  void StartBehindPostscreen() {
    Parts parts{.policy = GetParam() == std::string("policy"),
                .milter = GetParam() == std::string("milter")};
    parts.main_cf = {"postscreen_greet_wait = 1s"};
    parts.master_cf = {
        "smtp inet n - y - 1 postscreen", "smtpd pass - - y - - smtpd",
        "dnsblog unix - - y - 0 dnsblog", "tlsproxy unix - - y - 0 tlsproxy"};
    StartParts(parts);
  }
};

INSTANTIATE_TEST_SUITE_P(Front, PostscreenTest,
                         ::testing::Values("policy", "milter"),
                         [](const auto& front) { return front.param; });

TEST_P(PostscreenTest, AListedClientThatPostscreenLetsInIsRefusedAndBanned) {
  StartBehindPostscreen();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_TRUE(postfix_->LogContains("PASS NEW [198.18.0.5]"))
      << postfix_->Log();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(session));
  EXPECT_EQ(reply.code, 521) << reply.text;
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("no-socket")));
}

TEST_P(PostscreenTest, ACleanClientsMailArrives) {
  StartBehindPostscreen();
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
}

// ---- Exempt clients --------------------------------------------------------

TEST_F(PostfixSetupTest, AClientThatTheMilterIsDisabledForIsNotJudged) {
  Parts parts{.milter = true};
  parts.main_cf = {"smtpd_milter_maps = inline:{ { 198.18.0.5 = DISABLE } }"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session other, Open(kListedToo));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, SayMail(other));
  EXPECT_EQ(reply.code, 521) << reply.text;
  EXPECT_FALSE(IsBanned(kListed));
}

TEST_F(PostfixSetupTest, AClientPermittedBeforeThePolicyServerIsNotJudged) {
  Parts parts{.policy = true};
  parts.main_cf = {
      "smtpd_client_restrictions = "
      "check_client_access inline:{ { 198.18.0.5 = OK } }, "
      "check_policy_service { unix:breakwater/policy.sock, "
      "default_action=DUNNO, timeout=5s, try_limit=1 }"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session other, Open(kListedToo));
  EXPECT_EQ(other.banner.code, 521) << other.banner.text;
}

// ---- Sockets ---------------------------------------------------------------

TEST_F(PostfixSetupTest, ASocketThatPostfixMayNotUseFailsOpenAndItSaysSo) {
  StartParts({.policy = true, .milter = true});
  ASSERT_FALSE(HasFatalFailure());
  for (const char* name : {"policy.sock", "milter.sock"}) {
    ASSERT_EQ(chmod(SocketPath(name).c_str(), 0600), 0);
  }
  ExpectMailFlows(kListed);
  for (const char* socket :
       {"connect to breakwater/policy.sock: Permission denied",
        "Milter service unix:breakwater/milter.sock: Permission denied"}) {
    EXPECT_TRUE(postfix_->WaitForLog(socket)) << postfix_->Log();
  }
}

TEST_F(PostfixSetupTest, ASocketOutsideOfTheJailFailsOpenAndPostfixSaysSo) {
  Parts parts{.policy = true, .milter = true};
  parts.main_cf = {
      "smtpd_client_restrictions = check_policy_service { "
      "unix:/run/breakwater/policy.sock, default_action=DUNNO, try_limit=1 }",
      "smtpd_milters = { unix:/run/breakwater/milter.sock, "
      "default_action=accept }"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  for (const char* socket :
       {"connect to /run/breakwater/policy.sock: No such file or directory",
        "unix:/run/breakwater/milter.sock: No such file or directory"}) {
    EXPECT_TRUE(postfix_->WaitForLog(socket)) << postfix_->Log();
  }
}

TEST_F(PostfixSetupTest, TheSocketsArePostfixsGroupsAndNobodyElses) {
  StartParts({.policy = true, .milter = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const gid_t group,
                                  postfix_->root().GroupId("postfix"));
  for (const char* name : {"policy.sock", "milter.sock"}) {
    struct stat socket {};
    ASSERT_EQ(stat(SocketPath(name).c_str(), &socket), 0);
    EXPECT_EQ(socket.st_mode & 07777, 0660u) << name;
    EXPECT_EQ(socket.st_gid, group) << name;
  }
}

// ---- TLS -------------------------------------------------------------------

TEST_F(PostfixSetupTest, AListedClientReadsWhyAtMailInsideOfTls) {
  Parts parts{.milter = true};
  parts.main_cf = {
      "smtpd_tls_security_level = may",
      "smtpd_tls_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem",
      "smtpd_tls_key_file = /etc/ssl/private/ssl-cert-snakeoil.key"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  const CommandResult said = RunIn(
      world(),
      {"openssl", "s_client", "-quiet", "-ign_eof", "-starttls", "smtp",
       "-bind", kListed, "-connect", absl::StrCat(Network::kMtaAddress, ":25")},
      seconds(20), "EHLO z.example\r\nMAIL FROM:<a@example.org>\r\n");
  EXPECT_THAT(said.out,
              AllOf(HasSubstr("521 5.7.1 Client 198.18.0.5 is listed"),
                    HasSubstr("[id ")))
      << said.err;
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
}

}  // namespace
}  // namespace breakwater::testing
