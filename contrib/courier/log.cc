#include "contrib/courier/log.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

namespace breakwater {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kPause(10);
constexpr size_t kLongestLine = 400;

}  // namespace

void Log(std::string_view line) {
  std::string text = "breakwater: ";
  for (const char c : line.substr(0, kLongestLine)) {
    text.push_back(c < ' ' || c > '~' ? '?' : c);
  }
  text.push_back('\n');
  pollfd log{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&log, 1, 0) <= 0) return;
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

void LogNowAndThen(std::string_view line) {
  static std::mutex mutex;
  static std::optional<SteadyClock::time_point> last;  // by mutex
  static size_t held_back = 0;                         // by mutex
  std::string text(line);
  {
    const std::lock_guard lock(mutex);
    const auto now = SteadyClock::now();
    if (last && now - *last < kPause) {
      ++held_back;
      return;
    }
    last = now;
    if (held_back > 0) text += ", " + std::to_string(held_back) + " others too";
    held_back = 0;
  }
  Log(text);
}

}  // namespace breakwater
