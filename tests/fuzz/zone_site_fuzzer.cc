// A zone in postscreen's notation, as an operator pastes it from elsewhere.

#include "core/dns/dns_answer.h"
#include "core/rules/zone_site.h"
#include "core/zones/zone_answer.h"
#include "tests/fuzz/fuzz.h"

namespace breakwater {
namespace {

ZoneAnswer Read(const Zone& zone, uint32_t address) {
  return ReadZoneAnswer(
      zone, {.outcome = DnsOutcome::kRecords, .addresses = {address}});
}

void CheckRange(const AnswerRange& range) {
  const auto again = ParseAnswers(FormatAnswers(range));
  // A range of addresses may not hold 127.0.0.1; a pattern may.
  if (again.ok()) {
    Require(again->size() == 1, "a range is one range");
    Require((*again)[0] == range, "what is shown reads back the same");
  } else {
    Require(range.Contains(0x7f000001) || range.first < 0x7f000002,
            "what is shown reads back");
  }
  Require(range.first <= range.last, "a range has a beginning");
  Require(range.Contains(range.first) && range.Contains(range.last),
          "both ends belong to it");
  for (int shift = 24; range.by_octet && shift >= 0; shift -= 8) {
    Require((range.first >> shift & 0xff) <= (range.last >> shift & 0xff),
            "each octet has a beginning");
  }
}

}  // namespace
}  // namespace breakwater

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  const absl::StatusOr<ZoneSite> site = ParseZoneSite(AsText(data, size));
  if (!site.ok()) {
    Require(!site.status().message().empty(), "an error says something");
    return 0;
  }
  Require(!site->domain.empty(), "a site has a domain");
  Require(site->domain.find_first_of("=*") == std::string::npos,
          "a domain is no more than that");
  Require(
      site->filter.weight >= -kMostWeight && site->filter.weight <= kMostWeight,
      "a weight is bounded");
  Require(!site->filter.answers.empty(), "a filter has answers");
  for (const AnswerRange& range : site->filter.answers) CheckRange(range);

  const Zone zone{.filters = {site->filter}};
  for (const uint32_t error :
       {0x7f000001u, 0x7fffff00u, 0x7fffffffu, 0x0a000001u}) {
    Require(Read(zone, error).outcome == ZoneOutcome::kOddAnswer,
            "an error is no listing");
  }
  for (const AnswerRange& range : site->filter.answers) {
    Require(zone.MayCount(range) || site->filter.weight <= 0,
            "an entry that can never count is refused");
    Require(zone.MayCount(range) ||
                (zone.IsOdd(range.first) && zone.IsOdd(range.last)),
            "an entry whose answers are listings can count");
  }
  if (site->filter.weight < 0) {
    Require(Read(zone, 0x7f0000ff).outcome == ZoneOutcome::kOddAnswer,
            "nobody is let in because a list is blocked");
  }
  return 0;
}
