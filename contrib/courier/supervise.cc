#include "contrib/courier/supervise.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "contrib/courier/log.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause(100);
constexpr milliseconds kLongestPause(5000);
// A child that lived this long starts the pauses anew.
constexpr std::chrono::seconds kLongLife(60);

std::string EndOf(int status) {
  return WIFSIGNALED(status)
             ? "signal " + std::to_string(WTERMSIG(status))
             : "exit code " + std::to_string(WEXITSTATUS(status));
}

// Its exit status, in `status`. True if we were told to end.
bool WaitFor(pid_t child, int& status) {
  sigset_t awaited = EndSignals();
  sigaddset(&awaited, SIGCHLD);
  bool told_to_end = false;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (sigwaitinfo(&awaited, nullptr) == SIGCHLD) continue;
    told_to_end = true;
    kill(child, SIGTERM);
  }
  return told_to_end;
}

// True if we were told to end.
bool Pause(milliseconds length) {
  const timespec time = {.tv_sec = length.count() / 1000,
                         .tv_nsec = length.count() % 1000 * 1'000'000};
  return sigtimedwait(&EndSignals(), nullptr, &time) > 0;
}

}  // namespace

const sigset_t& EndSignals() {
  static const sigset_t signals = [] {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    return set;
  }();
  return signals;
}

void BlockEndSignals() { sigprocmask(SIG_BLOCK, &EndSignals(), nullptr); }

void Supervise(const std::function<int()>& serve) {
  // As the others, so that it can be waited for.
  sigset_t child_ended;
  sigemptyset(&child_ended);
  sigaddset(&child_ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_ended, nullptr);
  for (milliseconds pause = kFirstPause;;
       pause = std::min(pause * 2, kLongestPause)) {
    const auto started = std::chrono::steady_clock::now();
    const pid_t child = fork();
    if (child == 0) _exit(serve());
    int status = 1;
    if (child > 0) {
      if (WaitFor(child, status) || status == 0) return;
      Log("its process has ended with " + EndOf(status) + ", another begins");
    }
    if (std::chrono::steady_clock::now() - started > kLongLife) {
      pause = kFirstPause;
    }
    if (Pause(pause)) return;
  }
}

}  // namespace breakwater
