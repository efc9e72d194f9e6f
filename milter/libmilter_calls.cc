#include "milter/libmilter_calls.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "core/log.h"
#include "core/log_limit.h"

namespace breakwater {
namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);

thread_local bool t_is_listener = false;

void PauseAfter(int error) {
  static LogLimit lines{1, std::chrono::seconds(10)};
  if (const auto held_back = lines.Admit()) {
    Log(Severity::kError, "accept-failed")
        .Add("front", "milter")
        .Add("error", std::strerror(error))
        .Add("held_back", *held_back);
  }
  std::this_thread::sleep_for(kAcceptPause);
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS ||
         error == ENOMEM;
}

}  // namespace

void TameLibmilter() { t_is_listener = true; }

}  // namespace breakwater

// Seen by the dynamic linker whatever the default of the build is.
extern "C" [[gnu::visibility("default")]] int accept(int fd, sockaddr* address,
                                                     socklen_t* length) {
  using Accept = int (*)(int, sockaddr*, socklen_t*);
  static const auto next = reinterpret_cast<Accept>(dlsym(RTLD_NEXT, "accept"));
  const int accepted = next(fd, address, length);
  if (accepted < 0 && breakwater::t_is_listener &&
      breakwater::IsShortage(errno)) {
    const int error = errno;
    breakwater::PauseAfter(error);
    errno = error;
  }
  return accepted;
}

// Nobody else calls it. The thread has these signals blocked, as all threads
// of libmilter's have.
extern "C" [[gnu::visibility("default")]] int sigwait(const sigset_t*, int*) {
  for (;;) pause();
}
