#include "daemon/protection/file_watch.h"

#include <sys/stat.h>

#include <utility>

namespace breakwater {

FileWatch::Look FileWatch::LookAt(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) != 0) return {};
  return {.device = about.st_dev,
          .inode = about.st_ino,
          .size = about.st_size,
          .changed_ns =
              about.st_ctim.tv_sec * 1'000'000'000 + about.st_ctim.tv_nsec};
}

void FileWatch::Watch(std::vector<std::string> paths) {
  if (paths == paths_) return;
  paths_ = std::move(paths);
  looks_.clear();
  for (const std::string& path : paths_) looks_.push_back(LookAt(path));
}

bool FileWatch::Changed() {
  bool changed = false;
  for (size_t i = 0; i < paths_.size(); ++i) {
    const Look look = LookAt(paths_[i]);
    if (look == looks_[i]) continue;
    looks_[i] = look;
    changed = true;
  }
  return changed;
}

}  // namespace breakwater
