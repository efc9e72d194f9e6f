#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_BREAKWATER_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_BREAKWATER_H_

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/harness/network.h"
#include "tests/integration/harness/temp_directory.h"

namespace breakwater::testing {

// The project's own programs, as built, started by hand as root would: one
// breakwaterd, which starts the daemon and the enforcer below itself.
class Breakwater {
 public:
  // Where the programs are: $BREAKWATER_BIN, else the build's bin directory.
  static std::string ProgramPath(const std::string& name);

  // The directory exists before the programs start, for the sockets and the
  // state that the configuration names.
  static absl::StatusOr<std::unique_ptr<Breakwater>> Make(
      const Namespace& where);

  Breakwater(const Breakwater&) = delete;
  Breakwater& operator=(const Breakwater&) = delete;
  ~Breakwater();

  const std::string& directory() const { return directory_.path(); }
  std::string config_path() const { return directory() + "/breakwater.toml"; }

  absl::Status WriteConfig(const std::string& text);
  // `ready` is what the log says once the programs serve.
  absl::Status Start(
      const std::string& ready,
      std::chrono::milliseconds patience = std::chrono::seconds(10));
  // SIGTERM to the parent, which ends the other two. Says whether all went by
  // themselves.
  bool Stop();
  bool Running() { return process_ != nullptr && process_->Running(); }

  // The operator's command with the same configuration.
  CommandResult Command(std::vector<std::string> words) const;

  // The parent's and, below it, by the name that the kernel shows (15
  // characters at most: breakwater-enfo); 0 when there is none.
  pid_t pid() const { return process_ == nullptr ? 0 : process_->pid(); }
  pid_t ChildPid(const std::string& name) const;

  std::string Log() const;
  bool WaitForLog(const std::string& text, std::chrono::milliseconds patience =
                                               std::chrono::seconds(10)) const;

 private:
  Breakwater(const Namespace& where, TempDirectory directory)
      : where_(where), directory_(std::move(directory)) {}
  std::string LogPath() const { return directory() + "/log"; }

  const Namespace& where_;
  TempDirectory directory_;
  std::unique_ptr<Process> process_;
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_BREAKWATER_H_
