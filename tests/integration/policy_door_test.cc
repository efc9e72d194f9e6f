// The policy server, used from smtpd_client_restrictions: a listed client is
// answered at CONNECT.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class PolicyDoorTest : public WholePathTest {};

TEST_F(PolicyDoorTest, AListedClientReadsWhyAndIsClosed) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  EXPECT_THAT(session.banner.text,
              AllOf(HasSubstr("5.7.1"),
                    HasSubstr("Client 198.18.0.5 is listed by dnsbl.test "
                              "(Listed, see https://dnsbl.test/) [id ")));
  EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
}

TEST_F(PolicyDoorTest, TheNextConnectionOfABannedClientIsDropped) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_TRUE(IsDropped(kListed));
  EXPECT_GT(DroppedPackets(mta()), 0u);
  const auto left = sets_->Timeout("breakwater4", kListed);
  ASSERT_TRUE(left);
  EXPECT_GT(*left, seconds(500));
  EXPECT_LE(*left, seconds(660));  // growth.jitter_percent
}

TEST_F(PolicyDoorTest, ACleanClientsMailArrives) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  ExpectMailFlows(kClean6);
}

TEST_F(PolicyDoorTest, AnIpv6ClientIsBannedWithItsSlash64) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed6));
  EXPECT_EQ(session.banner.code, 521);
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed6); }));
  EXPECT_TRUE(IsDropped("2001:db8:bad1::77"));
  EXPECT_FALSE(IsDropped(kClean6));
}

TEST_F(PolicyDoorTest, AnotherSessionOfTheClientIsGoneAndItsSlotFree) {
  StartParts({.policy = true, .listed = {}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session early, Open(kListed));
  ASSERT_EQ(early.banner.code, 220);
  ASSERT_EQ(postfix_->OpenSessions(), 1u);
  // The list learns of the client, and so does a fresh cache.
  BREAKWATER_ASSERT_OK(list_->SetEntries({{kListed}}));
  ASSERT_TRUE(breakwater_->Stop());
  StartBreakwater();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session late, Open(kListed));
  EXPECT_EQ(late.banner.code, 521);
  EXPECT_EQ(early.client.WaitForEnd(seconds(3)), Ending::kReset);
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
  EXPECT_TRUE(postfix_->WaitForLog("lost connection after CONNECT"));
}

TEST_F(PolicyDoorTest, ObserveModeTouchesNothing) {
  StartParts({.policy = true, .mode = "observe"});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  EXPECT_TRUE(breakwater_->WaitForLog("event=would-reject"));
  EXPECT_THAT(sets_->Entries("breakwater4"), ::testing::IsEmpty());
}

TEST_F(PolicyDoorTest, SubmissionPortsAreNeverJudged) {
  StartParts({.policy = true, .master_cf = {"587 inet n - y - - smtpd"}});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed, 587));
  EXPECT_EQ(session.banner.code, 220);
  // Nor is it closed when the same client is banned on port 25.
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_EQ(session.client.WaitForEnd(milliseconds(500)), Ending::kOpen);
}

TEST_F(PolicyDoorTest, AZoneMayDeferInsteadAndItsClientIsNotBanned) {
  StartParts({.policy = true, .config = "reply_code = 451\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 451) << session.banner.text;
  EXPECT_THAT(session.banner.text, HasSubstr("4.7.1"));
  EXPECT_FALSE(IsBanned(kListed));
}

TEST_F(PolicyDoorTest, ABanIsNotShortenedByAHit) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_THAT(Ask({"ban", kClean, "--for", "24h"}), HasSubstr("\"ok\""));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_TRUE(IsDropped(kClean));
  EXPECT_GT(sets_->Timeout("breakwater4", kClean), seconds(86'000));
}

TEST_F(PolicyDoorTest, UnbanWorksAtOnce) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_THAT(Ask({"ban", kClean}), HasSubstr("\"ok\""));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  ASSERT_THAT(Ask({"unban", kClean}), HasSubstr("\"ok\""));
  ASSERT_TRUE(WaitUntil([&] { return !IsBanned(kClean); }));
  ExpectMailFlows(kClean);
}

TEST_F(PolicyDoorTest, TheIdInTheReplyStandsInTheLogAndInBans) {
  StartParts({.policy = true});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  const size_t at = session.banner.text.find("[id ");
  ASSERT_NE(at, std::string::npos);
  const std::string id = session.banner.text.substr(at + 4, 8);
  EXPECT_TRUE(breakwater_->WaitForLog(absl::StrCat("id=", id)));
  EXPECT_THAT(Ask({"bans"}), HasSubstr(id));
  EXPECT_THAT(Ask({"explain", kListed}), HasSubstr(id));
}

TEST_F(PolicyDoorTest, EachListIsAskedOncePerClientHoweverManySessionsWait) {
  StartParts({.policy = true, .rules = false});
  ASSERT_FALSE(HasFatalFailure());
  list_->Pause();
  std::vector<SmtpClient> waiting;
  for (int i = 0; i < 10; ++i) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpClient client, SmtpClient::Connect(world(), {.from = kClean}));
    waiting.push_back(std::move(client));
  }
  ASSERT_TRUE(breakwater_->Running());
  list_->Resume();
  for (SmtpClient& client : waiting) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner, client.ReadReply());
    EXPECT_EQ(banner.code, 220);
  }
  // A retry of the one question is the resolver's right.
  EXPECT_LE(list_->Queries(kClean), 2u);
}

}  // namespace
}  // namespace breakwater::testing
