#include "core/base/service_manager.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

struct Manager {
  sockaddr_un address{};
  socklen_t length = 0;  // 0: nobody
  bool has_watchdog = false;
};

Manager FindManager() {
  Manager manager;
  const char* const path = getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return manager;
  const size_t size = strlen(path);
  if (size >= sizeof manager.address.sun_path) return manager;
  manager.address.sun_family = AF_UNIX;
  memcpy(manager.address.sun_path, path, size);
  if (path[0] == '@') manager.address.sun_path[0] = '\0';  // an abstract one
  manager.length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  // It may be meant for the program that has started us.
  const char* const pid = getenv("WATCHDOG_PID");
  manager.has_watchdog = getenv("WATCHDOG_USEC") != nullptr &&
                         (pid == nullptr || absl::StrCat(getpid()) == pid);
  return manager;
}

const Manager& TheManager() {
  static const Manager manager = FindManager();
  return manager;
}

}  // namespace

bool HasServiceManager() { return TheManager().length > 0; }

void TellServiceManager(std::string_view state) {
  const Manager& manager = TheManager();
  if (manager.length == 0) return;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  // One that does not listen must not stop mail: nothing to be done.
  [[maybe_unused]] const ssize_t sent = sendto(
      fd, state.data(), state.size(), MSG_NOSIGNAL,
      reinterpret_cast<const sockaddr*>(&manager.address), manager.length);
  close(fd);
}

void FeedWatchdog() {
  if (TheManager().has_watchdog) TellServiceManager("WATCHDOG=1");
}

bool StderrIsJournal() {
  const char* const stream = getenv("JOURNAL_STREAM");
  struct stat file;
  return stream != nullptr && fstat(STDERR_FILENO, &file) == 0 &&
         absl::StrCat(file.st_dev, ":", file.st_ino) == stream;
}

}  // namespace breakwater
