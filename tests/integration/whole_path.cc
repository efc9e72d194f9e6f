#include "tests/integration/whole_path.h"

#include "absl/strings/str_cat.h"

namespace breakwater::testing {
namespace {

// As README.md has them.
constexpr char kPolicyLine[] =
    "smtpd_client_restrictions = check_policy_service { "
    "unix:breakwater/policy.sock, default_action=DUNNO, timeout=5s, "
    "try_limit=1 }";
constexpr char kMilterLine[] =
    "smtpd_milters = { unix:breakwater/milter.sock, default_action=accept, "
    "connect_timeout=2s, command_timeout=5s }";

}  // namespace

BreakwaterTest::Service WholePathTest::ServiceOf(const Parts& parts) const {
  const std::string sockets =
      absl::StrCat("unix:", postfix_->QueueDirectory(), "/breakwater/");
  Service service{.rules = parts.rules,
                  .mode = parts.mode,
                  .config = parts.config,
                  .dns_server = parts.dns_server,
                  .listed = parts.listed,
                  .listed_names = parts.listed_names};
  if (parts.milter) service.milter = sockets + "milter.sock";
  if (parts.policy) service.policy.push_back(sockets + "policy.sock");
  return service;
}

void WholePathTest::StartParts(const Parts& parts) {
  PostfixOptions options;
  options.main_cf = {"smtpd_delay_reject = no"};
  if (parts.policy) options.main_cf.push_back(kPolicyLine);
  if (parts.milter) options.main_cf.push_back(kMilterLine);
  options.main_cf.insert(options.main_cf.end(), parts.main_cf.begin(),
                         parts.main_cf.end());
  options.master_cf = parts.master_cf;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(postfix_, Postfix::Start(mta(), options));
  BREAKWATER_ASSERT_OK(postfix_->MakeSocketDirectory(kDaemonUid));
  StartService(ServiceOf(parts));
}

void WholePathTest::ExpectMailFlows(const std::string& from) {
  const size_t before = postfix_->Mailbox("honest").size();
  absl::StatusOr<Session> session = Open(from);
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_EQ(session->banner.code, 220) << session->banner.text;
  const absl::StatusOr<SmtpReply> reply = session->client.SendMessage(
      "friend@example.org", "honest@mail.test", "Subject: hello\n\nhello\n");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->code, 250) << reply->text;
  EXPECT_TRUE(postfix_->WaitForMail("honest", before + 1));
}

}  // namespace breakwater::testing
