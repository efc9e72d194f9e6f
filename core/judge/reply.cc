#include "core/judge/reply.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

// The list's own words are the part that can be long; label, address and
// template get the rest.
constexpr size_t kLongestReason = 200;

// The word in "{word}" at the start of `text`, or nothing.
std::optional<std::string_view> Placeholder(std::string_view text) {
  const size_t end = text.find('}');
  if (text.empty() || text[0] != '{' || end == std::string_view::npos) {
    return std::nullopt;
  }
  return text.substr(1, end - 1);
}

std::optional<std::string> Replacement(std::string_view word,
                                       const ReplyFacts& facts) {
  if (word == "client") return facts.client.ToString();
  if (word == "name") return std::string(facts.name);
  if (word == "list") return std::string(facts.list);
  if (word == "id") return std::string(facts.id);
  if (word == "reason") {
    const std::string words = SafeReplyText(facts.reason, kLongestReason);
    return words.empty() ? "" : absl::StrCat(" (", words, ")");
  }
  return std::nullopt;
}

std::string Expand(std::string_view text, const ReplyFacts& facts) {
  std::string result;
  while (!text.empty()) {
    const std::optional<std::string_view> word = Placeholder(text);
    const std::optional<std::string> value =
        word ? Replacement(*word, facts) : std::nullopt;
    if (value) {
      result += *value;
      text.remove_prefix(word->size() + 2);
    } else {
      result.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

std::string RenderReply(std::string_view text_template,
                        const ReplyFacts& facts) {
  const std::string whole =
      SafeReplyText(Expand(text_template, facts), std::string::npos);
  if (whole.size() <= kLongestReplyText) return whole;
  // The id is what an administrator will search for.
  const std::string ending =
      absl::StrCat("... [id ", std::string(facts.id), "]");
  return whole.substr(0, kLongestReplyText - ending.size()) + ending;
}

absl::Status CheckReplyTemplate(std::string_view text_template) {
  const std::string shown = Escaped(text_template, 100);
  if (SafeReplyText(text_template, std::string::npos) != text_template ||
      text_template.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", shown,
                     "\" is not a reply text; write printable ASCII with "
                     "single spaces"));
  }
  if (text_template.size() > kLongestReplyText) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", shown, "\" is longer than the ", kLongestReplyText,
                     " characters of a reply"));
  }
  std::string_view rest = text_template;
  for (size_t brace; (brace = rest.find_first_of("{}")) != rest.npos;) {
    rest.remove_prefix(brace);
    const std::optional<std::string_view> word = Placeholder(rest);
    if (!word || !Replacement(*word, ReplyFacts{})) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", shown,
                       "\" has a brace that is not part of {client}, {name}, "
                       "{list}, {reason} or {id}"));
    }
    rest.remove_prefix(word->size() + 2);
  }
  return absl::OkStatus();
}

absl::Status CheckReplyCode(int code) {
  // RFC 5321 section 4.2.1: the second digit is 0 to 5. 421 and 521 are the
  // two after which Postfix closes the connection.
  if ((code >= 400 && code <= 459) || (code >= 500 && code <= 559)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(code,
                   " is not a reply code that refuses; write 521, 554, "
                   "550, or 451 to defer"));
}

SmtpReply SafeReply(const Verdict& verdict) {
  SmtpReply reply;
  reply.code = CheckReplyCode(verdict.code).ok()  ? verdict.code
               : verdict.action == Action::kDefer ? 451
                                                  : 521;
  // A verdict whose code cannot be said has none that fits it.
  reply.enhanced_code = reply.code == verdict.code ? verdict.enhanced_code()
                        : reply.code < 500         ? "4.7.1"
                                                   : "5.7.1";
  reply.text = SafeReplyText(verdict.text, kLongestReplyText);
  if (reply.text.empty()) reply.text = "Service refused";
  return reply;
}

}  // namespace breakwater
