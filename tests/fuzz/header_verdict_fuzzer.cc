// A rule of the operator's on the first line, then fields "name: value" of a
// message, each on a line of its own.

#include <algorithm>
#include <cmath>
#include <string>

#include "core/judge/header_verdict.h"
#include "tests/fuzz/fuzz.h"

namespace breakwater {
namespace {

std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

absl::string_view Absl(std::string_view text) {
  return {text.data(), text.size()};
}

void CheckRule(const HeaderRule& rule) {
  HeaderRule open = rule;
  open.secret.clear();
  const auto again = ParseHeaderRule(FormatHeaderRule(open), rule.offence);
  Require(again.ok() && *again == open, "what is shown reads back the same");
  Require(std::isfinite(rule.threshold), "a threshold is a number");
}

}  // namespace
}  // namespace breakwater

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  std::string_view text = AsText(data, size);
  const auto rule = ParseHeaderRule(Absl(TakeLine(text)), OffenceKind::kSpam);
  if (!rule.ok()) {
    const std::string message(rule.status().message());
    Require(!message.empty() && IsPrintable(message), "an error can be shown");
    return 0;
  }
  CheckRule(*rule);

  HeaderVerdict verdict({&*rule, 1});
  size_t met = 0;
  while (!text.empty()) {
    const std::string_view line = TakeLine(text);
    const size_t colon = std::min(line.find(':'), line.size());
    const absl::string_view name = Absl(line.substr(0, colon));
    const absl::string_view value =
        Absl(line.substr(std::min(colon + 1, line.size())));
    const auto score = ScoreIn(value);
    Require(!score || std::isfinite(*score), "a score is a number");
    const auto offence = Reads({&*rule, 1}, name, value);
    if (offence) {
      ++met;
      Require(offence->detail.size() <= rule->name.size() + 102,
              "a detail is short");
      Require(rule->secret.empty() ||
                  offence->detail.find(' ' + rule->secret + ' ') ==
                      std::string::npos,
              "a detail has no secret");
    }
    verdict.Add(name, value);
  }
  Require(!verdict.Result() || met == 1, "of several fields none is believed");
  return 0;
}
