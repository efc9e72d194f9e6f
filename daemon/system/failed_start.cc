#include "daemon/system/failed_start.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/clock.h"
#include "core/base/service_manager.h"

namespace breakwater {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr int64_t kLongestPause = 16;  // units; a start may take 60 s
constexpr std::chrono::minutes kForgotten(1);
constexpr milliseconds kStep(200);

using FileTime = std::optional<fs::file_time_type>;

FileTime ChangeOf(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  return error ? FileTime() : FileTime(time);
}

// The file's time is that of the last failure, its text the pause after it.
std::string CountFile(const FailedStart& failure) {
  return absl::StrCat(failure.directory, "/", failure.program, ".failing");
}

}  // namespace

milliseconds PauseFor(const FailedStart& failure) {
  const std::string count_file = CountFile(failure);
  const FileTime last = ChangeOf(count_file);
  const FileTime edited = ChangeOf(failure.config_file);
  int64_t pause = 0;
  if (last && fs::file_time_type::clock::now() - *last < kForgotten &&
      !(edited && *edited > *last)) {
    int64_t before = 0;
    std::ifstream(count_file) >> before;
    pause = std::clamp<int64_t>(2 * before, 1, kLongestPause);
  }
  std::ofstream(count_file) << pause << "\n";
  return pause * failure.unit;
}

void PauseAfterFailedStart(FailedStart failure) {
  if (!HasServiceManager()) return;
  // A line's end would end the status.
  TellServiceManager(
      absl::StrCat("STATUS=It cannot start: ",
                   absl::StrReplaceAll(failure.why, {{"\n", " | "}}),
                   " It will be tried again, at once if the configuration is "
                   "edited."));
  const char* const directory = getenv("RUNTIME_DIRECTORY");
  if (directory == nullptr) return;
  failure.directory = directory;
  const milliseconds pause = PauseFor(failure);
  const FileTime before = ChangeOf(failure.config_file);
  const Instant end = Clock::now() + pause;
  while (Clock::now() < end && ChangeOf(failure.config_file) == before) {
    std::this_thread::sleep_for(kStep);
  }
}

}  // namespace breakwater
