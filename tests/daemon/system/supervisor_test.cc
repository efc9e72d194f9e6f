#include "daemon/system/supervisor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/system/parent.h"
#include "daemon/system/privileges.h"

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

// A process that ends with the one that has made it, seen through a pipe that
// only the child holds open.
class EndWithParentTest : public testing::Test {
 protected:
  EndWithParentTest() { EXPECT_EQ(pipe(pipe_), 0); }
  ~EndWithParentTest() override {
    close(pipe_[0]);
    unsetenv("BREAKWATER_PARENT");
  }
  // Returns once `prepare` has run in the child.
  template <typename Prepare>
  pid_t StartParent(Prepare prepare) {
    const pid_t parent = fork();
    if (parent == 0) {
      std::string mark = ParentMark();
      putenv(mark.data());
      if (fork() == 0) {
        prepare();
        [[maybe_unused]] const ssize_t said = write(pipe_[1], "x", 1);
        for (;;) pause();
      }
      close(pipe_[1]);
      for (;;) pause();
    }
    close(pipe_[1]);
    char ready = 0;
    EXPECT_EQ(read(pipe_[0], &ready, 1), 1);
    return parent;
  }
  bool ChildEnds() {
    pollfd waiting{.fd = pipe_[0], .events = POLLIN};
    return poll(&waiting, 1, 5000) == 1 && (waiting.revents & POLLHUP) != 0;
  }
  static void Kill(pid_t parent) {
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
  }

  int pipe_[2];
};

TEST_F(EndWithParentTest, AKilledParentTakesItsChildrenAlong) {
  Kill(StartParent([] { EndWithParent(); }));
  EXPECT_TRUE(ChildEnds());
}

TEST_F(EndWithParentTest, AlsoOneThatHasChangedItsUser) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  Kill(StartParent([] {
    EndWithParent();
    if (!DropPrivileges("nobody", /*keep_net_admin=*/true).ok()) _exit(1);
  }));
  EXPECT_TRUE(ChildEnds());
}

TEST_F(EndWithParentTest, AlsoOneThatHangs) {
  Kill(StartParent([] {
    EndWithParent();
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, nullptr);
  }));
  EXPECT_TRUE(ChildEnds());
}

TEST_F(EndWithParentTest, AProgramWhoseParentIsGoneAlreadyDoesNotBegin) {
  const pid_t child = fork();
  if (child == 0) {
    setenv("BREAKWATER_PARENT", "999999999", 1);
    EndWithParent();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  close(pipe_[1]);
}

TEST(SiblingProgram, StandsBesideTheOneThatRuns) {
  EXPECT_EQ(SiblingProgram("x").substr(SiblingProgram("x").size() - 2), "/x");
}

}  // namespace
}  // namespace breakwater
