// The filter as a program, started as courierfilter starts it.

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contrib/courier/scratch.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

// Long enough that only a test that hangs comes to it.
template <typename Done>
bool WaitUntil(Done done) {
  const auto end = std::chrono::steady_clock::now() + seconds(20);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return true;
}

class CourierfilterTest : public ::testing::Test {
 protected:
  CourierfilterTest()
      : server_(scratch_.path() + "/policy",
                [](const std::string&) { return "action=521 5.7.1 no\n\n"; }) {}
  ~CourierfilterTest() override {
    if (pid_ > 0) {
      kill(pid_, SIGTERM);
      waitpid(pid_, nullptr, 0);
    }
  }

  void Start(std::vector<std::string> words) {
    int hangup[2], ready[2];
    ASSERT_EQ(pipe2(hangup, O_CLOEXEC), 0);
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    hangup_ = hangup[1];
    const std::string log = scratch_.path() + "/log";
    words.insert(words.begin(), BREAKWATER_COURIERFILTER);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      // A test that dies takes it along.
      prctl(PR_SET_PDEATHSIG, SIGTERM);
      dup2(hangup[0], 0);
      dup2(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
      // Last, since one of the others may be 3.
      if (ready[1] == 3) fcntl(3, F_SETFD, 0);
      dup2(ready[1], 3);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(hangup[0]);
    close(ready[1]);
    ready_ = ready[0];
  }
  void StartAndWait() {
    Start({"-d", scratch_.path(), "-p", server_.socket()});
    ASSERT_FALSE(HasFatalFailure());
    AwaitReady();
  }
  // Until fd 3 is closed.
  void AwaitReady() {
    EXPECT_EQ(ReadUntil(ready_, ""), "");
    close(ready_);
  }
  void HangUp() {
    if (hangup_ >= 0) close(std::exchange(hangup_, -1));
  }
  int ExitCode() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string Path() { return scratch_.path() + "/allfilters/breakwater"; }
  std::string Ask() {
    return AskFilter(Path(), scratch_.File("D1", "") + "\n" +
                                 scratch_.File("c1", kControlFile) + "\n\n");
  }
  std::string Log() {
    std::ifstream file(scratch_.path() + "/log");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  pid_t Child() {
    const std::string pid = std::to_string(pid_);
    std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
    pid_t child = 0;
    file >> child;
    return child;
  }

  Scratch scratch_;
  FakePolicyServer server_;
  pid_t pid_ = 0;
  int hangup_ = -1;
  int ready_ = -1;
};

TEST_F(CourierfilterTest, SaysWhenItIsReadyAndAnswers) {
  StartAndWait();
  EXPECT_EQ(Ask(), "521 5.7.1 no\n");
  HangUp();
  EXPECT_EQ(ExitCode(), 0);
  EXPECT_EQ(Log(), "");
}

TEST_F(CourierfilterTest, TakesItsNameAwayWhenCourierHangsUp) {
  StartAndWait();
  ASSERT_TRUE(std::filesystem::exists(Path()));
  HangUp();
  EXPECT_EQ(ExitCode(), 0);
  EXPECT_FALSE(std::filesystem::exists(Path()));
}

TEST_F(CourierfilterTest, TakesItsNameAwayWhenItIsToldToEnd) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    StartAndWait();
    kill(pid_, signal);
    EXPECT_EQ(ExitCode(), 0);
    EXPECT_FALSE(std::filesystem::exists(Path()));
    HangUp();
  }
}

TEST_F(CourierfilterTest, ServesOnAfterItsProcessDied) {
  StartAndWait();
  ASSERT_TRUE(WaitUntil([&] { return Child() > 0; }));
  const pid_t first = Child();
  kill(first, SIGKILL);
  // A message that comes to the one that dies has no answer, and is put off.
  ASSERT_TRUE(WaitUntil([&] { return Child() != first; }));
  EXPECT_EQ(Ask(), "521 5.7.1 no\n");
  EXPECT_THAT(Log(), HasSubstr("ended with signal 9"));
}

TEST_F(CourierfilterTest, SaysWhyItCannotStart) {
  Start({"-d", "/missing"});
  AwaitReady();
  EXPECT_EQ(ExitCode(), 1);
  EXPECT_THAT(Log(), HasSubstr("in /missing: No such file or directory\n"));
}

TEST_F(CourierfilterTest, SaysHowToUseIt) {
  Start({"-x"});
  AwaitReady();
  EXPECT_EQ(ExitCode(), 2);
  EXPECT_THAT(Log(), HasSubstr("usage: breakwater-courierfilter"));
}

TEST_F(CourierfilterTest, ComplainsOnceAboutABreakwaterThatIsAway) {
  Start({"-d", scratch_.path(), "-p", "unix:/missing"});
  AwaitReady();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(), "200 Ok\n");
  const std::string log = Log();
  EXPECT_THAT(log, HasSubstr("mail passes unasked: connecting: "));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1);
}

}  // namespace
}  // namespace breakwater
