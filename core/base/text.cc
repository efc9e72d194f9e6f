#include "core/base/text.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace breakwater {
namespace {

bool IsPrintable(char c) { return c >= ' ' && c <= '~'; }

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

std::string Escaped(std::string_view text, size_t longest) {
  std::string result;
  for (const char c : text.substr(0, longest)) {
    if (c == '"' || c == '\\') {
      result.push_back('\\');
      result.push_back(c);
    } else if (IsPrintable(c)) {
      result.push_back(c);
    } else {
      absl::StrAppendFormat(&result, "\\x%02x", static_cast<unsigned char>(c));
    }
  }
  if (text.size() > longest) result += "...";
  return result;
}

std::string Counted(uint64_t count, std::string_view one,
                    std::string_view many) {
  return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string SafeReplyText(std::string_view text, size_t longest) {
  std::string result;
  for (const char c : text) {
    if (result.size() == longest) break;
    if (IsSpace(c)) {
      if (!result.empty() && result.back() != ' ') result.push_back(' ');
    } else {
      result.push_back(IsPrintable(c) ? c : '?');
    }
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

std::string Printable(std::string_view text) {
  std::string result;
  while (true) {
    const size_t end = text.find('\n');
    result += SafeReplyText(text.substr(0, end), std::string::npos);
    if (end == std::string_view::npos) return result;
    result += '\n';
    text.remove_prefix(end + 1);
  }
}

namespace {

// Shorter ones are words that a text may well hold.
constexpr size_t kShortestSecret = 4;
// Where the label does not tell what is secret.
constexpr size_t kShortestKey = 16;

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool EqualsIgnoringCase(char a, char b) { return Lower(a) == Lower(b); }

std::string ReplaceIgnoringCase(std::string_view text, std::string_view what,
                                std::string_view by) {
  std::string result;
  while (true) {
    const auto found = std::search(text.begin(), text.end(), what.begin(),
                                   what.end(), EqualsIgnoringCase);
    result.append(text.begin(), found);
    if (found == text.end() || what.empty()) return result;
    result += by;
    text.remove_prefix(static_cast<size_t>(found - text.begin()) + what.size());
  }
}

}  // namespace

std::string WithoutZoneName(std::string_view words, std::string_view name,
                            std::string_view label) {
  // What stands before the label, or else whatever is long.
  const bool ends_in_label = name.ends_with(label);
  std::string result = ends_in_label && name != label
                           ? ReplaceIgnoringCase(words, name, label)
                           : std::string(words);
  const size_t shortest = ends_in_label ? kShortestSecret : kShortestKey;
  std::string_view rest =
      ends_in_label ? name.substr(0, name.size() - label.size()) : name;
  while (!rest.empty()) {
    const size_t dot = rest.find('.');
    const std::string_view part = rest.substr(0, dot);
    if (part.size() >= shortest) {
      result = ReplaceIgnoringCase(result, part, "***");
    }
    rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot + 1);
  }
  return result;
}

}  // namespace breakwater
