#include "tests/integration/harness/mta_root.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

// As in contrib/lib.sh.
std::string CachedRoot(const std::string& mta) {
  const char* cache = getenv("BREAKWATER_CACHE");
  return absl::StrCat(cache != nullptr ? cache : "/var/cache/breakwater",
                      "/roots/mta-", mta);
}

absl::Status Mount(const std::string& type, const std::string& where,
                   const std::string& options) {
  if (mount(type.c_str(), where.c_str(), type.c_str(), 0, options.c_str()) !=
      0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("mounting ", type, " at ", where));
  }
  return absl::OkStatus();
}

// The third field of the line that begins with the name.
absl::StatusOr<unsigned> FindId(const std::string& file,
                                const std::string& name) {
  std::string text = ReadFile(file);
  for (const auto& line : absl::StrSplit(text, '\n')) {
    std::vector<std::string> fields = absl::StrSplit(line, ':');
    unsigned id = 0;
    if (fields.size() > 2 && fields[0] == name &&
        absl::SimpleAtoi(fields[2], &id)) {
      return id;
    }
  }
  return absl::NotFoundError(absl::StrCat("no ", name, " in ", file));
}

}  // namespace

std::optional<std::string> MtaRoot::WhyNot(const std::string& mta) {
  if (geteuid() != 0) return "needs root, for namespaces and mounts";
  std::string root = CachedRoot(mta);
  // The stamp is written last: without it the directory is only begun.
  if (access(absl::StrCat(root, "/.breakwater").c_str(), F_OK) != 0) {
    return absl::StrCat(root, " is not there: contrib/test.sh makes it");
  }
  return std::nullopt;
}

absl::StatusOr<std::unique_ptr<MtaRoot>> MtaRoot::Make(const std::string& mta) {
  if (std::optional<std::string> why = WhyNot(mta)) {
    return absl::FailedPreconditionError(*why);
  }
  absl::StatusOr<TempDirectory> directory = TempDirectory::Make();
  if (!directory.ok()) return directory.status();
  std::string lower = CachedRoot(mta);
  int lock = open(absl::StrCat(lower, ".lock").c_str(), O_RDONLY | O_CLOEXEC);
  if (lock >= 0) flock(lock, LOCK_SH);

  std::unique_ptr<MtaRoot> root(new MtaRoot(*std::move(directory), lock));
  const std::string& base = root->directory_.path();
  absl::Status status = Mount("tmpfs", base, "mode=0755");
  if (!status.ok()) return status;
  for (const char* part : {"/root", "/upper", "/work"}) {
    mkdir((base + part).c_str(), 0755);
  }
  status = Mount("overlay", root->path_,
                 absl::StrCat("lowerdir=", lower, ",upperdir=", base,
                              "/upper,workdir=", base, "/work"));
  if (!status.ok()) return status;
  return root;
}

MtaRoot::~MtaRoot() {
  EndProcesses();
  if (lock_ >= 0) close(lock_);
}

std::vector<std::string> MtaRoot::Chroot(std::vector<std::string> argv) const {
  argv.insert(argv.begin(), {"chroot", path_});
  return argv;
}

std::vector<pid_t> MtaRoot::Processes() const {
  std::vector<pid_t> pids;
  struct stat ours, other;
  if (stat(path_.c_str(), &ours) != 0) return pids;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc", ignored)) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    // Device and inode together name one mounted file system's root, which a
    // path, seen from another namespace, would not. A daemon in a jail below
    // has another root, but the same device.
    if (stat((entry.path().string() + "/root/.").c_str(), &other) == 0 &&
        other.st_dev == ours.st_dev) {
      pids.push_back(pid);
    }
  }
  return pids;
}

void MtaRoot::EndProcesses() {
  auto gone = [this] { return Processes().empty(); };
  if (WaitUntil(gone, std::chrono::seconds(3))) return;
  for (pid_t pid : Processes()) kill(pid, SIGKILL);
  WaitUntil(gone, std::chrono::seconds(3));
}

absl::StatusOr<uid_t> MtaRoot::UserId(const std::string& name) const {
  return FindId(Path("/etc/passwd"), name);
}

absl::StatusOr<gid_t> MtaRoot::GroupId(const std::string& name) const {
  return FindId(Path("/etc/group"), name);
}

}  // namespace breakwater::testing
