// What a front does to its process: each test is a process of its own, since
// libmilter can be started only once.

#include <libmilter/mfapi.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "core/base/log.h"
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

// A front whose verdicts may take longer than a test waits for anything.
std::unique_ptr<MilterFront> PatientFront(FakeWorld& world) {
  auto front = MilterFront::Open(world.screener, world.metrics,
                                 {.socket = "unix:" + Path(),
                                  .verdict_deadline = std::chrono::hours(1)})
                   .value();
  front->Start([] { _exit(10); });
  return front;
}

// As Postfix opens a session, all at once.
std::unique_ptr<MilterClient> BeginSession(const std::string& address) {
  auto mta = std::make_unique<MilterClient>(Path());
  mta->SendNegotiate({});
  mta->SendConnect(address, 4711, PostfixMacros());
  mta->SendMail();
  return mta;
}

void MixSlowListsWithFastOnes() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  const auto front = PatientFront(world);
  std::vector<std::unique_ptr<MilterClient>> idle, slow, fast;
  for (int i = 0; i < 500; ++i) {
    idle.push_back(std::make_unique<MilterClient>(Path()));
    idle.back()->Negotiate();
  }
  for (int i = 0; i < 200; ++i) {
    const std::string address = absl::StrCat("198.18.0.", i);
    if (i % 5 == 0) world.lists.Hold(address);
    (i % 5 == 0 ? slow : fast).push_back(BeginSession(address));
  }
  for (const auto& mta : fast) {
    REQUIRE_OR_EXIT(11, mta->Receive().command == 'O');
    REQUIRE_OR_EXIT(12, mta->Receive() == kContinue);
    REQUIRE_OR_EXIT(13, mta->Receive() == kContinue);
  }
  world.lists.Release();
  for (const auto& mta : slow) {
    REQUIRE_OR_EXIT(14, mta->Receive().command == 'O');
    REQUIRE_OR_EXIT(15, mta->Receive() == kContinue);
    REQUIRE_OR_EXIT(16, mta->Receive() == kContinue);
  }
  // That we rang for workers is nobody's mistake.
  const std::string metrics = world.metrics.Render();
  REQUIRE_OR_EXIT(17, metrics.find("bad_input_total{front=\"milter\"} ") ==
                          std::string::npos);
  _exit(0);
}

TEST_F(MilterProcessDeathTest, NobodyWaitsForAnothersLists) {
  EXPECT_EXIT(MixSlowListsWithFastOnes(), ExitedWithCode(0), "");
}

// A peer that sends half of a frame, or reads nothing, is waited for.
void MixHalfSentFramesWithWholeOnes() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  const auto front = PatientFront(world);
  std::vector<std::unique_ptr<MilterClient>> halves, wholes;
  for (int i = 0; i < 200; ++i) {
    auto& mtas = i % 2 == 0 ? halves : wholes;
    mtas.push_back(std::make_unique<MilterClient>(Path()));
    mtas.back()->Negotiate();
  }
  for (size_t i = 0; i < wholes.size(); ++i) {
    halves[i]->SendRaw(std::string_view("\0\0\0\11M<a@", 8));
    wholes[i]->SendConnect(absl::StrCat("198.18.0.", i), 1, {});
  }
  for (const auto& mta : wholes) {
    REQUIRE_OR_EXIT(11, mta->Receive() == kContinue);
  }
  REQUIRE_OR_EXIT(12, halves.front()->IsQuiet());
  _exit(0);
}

TEST_F(MilterProcessDeathTest, NobodyWaitsForTheRestOfAnothersFrame) {
  EXPECT_EXIT(MixHalfSentFramesWithWholeOnes(), ExitedWithCode(0), "");
}

