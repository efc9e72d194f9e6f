#include "core/rules/zone.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/net/address.h"

namespace breakwater {
namespace {

constexpr uint32_t kLoopbackNet = 0x7f000000;  // 127.0.0.0/8
constexpr uint32_t kErrorNet = 0x7fffff00;     // 127.255.255.0/24
constexpr uint32_t kNeverListed = 0x7f000001;  // 127.0.0.1
constexpr uint32_t kBlocked = 0x7f0000ff;      // 127.0.0.255
constexpr uint32_t kNoAddresses = 0x7f0001ff;  // 127.0.1.255

// The last octet's, so that no longer ranges need be looked through: nothing
// that is odd goes on for as many.
constexpr uint64_t kMostLookedAt = 256;

uint64_t SizeOf(const AnswerRange& range) {
  if (!range.by_octet) return uint64_t{range.last} - range.first + 1;
  uint64_t size = 1;
  for (int shift = 24; shift >= 0; shift -= 8) {
    size *= (range.last >> shift & 0xff) - (range.first >> shift & 0xff) + 1;
  }
  return size;
}

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

bool IsListsOwnWord(uint32_t address) {
  return (address & 0xffffff00) == kErrorNet;
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

bool Zone::SpeaksAgainst(uint32_t answer) const {
  return kind == ZoneKind::kBlock &&
         std::ranges::any_of(filters, [answer](const ZoneFilter& filter) {
           return filter.weight > 0 && filter.Counts(answer);
         });
}

bool Zone::IsOdd(uint32_t answer) const {
  return (answer & 0xff000000) != kLoopbackNet || IsListsOwnWord(answer) ||
         answer == kNeverListed ||
         (answer == kNoAddresses && type == ZoneType::kDomain) ||
         // Nobody may be let in because a list refuses to say.
         (answer == kBlocked && !SpeaksAgainst(answer));
}

bool Zone::MayCount(const AnswerRange& range) const {
  if (SizeOf(range) > kMostLookedAt) return true;
  const auto may = [&](uint32_t answer) { return !IsOdd(answer); };
  if (!range.by_octet) {
    for (uint64_t answer = range.first; answer <= range.last; ++answer) {
      if (may(static_cast<uint32_t>(answer))) return true;
    }
    return false;
  }
  const auto from = [&](int shift) { return range.first >> shift & 0xff; };
  const auto to = [&](int shift) { return range.last >> shift & 0xff; };
  for (uint32_t a = from(24); a <= to(24); ++a) {
    for (uint32_t b = from(16); b <= to(16); ++b) {
      for (uint32_t c = from(8); c <= to(8); ++c) {
        for (uint32_t d = from(0); d <= to(0); ++d) {
          if (may(a << 24 | b << 16 | c << 8 | d)) return true;
        }
      }
    }
  }
  return false;
}

}  // namespace breakwater
