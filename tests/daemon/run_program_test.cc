#include "daemon/run_program.h"

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::HasSubstr;

TEST(RunProgramTest, TheProgramReadsItsInputAndIsHeard) {
  const std::string input(1 << 20, 'x');
  const absl::StatusOr<ProgramResult> result = RunProgram({"cat"}, input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_EQ(result->out, input);
  EXPECT_TRUE(result->ToStatus("reading").ok());
}

TEST(RunProgramTest, AFailureSaysWhatTheProgramSaid) {
  const absl::StatusOr<ProgramResult> result =
      RunProgram({"cat", "/nowhere; echo $HOME"});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 1);
  const absl::Status status = result->ToStatus("reading it");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("reading it: cat: '/nowhere; echo $HOME'"));
}

TEST(RunProgramTest, WhatIsNotThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(RunProgram({"no-such-program"}).status()));
}

TEST(RunProgramTest, WhatDoesNotEndIsKilled) {
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<ProgramResult> result =
      RunProgram({"sleep", "60"}, "", std::chrono::milliseconds(100));
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
}

}  // namespace
}  // namespace breakwater
