#include "daemon/protection/nameservers.h"

#include <optional>

#include "absl/strings/str_split.h"
#include "core/base/list_file.h"

namespace breakwater {
namespace {

constexpr size_t kMost = 10;
constexpr size_t kLargestFile = 1 << 16;

}  // namespace

std::vector<IpAddress> ParseNameservers(std::string_view text) {
  std::vector<IpAddress> servers;
  const absl::string_view all(text.data(), text.size());
  for (const absl::string_view line : absl::StrSplit(all, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.size() < 2 || words[0] != "nameserver") continue;
    const auto address =
        IpAddress::Parse(std::string_view(words[1].data(), words[1].size()));
    if (address && servers.size() < kMost) servers.push_back(*address);
  }
  return servers;
}

std::vector<IpAddress> ReadNameservers(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path, kLargestFile);
  if (!text.ok()) return {};
  return ParseNameservers(*text);
}

}  // namespace breakwater
