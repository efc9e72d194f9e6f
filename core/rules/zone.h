#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/types/domain_name.h"

namespace breakwater {

// Which A records of a DNS list are listings (RFC 5782 section 2.3). Both ends
// belong to the range; both lie in 127.0.0.0/8.
struct AnswerRange {
  uint32_t first = 0;  // host order
  uint32_t last = 0;
  bool by_octet = false;  // each octet is a range of its own

  bool Contains(uint32_t answer) const;
  auto operator<=>(const AnswerRange&) const = default;
};

// "127.0.0.2" or "127.0.0.2-127.0.0.11". Refuses what cannot be a listing:
// addresses outside 127.0.0.0/8, 127.0.0.1, 127.255.255.0/24 (where lists
// report errors), and a range that ends before it begins.
absl::StatusOr<AnswerRange> ParseAnswerRange(std::string_view text);

// What counts when a filter names no answers of its own.
inline constexpr AnswerRange kDefaultAnswers = {0x7f000002, 0x7f0000fe};

// Whether a list says with that address something about itself or about who
// asks, whomever it was asked about: 127.255.255.x. Whatever else is odd may be
// so for one client alone.
bool IsListsOwnWord(uint32_t address);

// How a client is answered: an SMTP reply code and the text behind the
// enhanced status code. The code is 4xx or 5xx and the template is safe ASCII.
struct ReplyForm {
  int code = 521;
  std::string text_template;

  bool operator==(const ReplyForm&) const = default;
};

// Some of a zone's answers, and what they mean.
struct ZoneFilter {
  std::vector<AnswerRange> answers = {kDefaultAnswers};
  int weight = 1;     // added to the client's score; negative speaks for it
  std::string label;  // as shown; empty: the zone's
  // Whether it counts towards a ban. Lists of dynamic ranges are a reason to
  // reject and a weak one to ban.
  bool ban = true;

  bool Counts(uint32_t answer) const;
  bool operator==(const ZoneFilter&) const = default;
};

// So that the filters which matched are the bits of a word.
inline constexpr size_t kMostFilters = 31;

enum class ZoneKind : uint8_t {
  kBlock,
  kAllow,  // a listing lets the client pass, whatever other zones say
};

// What it lists.
enum class ZoneType : uint8_t {
  kAddress,
  kDomain,  // names, RFC 5782 section 3: it is never asked about an address
};
// Lists of domains say 127.0.1.x as well, so that they are not taken for
// others.
std::vector<AnswerRange> DefaultAnswersOf(ZoneType type);

// A DNS list. Its name may hold a paid key, so people only ever see `label`.
struct Zone {
  std::string name;   // as queried: "zen.spamhaus.org", no trailing dot
  std::string label;  // as shown
  ZoneType type = ZoneType::kAddress;
  // Of a list of domains: which of a client's names it is asked about.
  std::vector<NameKind> names = {kNameKinds.begin(), kNameKinds.end()};
  ZoneKind kind = ZoneKind::kBlock;
  std::vector<ZoneFilter> filters = {ZoneFilter{}};  // 1 to kMostFilters
  // Whether a listing here condemns the address in the kernel too; for all
  // filters, each of which may say no for itself.
  bool ban = true;
  std::optional<Duration> ban_duration;  // else Rules::ban_duration
  std::optional<ReplyForm> reply;        // else Rules::reply
  // Whether it must pass the tests of RFC 5782 section 5 before it counts.
  bool strict = true;
  // The stage in which it is asked: those of a later one only when the
  // earlier ones have not settled the matter. From 0.
  int after = 0;
  uint64_t daily_budget = 0;  // of questions; 0: no limit

  // Bit i: filter i counts the answer. Zero: not a listing.
  uint32_t Matches(uint32_t answer) const;
  // Of a list of addresses: never.
  bool AsksAbout(NameKind kind) const;
  // Whether it is no answer about a listing, whatever the filters say; see
  // ReadZoneAnswer.
  bool IsOdd(uint32_t answer) const;
  // Whether some answer in that range can be a listing.
  bool MayCount(const AnswerRange& range) const;

 private:
  bool SpeaksAgainst(uint32_t answer) const;
};

}  // namespace breakwater
