#include "core/judge/header_verdict.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

// What of a value is looked at.
constexpr size_t kLongestValue = 8192;
constexpr size_t kLongestDetail = 100;
constexpr size_t kLongestNumber = 20;

// One line, single spaces: as it was before it was folded.
std::string Unfolded(absl::string_view value) {
  std::string text;
  for (const char c :
       absl::StripAsciiWhitespace(value).substr(0, kLongestValue)) {
    const bool space = absl::ascii_isspace(static_cast<unsigned char>(c));
    if (space && !text.empty() && text.back() == ' ') continue;
    text.push_back(space ? ' ' : c);
  }
  return text;
}

// Where the secret stands as a word: not within a longer one, which could be
// many guesses in a row.
size_t FindWord(absl::string_view text, absl::string_view word) {
  const auto is_part = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c >= 0x80;
  };
  for (size_t at = text.find(word); at != absl::string_view::npos;
       at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !is_part(text[at - 1])) &&
        (end == text.size() || !is_part(text[end]))) {
      return at;
    }
  }
  return absl::string_view::npos;
}

// The value as the test sees it and people may: without the secret. Nothing if
// it is not believed.
std::optional<std::string> Believed(const HeaderRule& rule,
                                    absl::string_view value) {
  std::string text = Unfolded(value);
  if (rule.secret.empty()) return text;
  size_t at = FindWord(text, rule.secret);
  if (at == std::string::npos) return std::nullopt;
  for (; at != std::string::npos; at = FindWord(text, rule.secret)) {
    text.erase(at, rule.secret.size());
  }
  text = Unfolded(text);
  while (!text.empty() && absl::string_view(" ,;").find(text.back()) !=
                              absl::string_view::npos) {
    text.pop_back();
  }
  return text;
}

// Takes a number off the front: digits, a point, a sign; no exponent, no
// infinity. What belongs to a longer word, or an address, is none.
std::optional<double> TakeNumber(absl::string_view& text) {
  size_t end = absl::StartsWith(text, "-") || absl::StartsWith(text, "+");
  const size_t begin = absl::StartsWith(text, "+");
  bool point = false;
  for (; end < text.size(); ++end) {
    if (text[end] == '.' && std::exchange(point, true)) return std::nullopt;
    if (text[end] != '.' && !absl::ascii_isdigit(text[end])) break;
  }
  double number = 0;
  if (end - begin > kLongestNumber ||
      (end < text.size() && absl::ascii_isalpha(text[end])) ||
      !absl::SimpleAtod(text.substr(begin, end - begin), &number)) {
    return std::nullopt;
  }
  text.remove_prefix(end);
  return number;
}

// "[18.20 / 15.00]", rspamd's.
std::optional<double> BracketedScore(absl::string_view value) {
  const size_t bracket = value.find('[');
  if (bracket == absl::string_view::npos) return std::nullopt;
  value.remove_prefix(bracket + 1);
  const std::optional<double> score = TakeNumber(value);
  value = absl::StripLeadingAsciiWhitespace(value);
  if (!absl::StartsWith(value, "/")) return std::nullopt;
  return score;
}

// "score=18.2", SpamAssassin's, or "hits=18.2", its old versions'.
std::optional<double> NamedScore(absl::string_view value) {
  for (const absl::string_view name : {"score=", "hits="}) {
    const size_t at = value.find(name);
    if (at == absl::string_view::npos ||
        (at > 0 && absl::ascii_isalnum(value[at - 1]))) {
      continue;
    }
    value.remove_prefix(at + name.size());
    return TakeNumber(value);
  }
  return std::nullopt;
}

// "****", SpamAssassin's X-Spam-Level, or rspamd's X-Spamd-Bar.
std::optional<double> CountedScore(absl::string_view value) {
  if (value == "/") return 0;
  if (value.empty() ||
      absl::string_view("*+x-").find(value[0]) == absl::string_view::npos ||
      value.find_first_not_of(value[0]) != absl::string_view::npos) {
    return std::nullopt;
  }
  const auto count = static_cast<double>(value.size());
  return value[0] == '-' ? -count : count;
}

bool Meets(const HeaderRule& rule, absl::string_view text) {
  switch (rule.test) {
    case HeaderRule::Test::kEquals:
      return absl::EqualsIgnoreCase(text, rule.value);
    case HeaderRule::Test::kAtLeast: {
      const std::optional<double> score = ScoreIn(text);
      return score && *score >= rule.threshold;
    }
    case HeaderRule::Test::kBegins:
      return absl::StartsWithIgnoreCase(text, rule.value);
    case HeaderRule::Test::kContains:
      return absl::StrContains(absl::AsciiStrToLower(text),
                               absl::AsciiStrToLower(rule.value));
  }
  return false;
}

// Nothing unless it is met. `text` is what is believed of the value.
std::optional<Offence> Judge(const HeaderRule& rule, absl::string_view text) {
  if (!Meets(rule, text)) return std::nullopt;
  return Offence{
      .kind = rule.offence,
      .detail = absl::StrCat(rule.name, ": ", text.substr(0, kLongestDetail))};
}

}  // namespace

std::optional<double> ScoreIn(absl::string_view value) {
  const std::string text = Unfolded(value);
  if (const auto score = BracketedScore(text)) return score;
  if (const auto score = NamedScore(text)) return score;
  absl::string_view rest = text;
  if (const auto score = TakeNumber(rest)) return score;
  return CountedScore(text);
}

std::optional<Offence> Reads(absl::Span<const HeaderRule> rules,
                             absl::string_view name, absl::string_view value) {
  for (const HeaderRule& rule : rules) {
    if (!absl::EqualsIgnoreCase(name, rule.name)) continue;
    const std::optional<std::string> text = Believed(rule, value);
    if (!text) continue;
    if (std::optional<Offence> offence = Judge(rule, *text)) return offence;
  }
  return std::nullopt;
}

HeaderVerdict::HeaderVerdict(absl::Span<const HeaderRule> rules)
    : rules_(rules), findings_(rules.size()) {}

void HeaderVerdict::Add(absl::string_view name, absl::string_view value) {
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (!absl::EqualsIgnoreCase(name, rules_[i].name)) continue;
    const std::optional<std::string> text = Believed(rules_[i], value);
    if (!text) continue;
    Finding& finding = findings_[i];
    ++finding.believed;
    finding.offence =
        finding.believed == 1 ? Judge(rules_[i], *text) : std::nullopt;
  }
}

std::optional<Offence> HeaderVerdict::Result() const {
  for (const Finding& finding : findings_) {
    if (finding.offence) return finding.offence;
  }
  return std::nullopt;
}

void HeaderVerdict::Reset() { findings_.assign(rules_.size(), Finding()); }

}  // namespace breakwater
