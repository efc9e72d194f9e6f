#include "daemon/config/config_files.h"

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/list_file.h"

namespace breakwater {
namespace {

constexpr size_t kLargestFile = 32 << 20;

}  // namespace

absl::StatusOr<size_t> ReadListFile(
    const std::string& path,
    absl::FunctionRef<absl::Status(std::string_view)> take) {
  absl::StatusOr<ListFile> file = ListFile::Open(path, kLargestFile);
  if (!file.ok()) return file.status();
  for (size_t entries = 0;;) {
    const absl::StatusOr<std::optional<std::string_view>> line =
        file->NextLine();
    if (!line.ok()) return line.status();
    if (!*line) return entries;
    // Neither a network nor a name has one in it.
    const std::string_view entry =
        EntryOf((*line)->substr(0, (*line)->find('#')));
    if (entry.empty()) continue;
    ++entries;
    if (const absl::Status status = take(entry); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", file->number(), ": ", status.message()));
    }
  }
}

}  // namespace breakwater
