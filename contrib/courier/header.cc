#include "contrib/courier/header.h"

#include <algorithm>

namespace breakwater {
namespace {

// ftext of RFC 5322 section 2.2, up to the colon. Some software leaves space
// before that (section 4.5.3).
bool IsField(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == line.npos || colon == 0) return false;
  const std::string_view name =
      line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c <= '~';
  });
}

}  // namespace

std::vector<std::string> HeaderFields(std::string_view message) {
  std::vector<std::string> fields;
  while (!message.empty()) {
    std::string_view line = message.substr(0, message.find('\n'));
    message.remove_prefix(std::min(line.size() + 1, message.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with(' ') || line.starts_with('\t')) {
      if (fields.empty()) break;
      fields.back() += line;
    } else if (IsField(line)) {
      fields.emplace_back(line);
    } else {
      break;
    }
  }
  return fields;
}

}  // namespace breakwater
