#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dns/dns_answer.h"
#include "core/rules/zone.h"

namespace breakwater {

// What came of one question to a zone.
enum class ZoneOutcome : uint8_t {
  kListed,
  kNotListed,
  kOddAnswer,  // records that mean an error of the list's, or no list at all
  kTimeout,    // from here on as in DnsOutcome
  kUnreachable,
  kServerFailure,
  kRefused,
  kFormatError,
  kGarbled,
  kOverloaded,
  kCancelled,
};
inline constexpr size_t kZoneOutcomes =
    static_cast<size_t>(ZoneOutcome::kCancelled) + 1;

const char* ZoneOutcomeName(ZoneOutcome outcome);  // "listed", "timeout", ...

// The outcome of a question about anything but a listing: records are records.
ZoneOutcome ZoneOutcomeOf(DnsOutcome outcome);

// Whether the zone, or the way to it, is at fault.
bool IsZoneFault(ZoneOutcome outcome);

struct ZoneAnswer {
  ZoneOutcome outcome = ZoneOutcome::kNotListed;
  uint32_t address = 0;  // host order; first that is a listing, or which is odd
  uint32_t filters = 0;  // bit i: the zone's filter i matched some address
};

// What an answer means. A listing is an A record that the zone's configuration
// counts, in a set of records that holds no sign of an error: 127.255.255.x,
// with which lists say "mistyped zone", "public resolver" or "too many
// queries"; 127.0.0.1, which none may answer (RFC 5782 section 5); 127.0.0.255,
// dnswl.org's "blocked", unless a filter that speaks against the client counts
// it; of a list of domains 127.0.1.255, with which Spamhaus' says that it was
// asked about an address; and anything outside 127.0.0.0/8, the sign of an
// expired domain or of a resolver that invents answers. Other records are codes
// that the operator left out: not listed.
ZoneAnswer ReadZoneAnswer(const Zone& zone, const DnsAnswer& answer);

}  // namespace breakwater
