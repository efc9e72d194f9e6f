// Other programs tell what they saw: over the report socket and by the
// operator's command, down to the kernel's set.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/report_client.h"

namespace breakwater::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kOffences[] = R"(
[growth]
jitter_percent = 0
[[offence]]
kind = "virus"
[[offence]]
kind = "spam"
after = 3
[[offence]]
kind = "reported"
mode = "observe"
)";

class ReportSocketTest : public BreakwaterTest {
 protected:
  void StartReports(const std::string& mode = "enforce") {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(directory_, TempDirectory::Make());
    ASSERT_EQ(chmod(directory_->path().c_str(), 0755), 0);
    path_ = directory_->path() + "/report.sock";
    StartService({.policy = {"inet:127.0.0.1:10040"},
                  .mode = mode,
                  .config = absl::StrCat("[report]\nsocket = \"unix:", path_,
                                         "\"\nmode = \"0666\"\n",
                                         "users = [\"64001\"]\n", kOffences)});
  }

  std::optional<TempDirectory> directory_;
  std::string path_;
};

TEST_F(ReportSocketTest, AReportedClientIsInTheKernelsSet) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(
      Report(path_, absl::StrCat("report ", kClean, " virus 12h Eicar-Test\n")),
      ElementsAre(StartsWith("ok struck banned 43200 id=")));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_THAT(breakwater_->Log(), HasSubstr("detail=Eicar-Test"));
  EXPECT_THAT(Report(path_, absl::StrCat("report ", kClean, " virus\n")),
              ElementsAre(StartsWith("ok banned 43")));
  EXPECT_THAT(Report(path_, absl::StrCat("report ", kClean6, " virus\n")),
              ElementsAre(StartsWith("ok struck banned 600 id=")));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean6); }));
}

TEST_F(ReportSocketTest, ItStrikesWhenItWasReportedOftenEnough) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  const std::string line = absl::StrCat("report ", kClean, " spam\n");
  EXPECT_THAT(Report(path_, line + line),
              ElementsAre("ok counted 1/3", "ok counted 2/3"));
  EXPECT_FALSE(IsBanned(kClean));
  EXPECT_THAT(Report(path_, line),
              ElementsAre(StartsWith("ok struck banned 600 id=")));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
}

TEST_F(ReportSocketTest, WhatCannotBeDoneIsAnErrorThatSaysWhy) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(
      Report(path_,
             "report 127.0.0.1 virus\n"
             "report 192.0.2.25 virus\n"
             "report 192.0.2.1 virus\n"
             "report 203.0.113.9 trap\n"
             "gibberish\n"),
      ElementsAre("error 127.0.0.1 is not judged: protected",
                  "error 192.0.2.25 is not judged: protected",
                  "error 192.0.2.1 is not judged: protected",
                  StartsWith("error offence trap is off: no [[offence]]"),
                  StartsWith("error verb: \"gibberish\"")));
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
}

TEST_F(ReportSocketTest, AnotherWordIsOfKindReported) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(
      Report(path_, absl::StrCat("report ", kClean, " brute-force - 9\n")),
      ElementsAre("ok observed 1/1"));
  EXPECT_THAT(breakwater_->Log(), HasSubstr("detail=\"brute-force: 9\""));
  EXPECT_FALSE(IsBanned(kClean));
}

TEST_F(ReportSocketTest, OnlyTheListedUsersMayReport) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  const std::string line = absl::StrCat("report ", kClean, " spam\n");
  EXPECT_THAT(Report(path_, line, 64'002),
              ElementsAre(StartsWith("error you may not report")));
  EXPECT_TRUE(breakwater_->WaitForLog("event=report-refused uid=64002"));
  EXPECT_THAT(Report(path_, line, 64'001), ElementsAre("ok counted 1/3"));
}

TEST_F(ReportSocketTest, AThousandReportsAreAThousandBans) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  std::string lines;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&lines, "report 203.0.", i / 250, ".", i % 250 + 1,
                    " virus\n");
  }
  EXPECT_THAT(Report(path_, lines), SizeIs(1000));
  EXPECT_TRUE(
      WaitUntil([&] { return sets_->Entries("breakwater4").size() == 1000; }));
}

TEST_F(ReportSocketTest, ObserveModeBansNobody) {
  StartReports("observe");
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(Report(path_, absl::StrCat("report ", kClean, " virus\n")),
              ElementsAre(StartsWith("ok observed 1/1")));
  EXPECT_FALSE(IsBanned(kClean));
}

TEST_F(ReportSocketTest, TheOperatorsCommandDoesTheSame) {
  StartReports();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(Ask({"report", kClean, "--offence", "spam"}),
              AllOf(HasSubstr("\"effect\":\"counted\""),
                    HasSubstr("\"count\":1"), HasSubstr("\"after\":3")));
  const CommandResult result = breakwater_->Command(
      {"report", kClean, "--offence", "virus", "--for", "2h", "--detail", "x"});
  EXPECT_TRUE(result.ok()) << result.err;
  EXPECT_THAT(result.out, HasSubstr("203.0.113.9: struck, virus 1 of 1; "
                                    "203.0.113.9 is kept out until"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); }));
  EXPECT_THAT(Ask({"report", "127.0.0.1", "--offence", "virus"}),
              HasSubstr("127.0.0.1 is not judged: protected"));
  EXPECT_THAT(Ask({"report", kClean6, "--offence", "relay"}),
              HasSubstr("offence relay is off"));
}

}  // namespace
}  // namespace breakwater::testing
