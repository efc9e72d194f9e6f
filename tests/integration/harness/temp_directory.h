#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_TEMP_DIRECTORY_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_TEMP_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater::testing {

// A directory that goes, with all that is in it, when its owner does. Its name
// holds the pid of its test and is short, since unix sockets live below it and
// their paths end at 107 characters. Others may read it: daemons that gave up
// root do.
class TempDirectory {
 public:
  static absl::StatusOr<TempDirectory> Make();

  TempDirectory(TempDirectory&& other) noexcept;
  TempDirectory& operator=(TempDirectory&& other) noexcept;
  ~TempDirectory();

  const std::string& path() const { return path_; }

 private:
  explicit TempDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty once moved from
};

// Unmounts and removes what tests left behind that died before they could.
void RemoveStaleDirectories();

// The content of a file, or nothing when it is not there.
std::string ReadFile(const std::string& path);

// In one step for a reader: written aside, then renamed.
absl::Status WriteFile(const std::string& path, const std::string& content);

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_TEMP_DIRECTORY_H_
