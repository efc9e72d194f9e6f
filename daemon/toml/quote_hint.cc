#include "daemon/toml/quote_hint.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/text.h"

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

// A zone's name may hold the key to a list that is paid for, a header's rule
// the word that only the filter knows.
bool MayBeSecret(absl::string_view key) {
  key = absl::StripSuffix(absl::StripSuffix(key, "\""), "'");
  return absl::EndsWithIgnoreCase(key, "name") ||
         absl::EndsWithIgnoreCase(key, "zones") ||
         absl::EndsWithIgnoreCase(key, "headers");
}

// A list in one line whose texts have no quotes, with them; numbers need none.
// Empty if it is no such list.
std::string QuotedList(absl::string_view value, bool secret) {
  if (!absl::ConsumePrefix(&value, "[") || !absl::ConsumeSuffix(&value, "]") ||
      value.find_first_of("\"'[]{}") != absl::string_view::npos) {
    return "";
  }
  if (secret) return "[\"...\"]";
  std::string list;
  for (absl::string_view item : absl::StrSplit(value, ',')) {
    item = absl::StripAsciiWhitespace(item);
    if (item.empty()) continue;
    const bool number = absl::c_all_of(item, absl::ascii_isdigit);
    const std::string shown = Escaped({item.data(), item.size()}, 80);
    absl::StrAppend(&list, list.empty() ? "" : ", ",
                    number ? shown : absl::StrCat("\"", shown, "\""));
  }
  return absl::StrCat("[", list, "]");
}

// What may stand in a heading; of all else the reader has said what is wrong.
bool IsTableName(absl::string_view name) {
  return !name.empty() && name.front() != '.' && name.back() != '.' &&
         absl::c_all_of(name, [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
         });
}

// "[zone]" where there are some with double brackets, and keys of one table in
// two places.
std::string HeadingHint(absl::string_view config, absl::string_view line) {
  absl::string_view name = absl::StripAsciiWhitespace(line);
  if (!absl::ConsumePrefix(&name, "[") || !absl::ConsumeSuffix(&name, "]")) {
    return "";
  }
  name = absl::StripAsciiWhitespace(name);
  if (!IsTableName(name)) return "";
  const std::string shown = Escaped({name.data(), name.size()}, 60);
  const std::string list = absl::StrCat("[[", name, "]]");
  if (config.find(list) != absl::string_view::npos) {
    return absl::StrCat("; write [[", shown, "]] with double brackets");
  }
  return absl::StrCat("; its keys must stand in one place: all below one [",
                      shown, "], or each with its table before it, as in ",
                      shown, ".KEY = VALUE, above the first heading");
}

}  // namespace

std::string QuoteHint(std::string_view config, uint32_t line) {
  const absl::string_view all(config.data(), config.size());
  const absl::string_view whole = LineOf(all, line);
  const absl::string_view text = whole.substr(0, whole.find('#'));
  if (std::string hint = HeadingHint(all, text); !hint.empty()) return hint;
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  const absl::string_view key = absl::StripAsciiWhitespace(sides.first);
  const absl::string_view value = absl::StripAsciiWhitespace(sides.second);
  if (key.empty()) return "";
  if (absl::c_count(whole, '"') == 1) {
    return "; a text needs a quote at its end, too, in the same line";
  }
  const bool secret = MayBeSecret(key);
  if (const std::string list = QuotedList(value, secret); !list.empty()) {
    return absl::StrCat("; texts in a list need quotes: write ",
                        Escaped({key.data(), key.size()}, 60), " = ", list);
  }
  if (!IsBare(value)) return "";
  const std::string shown =
      secret ? "..." : Escaped({value.data(), value.size()}, 80);
  std::string small = absl::AsciiStrToLower(value);
  if (small == "yes") small = "true";
  if (small == "no") small = "false";
  const bool flag = small == "true" || small == "false";
  return absl::StrCat(flag ? "; write " : "; a text needs quotes: write ",
                      Escaped({key.data(), key.size()}, 60), " = ",
                      flag ? small : absl::StrCat("\"", shown, "\""));
}

}  // namespace breakwater
