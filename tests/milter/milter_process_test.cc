// What a front does to its process: each test is a process of its own, since
// libmilter can be started only once.

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "core/log.h"
#include "gtest/gtest.h"
#include "milter/milter_front.h"
#include "tests/fakes/fake_world.h"
#include "tests/fakes/milter_client.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using ::testing::ExitedWithCode;

const MilterClient::Reply kContinue = {.command = 'c'};

std::string Path() {
  return absl::StrCat(::testing::TempDir(), "milter-process-", getpid());
}

class MilterProcessDeathTest : public ::testing::Test {
 protected:
  MilterProcessDeathTest() {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

// Exits with the number of the first thing that was not as it should be.
#define REQUIRE_OR_EXIT(number, condition) \
  if (!(condition)) _exit(number)

void StopWhileASessionWaits() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  auto front = MilterFront::Open(world.screener, world.metrics,
                                 {.socket = "unix:" + Path(),
                                  .verdict_deadline = milliseconds(300)})
                   .value();
  front->Start([] { _exit(10); });
  world.lists.List("192.0.2.5");
  world.lists.Hold();
  MilterClient waiting(Path());
  waiting.Negotiate();
  waiting.Connect("192.0.2.5", 1, PostfixMacros());
  waiting.SendMail();
  REQUIRE_OR_EXIT(11, waiting.IsQuiet());
  front->Stop();
  REQUIRE_OR_EXIT(12, waiting.Receive() == kContinue);
  front.reset();
  unlink(Path().c_str());
  _exit(0);
}

TEST_F(MilterProcessDeathTest, StopsWhenTheLastCallbackHasLeft) {
  EXPECT_EXIT(StopWhileASessionWaits(), ExitedWithCode(0), "");
}

// A program that handles its signals as the daemon does.
void TakeManySignals() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  auto front = MilterFront::Open(world.screener, world.metrics,
                                 {.socket = "unix:" + Path()})
                   .value();
  front->Start([] { _exit(10); });
  asio::io_context loop;
  asio::signal_set signals(loop, SIGHUP);
  int seen = 0;
  std::function<void()> wait = [&] {
    signals.async_wait([&](asio::error_code, int) {
      ++seen;
      wait();
    });
  };
  wait();
  std::thread sender([&] {
    for (int i = 0; i < 2000; ++i) {
      kill(getpid(), SIGHUP);
      std::this_thread::sleep_for(std::chrono::microseconds(i % 200));
    }
    loop.stop();
  });
  loop.run();
  sender.join();
  REQUIRE_OR_EXIT(11, seen > 0);
  MilterClient mta(Path());
  mta.Negotiate();
  REQUIRE_OR_EXIT(12, mta.Connect("192.0.2.5", 1, {}) == kContinue);
  unlink(Path().c_str());
  _exit(0);
}

TEST_F(MilterProcessDeathTest, LeavesTheProgramItsSignals) {
  EXPECT_EXIT(TakeManySignals(), ExitedWithCode(0), "");
}

void EndBySignal() {
  SetLeastSeverity(Severity::kError);
  // Blocked in every other thread, so that libmilter gets it.
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &hangup, nullptr);
  FakeWorld world;
  auto front = MilterFront::Open(world.screener, world.metrics,
                                 {.socket = "unix:" + Path()})
                   .value();
  front->Start([] {
    unlink(Path().c_str());
    _exit(0);
  });
  kill(getpid(), SIGHUP);
  std::this_thread::sleep_for(std::chrono::seconds(20));
  _exit(10);
}

TEST_F(MilterProcessDeathTest, TellsWhenLibmilterEnds) {
  EXPECT_EXIT(EndBySignal(), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace breakwater
