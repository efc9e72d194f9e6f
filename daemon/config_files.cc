#include "daemon/config_files.h"

#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace breakwater {

absl::Status ReadListFile(
    const std::string& path,
    absl::FunctionRef<absl::Status(absl::string_view)> take) {
  std::ifstream file(path);
  if (!file.is_open()) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  }
  size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    absl::string_view text = line;
    text = absl::StripAsciiWhitespace(text.substr(0, text.find('#')));
    if (text.empty()) continue;
    if (const absl::Status status = take(text); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace breakwater
