#include "daemon/toml/complaints.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace breakwater {

void Complaints::Add(const toml::source_region& where, std::string_view key,
                     std::string_view message) {
  std::string text =
      absl::StrCat(path_, ":", where.begin.line, ":", where.begin.column, ": ");
  if (!key.empty()) text.append(key).append(": ");
  text.append(message);
  lines_.push_back(
      {.line = where.begin.line, .column = where.begin.column, .text = text});
}

void Complaints::Add(const toml::source_region& where, std::string_view key,
                     const absl::Status& status) {
  const absl::string_view message = status.message();
  Add(where, key, std::string_view(message.data(), message.size()));
}

absl::Status Complaints::ToStatus() const {
  if (lines_.empty()) return absl::OkStatus();
  std::vector<Line> sorted = lines_;
  std::ranges::stable_sort(sorted, {}, [](const Line& line) {
    return std::pair(line.line, line.column);
  });
  return absl::InvalidArgumentError(absl::StrJoin(
      sorted, "\n",
      [](std::string* out, const Line& line) { out->append(line.text); }));
}

}  // namespace breakwater
