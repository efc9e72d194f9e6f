#include "core/zones/zone_answer.h"

namespace breakwater {
namespace {

ZoneAnswer ReadAddresses(const Zone& zone,
                         const std::vector<uint32_t>& addresses) {
  ZoneAnswer result;
  for (const uint32_t address : addresses) {
    if (zone.IsOdd(address)) {
      return {.outcome = ZoneOutcome::kOddAnswer, .address = address};
    }
    const uint32_t filters = zone.Matches(address);
    if (filters == 0) continue;
    if (result.filters == 0) result.address = address;
    result.outcome = ZoneOutcome::kListed;
    result.filters |= filters;
  }
  return result;
}

}  // namespace

const char* ZoneOutcomeName(ZoneOutcome outcome) {
  switch (outcome) {
    case ZoneOutcome::kListed:
      return "listed";
    case ZoneOutcome::kNotListed:
      return "not-listed";
    case ZoneOutcome::kOddAnswer:
      return "odd-answer";
    case ZoneOutcome::kTimeout:
      return DnsOutcomeName(DnsOutcome::kTimeout);
    case ZoneOutcome::kUnreachable:
      return DnsOutcomeName(DnsOutcome::kUnreachable);
    case ZoneOutcome::kServerFailure:
      return DnsOutcomeName(DnsOutcome::kServerFailure);
    case ZoneOutcome::kRefused:
      return DnsOutcomeName(DnsOutcome::kRefused);
    case ZoneOutcome::kFormatError:
      return DnsOutcomeName(DnsOutcome::kFormatError);
    case ZoneOutcome::kGarbled:
      return DnsOutcomeName(DnsOutcome::kGarbled);
    case ZoneOutcome::kOverloaded:
      return DnsOutcomeName(DnsOutcome::kOverloaded);
    case ZoneOutcome::kCancelled:
      return DnsOutcomeName(DnsOutcome::kCancelled);
  }
  return "?";
}

bool IsZoneFault(ZoneOutcome outcome) {
  return outcome >= ZoneOutcome::kOddAnswer && outcome <= ZoneOutcome::kGarbled;
}

ZoneOutcome ZoneOutcomeOf(DnsOutcome outcome) {
  switch (outcome) {
    case DnsOutcome::kRecords:
      return ZoneOutcome::kListed;
    case DnsOutcome::kNone:
      return ZoneOutcome::kNotListed;
    case DnsOutcome::kTimeout:
      return ZoneOutcome::kTimeout;
    case DnsOutcome::kUnreachable:
      return ZoneOutcome::kUnreachable;
    case DnsOutcome::kServerFailure:
      return ZoneOutcome::kServerFailure;
    case DnsOutcome::kRefused:
      return ZoneOutcome::kRefused;
    case DnsOutcome::kFormatError:
      return ZoneOutcome::kFormatError;
    case DnsOutcome::kGarbled:
      return ZoneOutcome::kGarbled;
    case DnsOutcome::kOverloaded:
      return ZoneOutcome::kOverloaded;
    case DnsOutcome::kCancelled:
      return ZoneOutcome::kCancelled;
  }
  return ZoneOutcome::kGarbled;
}

ZoneAnswer ReadZoneAnswer(const Zone& zone, const DnsAnswer& answer) {
  if (answer.outcome == DnsOutcome::kRecords) {
    return ReadAddresses(zone, answer.addresses);
  }
  return {.outcome = ZoneOutcomeOf(answer.outcome)};
}

}  // namespace breakwater
