#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/rules/header_rule.h"
#include "core/types/offence.h"

namespace breakwater {

// The score in a value, by the shapes that filters give it; the first of these
// that is there:
//
//   default: True [18.20 / 15.00]; ...  the number behind "[" and before "/"
//   Yes, score=18.2 required=5.0 ...    the number behind "score=" or "hits="
//   15.3 (+++) ...                      the number it begins with
//   **** or ++++ or xxxx                how many they are; "----" are fewer
//                                       than none, "/" is zero
std::optional<double> ScoreIn(absl::string_view value);

// What one field says by itself, by the first of the rules that it meets.
std::optional<Offence> Reads(absl::Span<const HeaderRule> rules,
                             absl::string_view name, absl::string_view value);

// A message's fields, together. Where a rule could believe several fields of
// its name, one of them may be forged, and it believes none.
class HeaderVerdict {
 public:
  // The rules must outlive it.
  explicit HeaderVerdict(absl::Span<const HeaderRule> rules);

  // Each field of the header, in any order; the value as it came, folded or
  // not. What is no rule's costs a comparison of names.
  void Add(absl::string_view name, absl::string_view value);
  // By the first rule that is met. The detail is the field, without its secret.
  std::optional<Offence> Result() const;
  // For the next message.
  void Reset();

 private:
  struct Finding {
    size_t believed = 0;  // fields
    std::optional<Offence> offence;
  };

  absl::Span<const HeaderRule> rules_;
  std::vector<Finding> findings_;  // by rule
};

}  // namespace breakwater
