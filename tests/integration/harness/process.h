#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_PROCESS_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater::testing {

// What a command did. exit_code is 128 + the signal when one ended it, as in a
// shell, and -1 when it could not be started or took too long.
struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;

  bool ok() const { return exit_code == 0; }
  // OK, or what went wrong, with what the command said about it.
  absl::Status ToStatus(const std::string& doing) const;
};

// Runs a command to its end. No shell: argv[0] is looked up in PATH, the rest
// are its arguments. It sees the network namespace of the calling thread, see
// InNamespace.
CommandResult Run(const std::vector<std::string>& argv,
                  std::chrono::milliseconds patience = std::chrono::seconds(30),
                  const std::string& input = "");

// A program that runs beside the test. Its output goes to a log file. It is
// stopped by its pid at the latest by the destructor; whatever it started is
// its own to stop.
class Process {
 public:
  // Like Run, in the calling thread's namespace. The log is appended to.
  static absl::StatusOr<std::unique_ptr<Process>> Start(
      const std::vector<std::string>& argv, std::string log_path);

  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  bool Running();
  // Set once it has ended; as in CommandResult.
  std::optional<int> exit_code() const { return exit_code_; }

  // SIGTERM, then `patience`, then SIGKILL. Says whether it went by itself.
  bool Stop(std::chrono::milliseconds patience = std::chrono::seconds(5));
  void Signal(int signal);
  bool WaitForExit(std::chrono::milliseconds patience);

  std::string Log() const;
  // Ends early, with false, when the program does.
  bool WaitForLog(const std::string& text, std::chrono::milliseconds patience =
                                               std::chrono::seconds(10));

 private:
  Process(pid_t pid, std::string log_path)
      : pid_(pid), log_path_(std::move(log_path)) {}

  pid_t pid_;
  std::string log_path_;
  std::optional<int> exit_code_;
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_PROCESS_H_
