#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/clock.h"

namespace breakwater {

struct ProgramResult {
  int exit_code = 0;  // 128 and the signal's number if one ended it
  std::string out;
  std::string err;

  // An error that says what was being done and what the program said to it.
  absl::Status ToStatus(const std::string& doing) const;
};

// Where such a program is, as RunProgram looks for it; a path is itself. Empty
// if it is nowhere.
std::string ProgramPath(const std::string& program);

// Runs one of the system's programs (nft, iptables-save) to its end, with
// `input` to read. No shell: the words are its arguments; it is looked for
// where such programs are, whatever PATH says. NotFound if it is not there,
// DeadlineExceeded if it was still running and had to be killed.
absl::StatusOr<ProgramResult> RunProgram(
    const std::vector<std::string>& words, const std::string& input = "",
    Duration patience = std::chrono::seconds(30));

}  // namespace breakwater
