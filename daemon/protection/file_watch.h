#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace breakwater {

// Tells whether one of some files has become another since it was last asked:
// changed, replaced, made or removed. One thread.
class FileWatch {
 public:
  // From now on these. What they are now is no change; if they are those of
  // before, what they have become since they were looked at last is one.
  void Watch(std::vector<std::string> paths);
  bool Changed();

 private:
  struct Look {
    uint64_t device = 0;
    uint64_t inode = 0;  // 0: it cannot be seen
    int64_t size = 0;
    int64_t changed_ns = 0;

    bool operator==(const Look&) const = default;
  };
  static Look LookAt(const std::string& path);

  std::vector<std::string> paths_;
  std::vector<Look> looks_;
};

}  // namespace breakwater
