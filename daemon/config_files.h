#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace breakwater {

// Calls `take` for each line of a list that the configuration names, without
// comments ("#" and what follows) and blanks around; not for empty ones. The
// error says in which file and line; the first ends the reading.
absl::Status ReadListFile(
    const std::string& path,
    absl::FunctionRef<absl::Status(absl::string_view)> take);

}  // namespace breakwater
