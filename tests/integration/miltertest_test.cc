// The daemon's milter as miltertest sees it, a peer that is neither ours nor
// libmilter's.

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using MiltertestTest = BreakwaterTest;

TEST_F(MiltertestTest, AnotherPeerIsAnsweredAsAnMtaAndIsBelievedNoBan) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const TempDirectory directory,
                                  TempDirectory::Make());
  const std::string socket = absl::StrCat("unix:", directory.path(), "/milter");
  StartService({.milter = socket, .rules = false});
  ASSERT_FALSE(HasFatalFailure());
  const CommandResult result =
      RunIn(mta(), {"miltertest", "-D", absl::StrCat("socket=", socket), "-D",
                    absl::StrCat("ban=", Breakwater::ProgramPath("breakwater"),
                                 " --config ", breakwater_->config_path(),
                                 " --json ban --reason 'a test' ", kClean6),
                    "-s", BREAKWATER_MILTERTEST_SCRIPT});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  // The listed client had no connection to this machine.
  EXPECT_TRUE(breakwater_->WaitForLog("event=ban-refused"));
  EXPECT_FALSE(IsBanned(kListed6));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean6); }));
}

}  // namespace
}  // namespace breakwater::testing
