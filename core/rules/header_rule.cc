#include "core/rules/header_rule.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace breakwater {
namespace {

constexpr size_t kLongestWanted = 200;  // a rule's name or value
constexpr int kMostScore = 10'000;
constexpr size_t kShortestSecret = 8;
constexpr size_t kLongestSecret = 64;

constexpr struct {
  absl::string_view sign;
  HeaderRule::Test test;
} kTests[] = {
    {"=", HeaderRule::Test::kEquals},
    {">=", HeaderRule::Test::kAtLeast},
    {"^=", HeaderRule::Test::kBegins},
    {"~=", HeaderRule::Test::kContains},
};

// Without the text: it may hold a secret.
absl::Status Refusal(absl::string_view name, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "the rule ", name.empty() ? "" : absl::StrCat("for ", name, " "), why));
}

bool IsSecret(absl::string_view text) {
  return text.size() >= kShortestSecret && text.size() <= kLongestSecret &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_';
         });
}

// RFC 5322 section 2.2 allows more; no filter does.
bool IsNameCharacter(unsigned char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
}

absl::string_view SignOf(HeaderRule::Test test) {
  for (const auto& [sign, candidate] : kTests) {
    if (candidate == test) return sign;
  }
  return "?";
}

// Takes a word or a text in quotes off the front. Nothing if a quote has no
// end.
std::optional<std::string> TakeValue(absl::string_view& text) {
  if (!absl::ConsumePrefix(&text, "\"")) {
    const auto end =
        std::find_if(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isspace(c); });
    const std::string word(text.begin(), end);
    text.remove_prefix(word.size());
    return word;
  }
  std::string value;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    value.push_back(text[i]);
  }
  return std::nullopt;
}

// What stands behind the test, and what it may.
absl::Status SetValue(HeaderRule& rule, std::string value) {
  absl::RemoveExtraAsciiWhitespace(&value);
  if (value.empty()) {
    return Refusal(rule.name,
                   "has no value; write it behind the test, as in "
                   "\"X-Spam-Flag = YES\"");
  }
  if (value.size() > kLongestWanted ||
      std::any_of(value.begin(), value.end(), absl::ascii_iscntrl)) {
    return Refusal(rule.name,
                   absl::StrCat("has a value that is too long or holds control "
                                "characters; write at most ",
                                kLongestWanted, " bytes of one line"));
  }
  if (rule.test != HeaderRule::Test::kAtLeast) {
    rule.value = std::move(value);
    return absl::OkStatus();
  }
  // No exponent, no infinity.
  if (value.find_first_not_of("+-.0123456789") != std::string::npos ||
      !absl::SimpleAtod(value, &rule.threshold) ||
      std::abs(rule.threshold) > kMostScore) {
    return Refusal(rule.name,
                   absl::StrCat("has no number behind \">=\"; write one from -",
                                kMostScore, " to ", kMostScore,
                                ", as in \"X-Spam-Score >= 15\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<HeaderRule> ParseHeaderRule(absl::string_view text,
                                           OffenceKind offence) {
  HeaderRule rule{.offence = offence};
  text = absl::StripAsciiWhitespace(text);
  const auto name_end =
      std::find_if_not(text.begin(), text.end(), IsNameCharacter);
  rule.name = std::string(text.begin(), name_end);
  if (rule.name.empty() || rule.name.size() > kLongestWanted) {
    return Refusal("",
                   "names no header field; write it first, as in "
                   "\"X-Spam-Flag = YES\"");
  }
  text.remove_prefix(rule.name.size());
  text = absl::StripLeadingAsciiWhitespace(text);
  const auto* const test = std::find_if(
      std::begin(kTests), std::end(kTests),
      [&](const auto& t) { return absl::ConsumePrefix(&text, t.sign); });
  if (test == std::end(kTests)) {
    return Refusal(rule.name,
                   "has no test behind the name; write = for the whole value, "
                   ">= for a score, ^= for how the value begins or ~= for what "
                   "it contains");
  }
  rule.test = test->test;
  text = absl::StripLeadingAsciiWhitespace(text);
  std::optional<std::string> value = TakeValue(text);
  if (!value) {
    return Refusal(rule.name,
                   "has a quote without its end; write a quote "
                   "within quotes as \\\"");
  }
  if (const absl::Status set = SetValue(rule, *std::move(value)); !set.ok()) {
    return set;
  }
  const absl::string_view rest = absl::StripLeadingAsciiWhitespace(text);
  if (rest.empty()) return rule;
  absl::string_view secret = rest;
  if (rest.size() == text.size() || !absl::ConsumePrefix(&secret, "with") ||
      secret.empty() || !absl::ascii_isspace(secret[0])) {
    return Refusal(rule.name,
                   "goes on behind its value; write several words in quotes, "
                   "and a secret as in \"X-Spam-Flag = YES with SECRET\"");
  }
  secret = absl::StripLeadingAsciiWhitespace(secret);
  if (!IsSecret(secret)) {
    return Refusal(rule.name,
                   absl::StrCat("has a secret that cannot be one; write ",
                                kShortestSecret, " to ", kLongestSecret,
                                " letters, digits, \"-\" and \"_\""));
  }
  rule.secret = std::string(secret);
  return rule;
}

std::string FormatHeaderRule(const HeaderRule& rule) {
  std::string value;
  if (rule.test == HeaderRule::Test::kAtLeast) {
    char digits[400];  // the largest double has 309 of them
    const auto end = std::to_chars(digits, std::end(digits), rule.threshold,
                                   std::chars_format::fixed);
    value.assign(digits, end.ptr);
  } else {
    value = absl::StrCat(
        "\"", absl::StrReplaceAll(rule.value, {{"\\", "\\\\"}, {"\"", "\\\""}}),
        "\"");
  }
  return absl::StrCat(rule.name, " ", SignOf(rule.test), " ", value,
                      rule.secret.empty() ? "" : " with ***");
}

}  // namespace breakwater