void RunOutOfDescriptors() {
  FakeWorld world;
  const auto front = PatientFront(world);
  MilterClient before(Path());
  before.Negotiate();
  // UBSan looks at each class once, for which it needs a descriptor.
  MilterClient warms_up(Path());
  warms_up.Negotiate();
  REQUIRE_OR_EXIT(10, warms_up.Connect("192.0.2.6", 1, {}) == kContinue);
  rlimit files{.rlim_cur = 64, .rlim_max = 64};
  setrlimit(RLIMIT_NOFILE, &files);
  std::vector<std::unique_ptr<MilterClient>> mtas;
  std::vector<int> ours;
  for (int fd = dup(0); fd >= 0; fd = dup(0)) ours.push_back(fd);
  close(ours.back());
  ours.pop_back();
  MilterClient waiting(Path());  // takes the last one: accept has none
  const auto cpu = [] {
    timespec used{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return milliseconds(used.tv_sec * 1000 + used.tv_nsec / 1'000'000);
  };
  const milliseconds used = cpu();
  std::this_thread::sleep_for(milliseconds(1000));
  REQUIRE_OR_EXIT(11, cpu() - used < milliseconds(300));
  REQUIRE_OR_EXIT(12, before.Connect("192.0.2.5", 1, {}) == kContinue);
  for (const int fd : ours) close(fd);
  waiting.Negotiate();
  REQUIRE_OR_EXIT(13, waiting.Connect("192.0.2.5", 1, {}) == kContinue);
  _exit(0);
}

TEST_F(MilterProcessDeathTest, DoesNotSpinWhereThereAreNoDescriptorsLeft) {
  EXPECT_EXIT(RunOutOfDescriptors(), ExitedWithCode(0),
              "event=accept-failed front=milter");
}

// Half a frame, and answers that nobody takes.
void EndPeersThatOweUsSomething() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  const auto front = MilterFront::Open(world.screener, world.metrics,
                                       {.socket = "unix:" + Path(),
                                        .patience = milliseconds(200)})
                         .value();
  front->Start([] { _exit(10); });
  MilterClient good(Path());
  good.Negotiate();
  MilterClient half(Path());
  half.Negotiate();
  half.SendRaw(std::string_view("\0\0\0\11M<a@", 8));
  MilterClient deaf(Path());
  deaf.Negotiate();
  deaf.Connect("192.0.2.6", 1, {});
  for (int i = 0; i < 10'000; ++i) {
    const std::string_view mail("\0\0\0\5M<a>", 9);
    if (send(deaf.fd(), mail.data(), mail.size(), MSG_NOSIGNAL | MSG_DONTWAIT) <
        0) {
      break;
    }
  }
  REQUIRE_OR_EXIT(11, half.IsClosed());
  std::string answers(1 << 20, '\0');
  ssize_t got = 1;
  while (got > 0) {
    std::this_thread::sleep_for(milliseconds(600));
    got = recv(deaf.fd(), answers.data(), answers.size(), 0);
  }
  // Who owes nothing may be silent.
  REQUIRE_OR_EXIT(12, good.Connect("192.0.2.5", 1, {}) == kContinue);
  _exit(0);
}

TEST_F(MilterProcessDeathTest, DoesNotWaitForEverForTheRestOfAFrame) {
  EXPECT_EXIT(EndPeersThatOweUsSomething(), ExitedWithCode(0), "");
}

void TurnAwayWhoIsTooMany() {
  FakeWorld world;
  const auto front =
      MilterFront::Open(world.screener, world.metrics,
                        {.socket = "unix:" + Path(), .most_sessions = 3})
          .value();
  front->Start([] { _exit(10); });
  MilterClient silent(Path());
  std::vector<std::unique_ptr<MilterClient>> mtas;
  for (int i = 0; i < 2; ++i) mtas.push_back(BeginSession("192.0.2.5"));
  for (const auto& mta : mtas) {
    REQUIRE_OR_EXIT(11, mta->Receive().command == 'O');
  }
  // It would be ourselves, who are always let in.
  const auto visit = [path = Path()](char expected) {
    const pid_t visitor = fork();
    if (visitor == 0) {
      MilterClient mta(path);
      mta.SendNegotiate({});
      const char got = mta.Receive().command;
      _exit(got == expected ? 0 : 1);
    }
    return visitor;
  };
  int status = 1;
  waitpid(visit('!'), &status, 0);
  REQUIRE_OR_EXIT(12, status == 0);
  // One that has not said a word for a second makes room.
  std::this_thread::sleep_for(milliseconds(1100));
  const pid_t visitor = visit('O');
  REQUIRE_OR_EXIT(13, silent.IsClosed());
  waitpid(visitor, &status, 0);
  REQUIRE_OR_EXIT(14, status == 0);
  REQUIRE_OR_EXIT(15, mtas[0]->Receive() == kContinue);
  _exit(0);
}

TEST_F(MilterProcessDeathTest, HasABoundForSessions) {
  EXPECT_EXIT(TurnAwayWhoIsTooMany(), ExitedWithCode(0),
              "event=too-many-connections front=milter peer=uid:.* most=3");
}

// Over TCP, where the kernel does not say who it is.
void HearARingWhereItIsFull() {
  FakeWorld world;
  const auto front =
      MilterFront::Open(world.screener, world.metrics,
                        {.socket = "inet:18891@127.0.0.1", .most_sessions = 3});
  REQUIRE_OR_EXIT(11, front.ok());
  (*front)->Start([] { _exit(10); });
  const auto connect_to_it = [] {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = htons(18891),
                        .sin_addr = {htonl(INADDR_LOOPBACK)}};
    REQUIRE_OR_EXIT(12, connect(fd, reinterpret_cast<sockaddr*>(&address),
                                sizeof address) == 0);
    return fd;
  };
  for (int i = 0; i < 3; ++i) {
    // Who has spoken makes no room.
    const char offer[] = "\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
    const int fd = connect_to_it();
    REQUIRE_OR_EXIT(13, write(fd, offer, 17) == 17);
    char answer[5] = {};
    REQUIRE_OR_EXIT(14, recv(fd, answer, 5, MSG_WAITALL) == 5);
  }
  // As the doorbell does it; the one after it is accepted after it.
  close(connect_to_it());
  char nothing = 0;
  REQUIRE_OR_EXIT(15, recv(connect_to_it(), &nothing, 1, 0) <= 0);
  _exit((*front)->load().turned_away == 1 ? 0 : 16);
}

