// What condemns a client in the course of time, on Postfix: senders that cannot
// be answered, going on after a refusal, and bans that grow.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The DNS server says of every name in its zone that there is none, and of all
// others that it does not know.
constexpr char kImpossible[] = "MAIL FROM:<a@nowhere.dbl.test>";

class OffenceCourseTest : public WholePathTest {
 protected:
  // The reply to MAIL in a session of its own, which then ends.
  int ReplyTo(const std::string& mail) {
    absl::StatusOr<Session> session = Open(kClean);
    if (!session.ok()) return 0;
    for (const std::string& line : {std::string("EHLO client.example"), mail}) {
      const absl::StatusOr<SmtpReply> reply = session->client.Command(line);
      if (!reply.ok()) return 0;
      if (line == mail) return reply->code;
    }
    return 0;
  }
};

TEST_F(OffenceCourseTest, SendersThatCannotReceiveAreCountedRefusedAndBanned) {
  StartParts({.milter = true,
              .config = "[[offence]]\nkind = \"sender\"\nafter = 2\n"});
  ASSERT_FALSE(HasFatalFailure());
  // Of whom nothing is known, and who wants no answer.
  EXPECT_EQ(ReplyTo("MAIL FROM:<a@example.org>"), 250);
  EXPECT_EQ(ReplyTo("MAIL FROM:<>"), 250);
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("kind=sender")));
  EXPECT_EQ(ReplyTo(kImpossible), 250) << "the first is counted";
  EXPECT_TRUE(breakwater_->WaitForLog("kind=sender"));
  EXPECT_FALSE(IsBanned(kClean));
  EXPECT_GE(ReplyTo(kImpossible), 500);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_THAT(Ask({"bans"}), AllOf(HasSubstr(kClean), HasSubstr("sender")));
}

TEST_F(OffenceCourseTest, WhoGoesOnAfterItsRefusalIsBanned) {
  // The list's refusal does not ban, and Postfix does not hang up on it.
  StartParts({.milter = true,
              .config = "ban = false\nreply_code = 550\n"
                        "[[offence]]\nkind = \"after-refusal\"\nafter = 3\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
  const std::string mail = "MAIL FROM:<a@example.org>";
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply,
                                  session.client.Command(mail));
  EXPECT_EQ(reply.code, 550);
  for (int again = 1; again <= 3; ++again) {
    EXPECT_FALSE(IsBanned(kListed)) << again;
    if (!session.client.Command(mail).ok()) break;
  }
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_THAT(Ask({"bans"}), HasSubstr("after-refusal"));
  EXPECT_TRUE(WaitUntil([&] { return postfix_->OpenSessions() == 0; }));
}

TEST_F(OffenceCourseTest, TheSecondBanIsLongerThanTheFirst) {
  StartParts({.policy = true,
              .config = "[ban]\nduration = \"3s\"\n"
                        "[growth]\nfactor = 3\njitter_percent = 0\n"});
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(Open(kListed));
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  EXPECT_LE(*sets_->Timeout("breakwater4", kListed), seconds(3));
  ASSERT_TRUE(WaitUntil([&] { return !IsBanned(kListed); }));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListed));
  EXPECT_EQ(session.banner.code, 521);
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
  const auto left = sets_->Timeout("breakwater4", kListed);
  ASSERT_TRUE(left);
  EXPECT_GT(*left, seconds(6));
  EXPECT_LE(*left, seconds(9));
}

}  // namespace
}  // namespace breakwater::testing
