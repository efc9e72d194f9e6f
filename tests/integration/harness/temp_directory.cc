#include "tests/integration/harness/temp_directory.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace breakwater::testing {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "bw-test.";

// Where a mount hides under it, remove_all would go through it: unmount what
// is there first, the deepest last mounted one first.
void UnmountBelow(const std::string& directory) {
  std::vector<std::string> mounts;
  std::ifstream table("/proc/thread-self/mounts");
  std::string device, point, rest;
  while (table >> device >> point && std::getline(table, rest)) {
    if (point == directory || point.rfind(directory + "/", 0) == 0) {
      mounts.push_back(point);
    }
  }
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
    umount2(mount->c_str(), MNT_DETACH);
  }
}

void RemoveDirectory(const std::string& path) {
  UnmountBelow(path);
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

absl::StatusOr<TempDirectory> TempDirectory::Make() {
  static std::atomic<int> count = 0;
  std::string path = absl::StrCat("/tmp/", kPrefix, getpid(), ".", ++count);
  if (mkdir(path.c_str(), 0755) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  }
  chmod(path.c_str(), 0755);  // whatever the umask is
  return TempDirectory(std::move(path));
}

TempDirectory::TempDirectory(TempDirectory&& other) noexcept
    : path_(std::exchange(other.path_, "")) {}

TempDirectory& TempDirectory::operator=(TempDirectory&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

TempDirectory::~TempDirectory() {
  if (!path_.empty()) RemoveDirectory(path_);
}

void RemoveStaleDirectories() {
  std::error_code ignored;
  for (const fs::directory_entry& entry :
       fs::directory_iterator("/tmp", ignored)) {
    std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    std::vector<std::string> parts = absl::StrSplit(name, '.');
    int pid = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &pid)) continue;
    if (kill(pid, 0) == 0 || errno != ESRCH) continue;
    RemoveDirectory(entry.path().string());
  }
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  std::string aside = absl::StrCat(path, ".new");
  {
    std::ofstream file(aside, std::ios::binary | std::ios::trunc);
    file << content;
    file.flush();
    if (!file) {
      return absl::ErrnoToStatus(errno, absl::StrCat("writing ", aside));
    }
  }
  if (rename(aside.c_str(), path.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("renaming ", aside));
  }
  return absl::OkStatus();
}

}  // namespace breakwater::testing
