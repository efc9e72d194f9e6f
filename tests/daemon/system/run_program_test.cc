#include "daemon/system/run_program.h"

#include <signal.h>
#include <sys/time.h>

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

TEST(RunProgramTest, SignalsMeanwhileNeitherEndNorProlongTheWaiting) {
  struct sigaction act {};
  struct sigaction before {};
  act.sa_handler = [](int) {};
  sigaction(SIGALRM, &act, &before);
  const itimerval often{.it_interval = {.tv_sec = 0, .tv_usec = 20'000},
                        .it_value = {.tv_sec = 0, .tv_usec = 20'000}};
  setitimer(ITIMER_REAL, &often, nullptr);
  const auto begin = std::chrono::steady_clock::now();
  const absl::StatusOr<ProgramResult> hanging =
      RunProgram({"sleep", "20"}, "", std::chrono::milliseconds(300));
  const auto took = std::chrono::steady_clock::now() - begin;
  const absl::StatusOr<ProgramResult> ending = RunProgram({"sleep", "0.1"});
  const itimerval never{};
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  EXPECT_TRUE(absl::IsDeadlineExceeded(hanging.status())) << hanging.status();
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::seconds(15));
  ASSERT_TRUE(ending.ok()) << ending.status();
  EXPECT_EQ(ending->exit_code, 0);
}

}  // namespace
}  // namespace breakwater
