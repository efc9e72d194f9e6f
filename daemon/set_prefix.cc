#include "daemon/set_prefix.h"

#include <regex>

namespace breakwater {

std::optional<std::string> SetPrefixIn(std::string_view text) {
  // As the key is written below [firewall] or with it.
  static const std::regex line(
      "(^|\n)[ \t]*(firewall\\.)?set_prefix[ \t]*=[ \t]*"
      "[\"']([A-Za-z0-9_-]+)[\"']");
  std::match_results<std::string_view::const_iterator> match;
  if (!std::regex_search(text.begin(), text.end(), match, line)) {
    return std::nullopt;
  }
  return match[3].str();
}

}  // namespace breakwater
