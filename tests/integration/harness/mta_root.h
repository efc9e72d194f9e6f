#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_MTA_ROOT_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_MTA_ROOT_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/integration/harness/temp_directory.h"

namespace breakwater::testing {

// A private copy of a root directory that make_mta_root in contrib/lib.sh
// keeps, for programs to be started in by chroot: Debian with "postfix" (and
// rbldnsd and dnsdist), "sendmail", "courier" or "exim". It is an overlay, so
// that making it takes no time and what is written to it is lost; and it is in
// memory, so that a mail queue's fsync costs nothing and an overlay as the
// machine's own root does no harm.
class MtaRoot {
 public:
  // Why there can be none on this machine, or nothing when there can.
  static std::optional<std::string> WhyNot(const std::string& mta);

  static absl::StatusOr<std::unique_ptr<MtaRoot>> Make(const std::string& mta);

  MtaRoot(const MtaRoot&) = delete;
  MtaRoot& operator=(const MtaRoot&) = delete;
  // Whatever still runs in it is killed: only what was started in it can be.
  ~MtaRoot();

  // The outside name of a path in it.
  std::string Path(const std::string& inside) const { return path_ + inside; }
  // The command line that runs `argv` in it.
  std::vector<std::string> Chroot(std::vector<std::string> argv) const;

  // The processes whose root directory this is.
  std::vector<pid_t> Processes() const;
  // Waits until there are none, and kills what does not go.
  void EndProcesses();

  // Ids as its own /etc/passwd and /etc/group have them.
  absl::StatusOr<uid_t> UserId(const std::string& name) const;
  absl::StatusOr<gid_t> GroupId(const std::string& name) const;

 private:
  MtaRoot(TempDirectory directory, int lock)
      : directory_(std::move(directory)),
        lock_(lock),
        path_(directory_.path() + "/root") {}

  TempDirectory directory_;
  int lock_;  // shared, against being made anew under us
  std::string path_;
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_MTA_ROOT_H_
