#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater {

// Calls `take` for each entry of a list of networks or names (list_file.h) that
// the configuration names, without comments ("#" and what follows) and blanks
// around; not for empty lines. How many there were; the error says in which
// file and line, and the first ends the reading.
absl::StatusOr<size_t> ReadListFile(
    const std::string& path,
    absl::FunctionRef<absl::Status(std::string_view)> take);

}  // namespace breakwater
