#include "daemon/supervisor.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

class SupervisorTest : public testing::Test {
 protected:
  SupervisorTest()
      : starts_(absl::StrCat(testing::TempDir(), "/starts.", getpid())) {
    unlink(starts_.c_str());
  }
  ~SupervisorTest() override { unlink(starts_.c_str()); }

  // A child that leaves a line in the file, then does `then`.
  Child Noting(const std::string& then) {
    return {.name = "child",
            .argv = {"/bin/sh", "-c",
                     absl::StrCat("echo x >> ", starts_, "; ", then)}};
  }
  size_t Starts() const {
    std::ifstream file(starts_);
    size_t lines = 0;
    for (std::string line; std::getline(file, line);) ++lines;
    return lines;
  }
  bool WaitForStarts(size_t count) const {
    const auto limit = steady_clock::now() + seconds(10);
    while (Starts() < count && steady_clock::now() < limit) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    return Starts() >= count;
  }
  // The parent, in a process of its own.
  void StartParent(const Child& child) {
    parent_ = fork();
    if (parent_ == 0) _exit(Supervise({child}));
  }
  int StopParent() {
    kill(parent_, SIGTERM);
    int status = -1;
    waitpid(parent_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  const std::string starts_;
  pid_t parent_ = 0;
};

TEST_F(SupervisorTest, StartsAChildThatEndedAgain) {
  StartParent(Noting("exit 1"));
  EXPECT_TRUE(WaitForStarts(3));
  EXPECT_EQ(StopParent(), 0);
}

TEST_F(SupervisorTest, PausesLongerEachTimeSoThatItDoesNotSpin) {
  StartParent(Noting("exit 1"));
  ASSERT_TRUE(WaitForStarts(1));
  std::this_thread::sleep_for(milliseconds(1000));
  // 0.1 + 0.2 + 0.4 s have passed, 0.8 s have not.
  EXPECT_LE(Starts(), 4u);
  EXPECT_EQ(StopParent(), 0);
}

TEST_F(SupervisorTest, PassesSigtermOnAndWaits) {
  StartParent(Noting("trap 'echo y >> " + starts_ +
                     "; exit 0' TERM; while :; do sleep 0.05; done"));
  ASSERT_TRUE(WaitForStarts(1));
  EXPECT_EQ(StopParent(), 0);
  EXPECT_EQ(Starts(), 2u);
}

TEST_F(SupervisorTest, PassesSighupOnAndLivesOn) {
  StartParent(
      Noting("trap 'echo y >> " + starts_ +
             "' HUP; trap 'exit 0' TERM; while :; do sleep 0.05; done"));
  ASSERT_TRUE(WaitForStarts(1));
  kill(parent_, SIGHUP);
  EXPECT_TRUE(WaitForStarts(2));
  EXPECT_EQ(StopParent(), 0);
}

TEST_F(SupervisorTest, LivesOnWithoutAProgramThatCannotBeStarted) {
  StartParent({.name = "nothing", .argv = {"/nonexistent/program"}});
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(kill(parent_, 0), 0);
  EXPECT_EQ(StopParent(), 0);
}

TEST(SiblingProgram, StandsBesideTheOneThatRuns) {
  EXPECT_EQ(SiblingProgram("x").substr(SiblingProgram("x").size() - 2), "/x");
}

}  // namespace
}  // namespace breakwater
