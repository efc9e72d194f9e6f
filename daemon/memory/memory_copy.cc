#include "daemon/memory/memory_copy.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

namespace fs = std::filesystem;

// Gone with all that is in it.
class PrivateDirectory {
 public:
  explicit PrivateDirectory(const std::string& parent)
      : path_(parent + "/breakwater-memory-XXXXXX") {
    made_ = mkdtemp(path_.data()) != nullptr;
  }
  ~PrivateDirectory() {
    std::error_code ignored;
    if (made_) fs::remove_all(path_, ignored);
  }
  PrivateDirectory(const PrivateDirectory&) = delete;
  PrivateDirectory& operator=(const PrivateDirectory&) = delete;

  bool made() const { return made_; }
  std::string File(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
  bool made_ = false;
};

absl::Status LoadInto(absl::StatusOr<std::unique_ptr<MemoryStore>> store,
                      const ClockReading& now, Remembered& known) {
  return store.ok() ? (*store)->Load(now, known) : store.status();
}

absl::Status Copy(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, error);
  if (!error) fs::permissions(to, fs::perms(0600), error);
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("cannot copy ", from, " to ", to, ": ", error.message()));
}

absl::Status LoadCopy(const std::string& path, const std::string& parent,
                      const ClockReading& now, Remembered& known) {
  const PrivateDirectory directory(parent);
  if (!directory.made()) {
    return absl::UnavailableError(absl::StrCat("cannot write to ", parent));
  }
  const std::string copy = directory.File("memory.db");
  std::error_code ignored;
  absl::Status status = Copy(path, copy);
  if (status.ok() && fs::exists(path + "-wal", ignored)) {
    status = Copy(path + "-wal", copy + "-wal");
  }
  return status.ok() ? LoadInto(MemoryStore::Open(copy), now, known) : status;
}

}  // namespace

absl::Status LoadWithoutWriting(const std::string& path,
                                const ClockReading& now, Remembered& known) {
  std::error_code error;
  // At a FIFO the reading would wait for ever.
  if (!fs::is_regular_file(path, error)) {
    return absl::UnavailableError(absl::StrCat(path, " is no regular file"));
  }
  // Without such a file there is an error, too.
  const bool is_whole = fs::file_size(path + "-wal", error) == 0 || error;
  if (is_whole) {
    const absl::Status status =
        LoadInto(MemoryStore::OpenToRead(path), now, known);
    if (status.ok()) return status;
    known = {};
  }
  absl::Status status;
  for (const std::string& parent :
       {fs::temp_directory_path(error).string(), std::string("/dev/shm")}) {
    status = LoadCopy(path, parent, now, known);
    if (status.ok()) return status;
    known = {};
  }
  return status;
}

}  // namespace breakwater
