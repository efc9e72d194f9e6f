#include "core/zone.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/address.h"
#include "core/text.h"

namespace breakwater {
namespace {

constexpr uint32_t kLoopbackNet = 0x7f000000;  // 127.0.0.0/8
constexpr uint32_t kErrorNet = 0x7fffff00;     // 127.255.255.0/24

absl::Status Refusal(std::string_view text, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Escaped(text, 60), "\" ", why,
                   "; write an answer of the list like 127.0.0.2 or "
                   "127.0.0.2-127.0.0.11"));
}

}  // namespace

absl::StatusOr<AnswerRange> ParseAnswerRange(std::string_view text) {
  const size_t dash = text.find('-');
  const std::optional<IpAddress> first = IpAddress::Parse(text.substr(0, dash));
  const std::optional<IpAddress> last =
      dash == std::string_view::npos ? first
                                     : IpAddress::Parse(text.substr(dash + 1));
  if (!first || !last || !first->IsV4() || !last->IsV4()) {
    return Refusal(text, "is not an IPv4 address or a range of them");
  }
  const AnswerRange range{.first = first->V4(), .last = last->V4()};
  if (range.first > range.last) return Refusal(text, "ends before it begins");
  if (range.first < kLoopbackNet || range.last >= kLoopbackNet + (1u << 24)) {
    return Refusal(text, "is outside 127.0.0.0/8, where no listing can be");
  }
  if (range.first <= kLoopbackNet + 1) {
    return Refusal(text, "holds 127.0.0.1, which no list may answer");
  }
  if (range.last >= kErrorNet) {
    return Refusal(text, "holds 127.255.255.x, with which lists report errors");
  }
  return range;
}

std::vector<AnswerRange> DefaultAnswersOf(ZoneType type) {
  if (type == ZoneType::kAddress) return {kDefaultAnswers};
  return {kDefaultAnswers, {.first = 0x7f000102, .last = 0x7f0001fe}};
}

bool AnswerRange::Contains(uint32_t answer) const {
  if (!by_octet) return first <= answer && answer <= last;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const uint32_t octet = answer >> shift & 0xff;
    if (octet < (first >> shift & 0xff) || octet > (last >> shift & 0xff)) {
      return false;
    }
  }
  return true;
}

bool ZoneFilter::Counts(uint32_t answer) const {
  return std::any_of(
      answers.begin(), answers.end(),
      [answer](const AnswerRange& range) { return range.Contains(answer); });
}

uint32_t Zone::Matches(uint32_t answer) const {
  uint32_t result = 0;
  for (size_t i = 0; i < filters.size(); ++i) {
    if (filters[i].Counts(answer)) result |= uint32_t{1} << i;
  }
  return result;
}

bool Zone::AsksAbout(NameKind kind) const {
  return type == ZoneType::kDomain &&
         std::ranges::find(names, kind) != names.end();
}

}  // namespace breakwater
