#include "daemon/toml/lenient_key.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/toml/config_values.h"

namespace breakwater {
namespace {

// What stands between quotes of one kind at the beginning, without escapes.
std::optional<std::string> Quoted(absl::string_view text) {
  if (text.empty() || (text[0] != '"' && text[0] != '\'')) return std::nullopt;
  const size_t end = text.find(text[0], 1);
  if (end == absl::string_view::npos) return std::nullopt;
  const absl::string_view inner = text.substr(1, end - 1);
  if (inner.find('\\') != absl::string_view::npos) return std::nullopt;
  return std::string(inner);
}

// "firewall" of "[ firewall ]", whatever of the brackets is missing.
std::string HeadingOf(absl::string_view line) {
  line = line.substr(0, line.find(']'));
  while (!line.empty() && line[0] == '[') line.remove_prefix(1);
  return std::string(absl::StripAsciiWhitespace(line));
}

}  // namespace

std::optional<std::string> TextOfKey(std::string_view config,
                                     std::string_view key) {
  std::string table;
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(config.data(), config.size()), '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty() && line[0] == '[') {
      const std::string name = HeadingOf(line);
      table = name.empty() ? "" : name + ".";
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) continue;
    const absl::string_view name =
        absl::StripAsciiWhitespace(line.substr(0, equals));
    if (absl::StrCat(table, name) != key) continue;
    return Quoted(absl::StripAsciiWhitespace(line.substr(equals + 1)));
  }
  return std::nullopt;
}

std::optional<std::string> SetPrefixIn(std::string_view config) {
  std::optional<std::string> prefix = TextOfKey(config, "firewall.set_prefix");
  if (!prefix || !CheckSetPrefix(*prefix).ok()) return std::nullopt;
  return prefix;
}

std::optional<std::string> ControlSocketIn(std::string_view config) {
  std::optional<std::string> path = TextOfKey(config, "control.socket");
  if (!path || !CheckSocketPath(*path).ok()) return std::nullopt;
  return path;
}

}  // namespace breakwater
