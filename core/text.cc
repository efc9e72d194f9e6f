#include "core/text.h"

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

}  // namespace breakwater