TEST_F(MilterProcessDeathTest, HearsItsOwnDoorbellOverTcpHoweverManyThereAre) {
  EXPECT_EXIT(HearARingWhereItIsFull(), ExitedWithCode(0), "");
}

void StopWithManySessions() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  auto front = PatientFront(world);
  std::vector<std::unique_ptr<MilterClient>> mtas;
  for (int i = 0; i < 500; ++i) {
    const std::string address = absl::StrCat("198.18.", i / 250, ".", i % 250);
    if (i % 2 == 0) world.lists.Hold(address);
    mtas.push_back(BeginSession(address));
    REQUIRE_OR_EXIT(11, mtas.back()->Receive().command == 'O');
    REQUIRE_OR_EXIT(12, mtas.back()->Receive() == kContinue);
  }
  std::thread release([&] {
    std::this_thread::sleep_for(milliseconds(100));
    world.lists.Release();
  });
  front->Stop();
  release.join();
  for (const auto& mta : mtas) {
    REQUIRE_OR_EXIT(13, mta->Receive() == kContinue);
    mta->SendMail();
  }
  // libmilter's workers have gone, or are going: no answer, or to go on.
  REQUIRE_OR_EXIT(14, mtas.back()->IsQuiet(milliseconds(100)) ||
                          mtas.back()->Receive() == kContinue);
  for (const auto& mta : mtas) {
    REQUIRE_OR_EXIT(
        15, mta->IsQuiet(milliseconds(0)) || mta->Receive() == kContinue);
  }
  _exit(0);
}

TEST_F(MilterProcessDeathTest, StopsInTheMiddleOfManySessions) {
  EXPECT_EXIT(StopWithManySessions(), ExitedWithCode(0), "");
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

void ListenByIpv6() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  const auto front = MilterFront::Open(world.screener, world.metrics,
                                       {.socket = "inet6:18890@::1"});
  if (!front.ok()) std::cerr << front.status() << "\n";
  REQUIRE_OR_EXIT(11, front.ok());
  (*front)->Start([] { _exit(10); });
  const int fd = socket(AF_INET6, SOCK_STREAM, 0);
  sockaddr_in6 address{.sin6_family = AF_INET6,
                       .sin6_port = htons(18890),
                       .sin6_addr = in6addr_loopback};
  REQUIRE_OR_EXIT(12, connect(fd, reinterpret_cast<sockaddr*>(&address),
                              sizeof address) == 0);
  // An offer: its length, SMFIC_OPTNEG, version 6, actions, steps.
  const char offer[] = "\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xff\xff";
  REQUIRE_OR_EXIT(13, write(fd, offer, 17) == 17);
  char answer[5] = {};
  REQUIRE_OR_EXIT(14, recv(fd, answer, 5, MSG_WAITALL) == 5);
  _exit(answer[4] == 'O' ? 0 : 15);
}

TEST_F(MilterProcessDeathTest, ListensByIpv6) {
  EXPECT_EXIT(ListenByIpv6(), ExitedWithCode(0), "");
}

void EndLibmilter() {
  SetLeastSeverity(Severity::kError);
  FakeWorld world;
  const auto front = MilterFront::Open(world.screener, world.metrics,
                                       {.socket = "unix:" + Path()})
                         .value();
  front->Start([] {
    unlink(Path().c_str());
    _exit(0);
  });
  std::thread([] { smfi_stop(); }).detach();
  for (int i = 0; i < 1000; ++i) {
    const MilterClient wakes_the_listener(Path());
    std::this_thread::sleep_for(milliseconds(20));
  }
  _exit(11);
}

TEST_F(MilterProcessDeathTest, TellsWhenLibmilterEnds) {
  EXPECT_EXIT(EndLibmilter(), ExitedWithCode(0), "");
}

// libmilter would take any of these for an order to stop.
void SignalALibmilterThread() {
  SetLeastSeverity(Severity::kError);
  // Blocked in every other thread, so that only libmilter's could get them.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) {
    sigaddset(&signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  FakeWorld world;
  const auto front = PatientFront(world);
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) kill(getpid(), signal);
  for (int i = 0; i < 20; ++i) {
    MilterClient mta(Path());
    mta.Negotiate();
    REQUIRE_OR_EXIT(11, mta.Connect("192.0.2.5", 1, {}) == kContinue);
    std::this_thread::sleep_for(milliseconds(5));
  }
  _exit(0);
}

TEST_F(MilterProcessDeathTest, LibmilterTakesNoSignal) {
  EXPECT_EXIT(SignalALibmilterThread(), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace breakwater
