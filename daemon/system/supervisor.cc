#include "daemon/system/supervisor.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "daemon/system/parent.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kShortestPause = milliseconds(100);
constexpr Duration kLongestPause = seconds(30);
// A child that lived this long is not failing at its start.
constexpr Duration kLivedWell = seconds(60);
constexpr Duration kTimeToStop = seconds(10);

struct Running {
  Child child;
  pid_t pid = 0;  // 0: to be started at `due`
  Instant due;
  Instant started;
  Duration pause = kShortestPause;
};

// The signals that are waited for, all others being left as they are.
sigset_t WaitedFor() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

void StartOne(Running& running) {
  std::vector<char*> argv;
  for (const std::string& word : running.child.argv) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  std::string mark = ParentMark();
  std::vector<char*> environment = {mark.data()};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    environment.push_back(*entry);
  }
  environment.push_back(nullptr);

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = posix_spawn(&running.pid, argv[0], nullptr, &attributes,
                                argv.data(), environment.data());
  posix_spawnattr_destroy(&attributes);

  running.started = Clock::now();
  if (error != 0) {
    running.pid = 0;
    running.due = running.started + running.pause;
    running.pause = std::min(2 * running.pause, kLongestPause);
    Log(Severity::kError, "cannot-start")
        .Add("program", running.child.name)
        .Add("why", strerror(error));
  }
}

void NoteEnd(Running& running, int status, bool stopping) {
  const Instant now = Clock::now();
  running.pid = 0;
  if (now - running.started >= kLivedWell) running.pause = kShortestPause;
  running.due = now + running.pause;
  if (!stopping) {
    Log(Severity::kError, "ended")
        .Add("program", running.child.name)
        .Add("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1)
        .Add("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0)
        .Add("again_in_ms", running.pause.count());
  }
  running.pause = std::min(2 * running.pause, kLongestPause);
}

void Reap(std::vector<Running>& all, bool stopping) {
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (Running& running : all) {
      if (running.pid == pid) NoteEnd(running, status, stopping);
    }
  }
}

void SignalAll(const std::vector<Running>& all, int signal) {
  for (const Running& running : all) {
    if (running.pid != 0) kill(running.pid, signal);
  }
}

bool AnyRuns(const std::vector<Running>& all) {
  return std::ranges::any_of(all, [](const Running& r) { return r.pid != 0; });
}

// Waits for one of the signals until `until`; 0 when none came.
int WaitForSignal(const sigset_t& set, Instant until) {
  const auto left = std::max(
      Duration(0), std::chrono::ceil<milliseconds>(until - Clock::now()));
  const timespec timeout = {.tv_sec = left.count() / 1000,
                            .tv_nsec = (left.count() % 1000) * 1'000'000};
  return std::max(0, sigtimedwait(&set, nullptr, &timeout));
}

void StopAll(std::vector<Running>& all, const sigset_t& set) {
  SignalAll(all, SIGTERM);
  const Instant deadline = Clock::now() + kTimeToStop;
  while (AnyRuns(all) && Clock::now() < deadline) {
    WaitForSignal(set, std::min(deadline, Clock::now() + milliseconds(200)));
    Reap(all, /*stopping=*/true);
  }
  SignalAll(all, SIGKILL);
  for (Running& running : all) {
    if (running.pid != 0) waitpid(running.pid, nullptr, 0);
  }
}

}  // namespace

int Supervise(const std::vector<Child>& children) {
  const sigset_t set = WaitedFor();
  sigprocmask(SIG_BLOCK, &set, nullptr);

  std::vector<Running> all;
  for (const Child& child : children) all.push_back({.child = child});
  for (;;) {
    Instant next = Clock::now() + seconds(3600);
    for (Running& running : all) {
      if (running.pid != 0) continue;
      if (running.due <= Clock::now()) StartOne(running);
      if (running.pid == 0) next = std::min(next, running.due);
    }
    const int signal = WaitForSignal(set, next);
    if (signal == SIGTERM || signal == SIGINT) break;
    if (signal == SIGHUP) SignalAll(all, SIGHUP);
    Reap(all, /*stopping=*/false);
  }
  StopAll(all, set);
  return 0;
}

std::string SiblingProgram(const std::string& name) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path() / name).string();
}

}  // namespace breakwater
