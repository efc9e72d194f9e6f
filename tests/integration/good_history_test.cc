// Clients whose mail was accepted before a list condemned them, and the brake
// that is put on when a list condemns too many of those.

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
using ::testing::IsEmpty;

class GoodHistoryTest : public WholePathTest {
 protected:
  // The first message makes a client good.
  static Parts PartsWith(const std::string& label) {
    return {.milter = true,
            .config = absl::StrCat("label = \"", label,
                                   "\"\n[history]\nprobation = \"0s\"\n")};
  }
  void Start() {
    StartParts(PartsWith("list.test"));
    if (!HasFatalFailure()) WaitUntilBelieved();
  }
  // Nobody is judged before the list has proven that it is one.
  void WaitUntilBelieved() {
    ASSERT_TRUE(WaitUntil([&] {
      return Ask({"status"}).find("\"state\":\"ok\"") != std::string::npos;
    })) << Ask({"status"});
  }
  // The list holds them from now on, and the cache is empty: a zone with
  // another label is another zone.
  void List(const std::vector<DnsListEntry>& entries) {
    BREAKWATER_ASSERT_OK(list_->SetEntries(entries));
    BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(
        ConfigText(ServiceOf(PartsWith("again.test")))));
    ASSERT_THAT(Ask({"reload"}), HasSubstr("\"ok\":true"));
    WaitUntilBelieved();
  }
  // Is told 521 at MAIL, and the connection is closed.
  void ExpectRefusal(const std::string& from) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(from));
    ASSERT_EQ(session.banner.code, 220) << session.banner.text;
    BREAKWATER_ASSERT_OK(session.client.Command("EHLO client.example"));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        SmtpReply reply, session.client.Command("MAIL FROM:<a@example.org>"));
    EXPECT_EQ(reply.code, 521) << reply.text;
    EXPECT_EQ(session.client.WaitForEnd(seconds(2)), Ending::kClosed);
  }
};

TEST_F(GoodHistoryTest, AListedCorrespondentIsRefusedFirstAndThenBanned) {
  Start();
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kClean);
  List({{kClean}});
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(Ask({"explain", kClean}),
              AllOf(HasSubstr("\"good\":true"),
                    HasSubstr("for its good history, not banned")));
  ExpectRefusal(kClean);
  EXPECT_TRUE(breakwater_->WaitForLog("why=good-history"));
  EXPECT_FALSE(IsBanned(kClean));
  // So it can come again, and is told again; with that it is banned.
  ExpectRefusal(kClean);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_TRUE(IsDropped(kClean));
  EXPECT_THAT(
      Ask({"metrics"}),
      HasSubstr("breakwater_bans_withheld_total{why=\\\"good-history\\\"} 1"));
}

TEST_F(GoodHistoryTest, AStrangerOnTheListIsBannedAtOnce) {
  Start();
  ASSERT_FALSE(HasFatalFailure());
  ExpectRefusal(kListed);
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
}

TEST_F(GoodHistoryTest, AListThatCondemnsManyCorrespondentsPutsTheBrakeOn) {
  Start();
  ASSERT_FALSE(HasFatalFailure());
  // Each in a network of its own: one sender's many addresses say little.
  const auto correspondent = [](int i) {
    return absl::StrCat("198.19.", i, ".9");
  };
  for (int i = 1; i <= 10; ++i) ExpectMailFlows(correspondent(i));
  EXPECT_THAT(Ask({"status"}),
              AllOf(HasSubstr("\"problems\":[]"), HasSubstr("\"good\":10")));
  List({{"198.19.0.0/16"}, {kListed}});
  ASSERT_FALSE(HasFatalFailure());
  for (int i = 1; i <= 10; ++i) ExpectRefusal(correspondent(i));

  EXPECT_TRUE(breakwater_->WaitForLog("event=brake-on"));
  EXPECT_THAT(Ask({"status"}), AllOf(HasSubstr("the brake has been on for"),
                                     HasSubstr("10 of the last 10 networks"),
                                     HasSubstr("held by again.test")));
  // Who has no history is refused too, and nobody is banned.
  ExpectRefusal(kListed);
  ExpectRefusal(correspondent(1));
  EXPECT_TRUE(breakwater_->WaitForLog("why=brake"));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
  // But by the operator.
  EXPECT_THAT(Ask({"ban", kListed}), HasSubstr("\"ok\":true"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListed); }));
}

}  // namespace
}  // namespace breakwater::testing
