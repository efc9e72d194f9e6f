#include "core/rules/zone_site.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/net/address.h"

namespace breakwater {
namespace {

// What a pattern may come to when its alternatives are multiplied.
constexpr size_t kMostRanges = 256;

// One octet, or some of them in a row.
struct Octets {
  uint8_t first = 0;
  uint8_t last = 0;
};

absl::Status Refusal(std::string_view text, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", Escaped(text, 60), "\" ", why,
                   "; write an answer of the list like 127.0.0.2, "
                   "127.0.0.2-127.0.0.11 or 127.0.0.[2..11]"));
}

std::optional<uint8_t> ParseOctet(std::string_view text) {
  if (text.empty() || text.size() > 3 ||
      !std::ranges::all_of(text, absl::ascii_isdigit)) {
    return std::nullopt;
  }
  int value = 0;
  for (const char digit : text) value = 10 * value + (digit - '0');
  if (value > 255) return std::nullopt;
  return static_cast<uint8_t>(value);
}

// "7" or "2..11".
std::optional<Octets> ParseOctets(std::string_view text) {
  const size_t dots = text.find("..");
  const std::optional<uint8_t> first = ParseOctet(text.substr(0, dots));
  const std::optional<uint8_t> last = dots == std::string_view::npos
                                          ? first
                                          : ParseOctet(text.substr(dots + 2));
  if (!first || !last || *first > *last) return std::nullopt;
  return Octets{.first = *first, .last = *last};
}

// Takes a number, or a list in brackets, off the front. Empty if there is none.
std::vector<Octets> TakeField(std::string_view& text) {
  std::vector<Octets> result;
  const bool bracketed = text.starts_with('[');
  const size_t end = bracketed ? text.find(']') : text.find('.');
  if (bracketed && end == std::string_view::npos) return {};
  std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(text.size(), field.size() + (bracketed ? 1 : 0)));
  if (!bracketed) {
    if (const auto octet = ParseOctet(field))
      result.push_back({*octet, *octet});
    return result;
  }
  field.remove_prefix(1);
  while (true) {
    const size_t semicolon = field.find(';');
    const auto octets = ParseOctets(field.substr(0, semicolon));
    if (!octets) return {};
    result.push_back(*octets);
    if (semicolon == std::string_view::npos) return result;
    field.remove_prefix(semicolon + 1);
  }
}

// The ranges that one more octet makes of these.
std::vector<AnswerRange> Times(const std::vector<AnswerRange>& ranges,
                               const std::vector<Octets>& field) {
  std::vector<AnswerRange> result;
  for (const AnswerRange& range : ranges) {
    for (const Octets& octets : field) {
      // Wider than one before this octet: it is no range of addresses.
      const bool by_octet = range.by_octet || range.first != range.last;
      result.push_back({.first = range.first << 8 | octets.first,
                        .last = range.last << 8 | octets.last,
                        .by_octet = by_octet});
    }
  }
  return result;
}

absl::StatusOr<std::vector<AnswerRange>> ParsePattern(std::string_view text) {
  std::string_view rest = text;
  std::vector<AnswerRange> ranges = {{.first = 0, .last = 0}};
  for (int i = 0; i < 4; ++i) {
    if (i > 0) {
      if (!rest.starts_with('.')) return Refusal(text, "has not four octets");
      rest.remove_prefix(1);
    }
    const std::vector<Octets> field = TakeField(rest);
    if (field.empty()) {
      return Refusal(text,
                     "has an octet that is neither a number up to 255 "
                     "nor a list like [1;3;5..9]");
    }
    if (ranges.size() * field.size() > kMostRanges) {
      return Refusal(text, "has too many alternatives");
    }
    ranges = Times(ranges, field);
  }
  if (!rest.empty()) return Refusal(text, "goes on behind the fourth octet");
  for (const AnswerRange& range : ranges) {
    if (range.first >> 24 != 127 || range.last >> 24 != 127) {
      return Refusal(text, "is outside 127.0.0.0/8, where no listing can be");
    }
    if (range.first == 0x7f000001 && range.last == range.first) {
      return Refusal(text, "holds 127.0.0.1, which no list may answer");
    }
    if (range.first >> 8 == 0x7fffff) {
      return Refusal(text,
                     "is in 127.255.255.x, with which lists report errors");
    }
  }
  return ranges;
}

absl::StatusOr<int> ParseWeight(std::string_view text) {
  std::string digits(text);
  int weight = 0;
  if (!absl::SimpleAtoi(digits, &weight) || weight > kMostWeight ||
      weight < -kMostWeight) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Escaped(text, 60),
                     "\" is not a weight; write a whole number "
                     "from -",
                     kMostWeight, " to ", kMostWeight, " behind the \"*\""));
  }
  return weight;
}

}  // namespace

absl::StatusOr<std::vector<AnswerRange>> ParseAnswers(std::string_view text) {
  if (text.find('[') != std::string_view::npos) return ParsePattern(text);
  const absl::StatusOr<AnswerRange> range = ParseAnswerRange(text);
  if (!range.ok()) return range.status();
  return std::vector<AnswerRange>{*range};
}

std::string FormatAnswers(const AnswerRange& range) {
  if (!range.by_octet) {
    const std::string first = IpAddress::FromV4(range.first).ToString();
    if (range.first == range.last) return first;
    return absl::StrCat(first, "-", IpAddress::FromV4(range.last).ToString());
  }
  std::string result;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const uint32_t first = range.first >> shift & 0xff;
    const uint32_t last = range.last >> shift & 0xff;
    absl::StrAppend(&result, shift < 24 ? "." : "");
    if (first == last) {
      absl::StrAppend(&result, first);
    } else {
      absl::StrAppend(&result, "[", first, "..", last, "]");
    }
  }
  return result;
}

absl::StatusOr<ZoneSite> ParseZoneSite(std::string_view text) {
  ZoneSite site;
  const size_t star = text.find('*');
  if (star != std::string_view::npos) {
    const absl::StatusOr<int> weight = ParseWeight(text.substr(star + 1));
    if (!weight.ok()) return weight.status();
    site.filter.weight = *weight;
    text = text.substr(0, star);
  }
  const size_t equals = text.find('=');
  if (equals != std::string_view::npos) {
    absl::StatusOr<std::vector<AnswerRange>> answers =
        ParseAnswers(text.substr(equals + 1));
    if (!answers.ok()) return answers.status();
    site.filter.answers = *std::move(answers);
    site.names_answers = true;
    text = text.substr(0, equals);
  }
  if (text.empty()) {
    return absl::InvalidArgumentError(
        "names no zone; write it as in \"zen.spamhaus.org=127.0.0.[2..11]*3\"");
  }
  site.domain = std::string(text);
  return site;
}

}  // namespace breakwater
