// Exim asks the policy server from its ACL for connections.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/exim.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// As breakwaterd(8) has it.
constexpr char kAcl[] = R"(  warn  set acl_c_breakwater = ${readsocket\
        {/run/breakwater/policy.sock}\
        {request=smtpd_access_policy\nprotocol_state=CONNECT\n\
        client_address=$sender_host_address\n\
        client_port=$sender_host_port\n\
        server_address=$received_ip_address\n\
        server_port=$received_port\n\n}\
        {5s}{}{action=DUNNO}}
  drop  condition = ${if match{$acl_c_breakwater}{\N^action=5\N}}
        message = ${sg{$acl_c_breakwater}{\N^action=|\s+$\N}{}}
  defer condition = ${if match{$acl_c_breakwater}{\N^action=4\N}}
        message = ${sg{$acl_c_breakwater}{\N^action=|\s+$\N}{}}
  accept
)";

class EximDoorTest : public BreakwaterTest {
 protected:
  void StartExim(const std::string& zone = "") {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(exim_,
                                    Exim::Start(mta(), {.connect_acl = kAcl}));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(const std::string directory,
                                    exim_->MakeSocketDirectory(kDaemonUid));
    StartService({.policy = {absl::StrCat("unix:", directory, "/policy.sock")},
                  .config = zone});
  }
  void ExpectMailFlows(const std::string& from) {
    const size_t before = exim_->Mailbox("honest").size();
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(from));
    ASSERT_EQ(session.banner.code, 220) << session.banner.text;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpReply reply,
        session.client.SendMessage("friend@example.org", "honest@mail.test",
                                   "Subject: hello\n\nhello\n"));
    EXPECT_EQ(reply.code, 250) << reply.text;
    EXPECT_TRUE(exim_->WaitForMail("honest", before + 1)) << exim_->Log();
  }

  std::unique_ptr<Exim> exim_;
};

TEST_F(EximDoorTest, AListedClientReadsWhyAndIsClosedAndBanned) {
  StartExim();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521) << exim_->Log();
  // Exim breaks long lines at spaces.
  EXPECT_THAT(absl::StrReplaceAll(session.banner.text, {{"\n5.7.1 ", " "}}),
              AllOf(HasSubstr("5.7.1 Client 198.18.0.5 is listed by dnsbl.test "
                              "(Listed, see https://dnsbl.test/) [id "),
                    EndsWith("]"), Not(HasSubstr("action="))));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("no-socket")));
  EXPECT_TRUE(IsDropped(kListed));
}

TEST_F(EximDoorTest, SoDoesAnIpv6Client) {
  StartExim();
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed6));
  EXPECT_EQ(session.banner.code, 521) << exim_->Log();
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed6); }));
}

TEST_F(EximDoorTest, ACleanClientsMailArrives) {
  StartExim();
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kClean6);
}

TEST_F(EximDoorTest, AListMayDefer) {
  StartExim("reply_code = 451\n");
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 451) << session.banner.text;
  EXPECT_THAT(session.banner.text, HasSubstr("4.7.1 Client 198.18.0.5"));
  EXPECT_FALSE(IsBanned(kListed));
}

TEST_F(EximDoorTest, MailFlowsWhenBreakwaterIsAway) {
  StartExim();
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(breakwater_->Stop());
  ExpectMailFlows(kListed);
}

TEST_F(EximDoorTest, MailFlowsWhenBreakwaterHangs) {
  StartExim();
  ASSERT_FALSE(HasFatalFailure());
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_EQ(kill(daemon, SIGSTOP), 0);
  ExpectMailFlows(kListed);
  kill(daemon, SIGCONT);
}

TEST_F(EximDoorTest, TheManualHasTheLinesThatAreTestedHere) {
  const std::string manual =
      ReadFile(BREAKWATER_SOURCE_DIR "/daemon/breakwaterd.8");
  EXPECT_THAT(absl::StrReplaceAll(manual, {{"\\e", "\\"}}), HasSubstr(kAcl));
}

}  // namespace
}  // namespace breakwater::testing
