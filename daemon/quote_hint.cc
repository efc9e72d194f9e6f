#include "daemon/quote_hint.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/text.h"

namespace breakwater {
namespace {

absl::string_view LineOf(absl::string_view config, uint32_t number) {
  for (const absl::string_view line : absl::StrSplit(config, '\n')) {
    if (--number == 0) return line;
  }
  return "";
}

// A word, an address, a path, or a socket's name.
bool IsBare(absl::string_view value) {
  return !value.empty() &&
         (absl::ascii_isalnum(value[0]) || value[0] == '/' ||
          value[0] == ':') &&
         value.find_first_of("\"'") == absl::string_view::npos;
}

// A zone's name may hold the key to a list that is paid for.
bool MayHoldKey(absl::string_view key) {
  return absl::EndsWith(key, "name") || absl::EndsWith(key, "zones");
}

}  // namespace

std::string QuoteHint(std::string_view config, uint32_t line) {
  const absl::string_view text =
      LineOf(absl::string_view(config.data(), config.size()), line);
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(text.substr(0, text.find('#')), absl::MaxSplits('=', 1));
  const absl::string_view key = absl::StripAsciiWhitespace(sides.first);
  const absl::string_view value = absl::StripAsciiWhitespace(sides.second);
  if (key.empty() || !IsBare(value)) return "";
  const std::string shown =
      MayHoldKey(key) ? "..." : Escaped({value.data(), value.size()}, 80);
  const std::string small = absl::AsciiStrToLower(value);
  const bool flag = small == "true" || small == "false";
  return absl::StrCat(flag ? "; write " : "; a text needs quotes: write ",
                      Escaped({key.data(), key.size()}, 60), " = ",
                      flag ? small : absl::StrCat("\"", shown, "\""));
}

}  // namespace breakwater
