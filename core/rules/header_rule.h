#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/types/offence.h"

namespace breakwater {

// What another filter, which saw the message before, says of it in its header.
// Only as good as that filter's care to remove what the sender wrote there: see
// VERDICTS OF OTHER FILTERS in breakwater.toml(5).
struct HeaderRule {
  enum class Test : uint8_t {
    kEquals,   // the whole value is this text,
    kAtLeast,  // the score in it is no less than this number,
    kBegins,   // it begins with this text,
    kContains  // it holds this text
  };

  std::string name;  // of the field; case does not matter
  OffenceKind offence = OffenceKind::kSpam;
  Test test = Test::kEquals;
  std::string value;     // of all tests but kAtLeast; case does not matter
  double threshold = 0;  // of kAtLeast
  // If set, a value without this word counts for nothing: a field that the
  // sender cannot have written.
  std::string secret;

  bool operator==(const HeaderRule&) const = default;
};

// In the configuration's notation:
//
//   RULE   = NAME TEST VALUE [ "with" SECRET ]
//   TEST   = "=" (kEquals) | ">=" (kAtLeast) | "^=" (kBegins) |
//            "~=" (kContains)
//   VALUE  = a word, or a text in double quotes, in which \" and \\ stand for
//            " and \; behind ">=" a number: 15, -2.5
//   SECRET = 8 to 64 letters, digits, "-" and "_"
//
//   X-Spam-Flag = YES
//   X-Spam-Score >= 15
//   X-Virus-Status ^= Infected
//   X-Spamd-Result ~= "BAYES_SPAM(" with Kiel-7f3a91c2
//
// White space around TEST may be left out. The error says what would be right;
// it never shows the secret.
absl::StatusOr<HeaderRule> ParseHeaderRule(absl::string_view text,
                                           OffenceKind offence);
// So that ParseHeaderRule reads it back, but for the secret, which is "***".
std::string FormatHeaderRule(const HeaderRule& rule);

}  // namespace breakwater
