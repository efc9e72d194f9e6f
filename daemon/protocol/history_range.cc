#include "daemon/protocol/history_range.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/net/width.h"

namespace breakwater {
namespace {

constexpr char kDigit[] = "[0-9a-f]";

// All that begins with that, as far as the pattern fits.
HistoryRange BeginningWith(const std::string& begin, const std::string& more) {
  std::string to = begin;
  ++to.back();
  return {.from = begin, .to = to, .glob = begin + more};
}

}  // namespace

HistoryRange HistoryRangeOf(const Network& network) {
  const std::string text = network.ToString();
  return {.from = text, .to = text + '\x01', .glob = text};
}

std::vector<HistoryRange> HistoryRangesOf(const Network& network) {
  const std::optional<Width> width = WidthOf(network);
  std::vector<HistoryRange> ranges = {HistoryRangeOf(network)};
  if (!width) return ranges;
  const auto& bytes = network.address.bytes;
  if (IsV4(*width)) {
    ranges.push_back(BeginningWith(
        absl::StrFormat("%d.%d.%d.", bytes[12], bytes[13], bytes[14]), "*"));
    return ranges;
  }
  // Of a /64 the last four words are "::". A zero before them stands as "0",
  // but where the fourth is none, too: then they are one with it.
  ranges.push_back(HistoryRangeOf(Network::OfClient(network.address)));
  const Network narrow = Widened(network.address, Width::kV6By56);
  if (narrow != network) ranges.push_back(HistoryRangeOf(narrow));
  const auto word = [&bytes](size_t at) {
    return bytes[at] * 256 + bytes[at + 1];
  };
  const std::string begin =
      absl::StrFormat("%x:%x:%x:", word(0), word(2), word(4));
  if (*width == Width::kV6By48) {
    ranges.push_back(BeginningWith(begin, "*"));
  } else if (bytes[6] != 0) {
    ranges.push_back(BeginningWith(absl::StrFormat("%s%x", begin, bytes[6]),
                                   absl::StrCat(kDigit, kDigit, "::*")));
  } else {
    ranges.push_back(BeginningWith(begin, absl::StrCat(kDigit, "::*")));
    ranges.push_back(BeginningWith(begin, absl::StrCat(kDigit, kDigit, "::*")));
  }
  return ranges;
}

}  // namespace breakwater
