#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/rules/zone.h"

namespace breakwater {

// Weights and scores stay below this, so that sums of them fit.
inline constexpr int kMostWeight = 10'000;

// Answers as an operator writes them: "127.0.0.2", "127.0.0.2-127.0.0.11", or a
// pattern of postscreen's, in which an octet may be a list of numbers and
// ranges in brackets: "127.0.[0..255].[1;3;5..9]". Such a range may hold
// 127.0.0.1 and others that are never a listing (Zone::MayCount), but not
// alone.
absl::StatusOr<std::vector<AnswerRange>> ParseAnswers(std::string_view text);

// So that ParseAnswers reads it back.
std::string FormatAnswers(const AnswerRange& range);

// One entry of Postfix' postscreen_dnsbl_sites: "DOMAIN", "DOMAIN=ANSWERS",
// "DOMAIN*WEIGHT" or "DOMAIN=ANSWERS*WEIGHT".
struct ZoneSite {
  std::string domain;  // as written; may hold a paid key
  ZoneFilter filter;
  bool names_answers = false;  // else they are the default ones
};
// The error never shows the domain.
absl::StatusOr<ZoneSite> ParseZoneSite(std::string_view text);

}  // namespace breakwater
