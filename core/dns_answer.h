#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/clock.h"

namespace breakwater {

enum class DnsType : uint8_t { kA, kTxt };

// What came back for one question. Exactly one of three things: records, the
// assurance that there are none, or an error; an error is never a listing.
enum class DnsOutcome : uint8_t {
  kRecords,
  kNone,         // NXDOMAIN or no data (RFC 2308)
  kTimeout,      // silence, an empty datagram, a wrong id or question
  kUnreachable,  // the host says that nobody listens there
  kServerFailure,
  kRefused,
  kFormatError,
  kGarbled,     // an answer that cannot be read
  kOverloaded,  // not asked: too many questions in flight
  kCancelled,   // not waited for any more
};

const char* DnsOutcomeName(DnsOutcome outcome);  // "records", "timeout", ...
bool IsDnsError(DnsOutcome outcome);

struct DnsAnswer {
  DnsOutcome outcome = DnsOutcome::kTimeout;
  std::vector<uint32_t> addresses;  // host order; of A records
  std::string text;                 // of the first TXT record, as received
  // The least TTL of the records; for kNone the negative TTL of the SOA (RFC
  // 2308 section 5) where there is one. A TTL of 2^31 or more is zero (RFC
  // 2181 section 8).
  std::optional<std::chrono::seconds> ttl;
};

// No list says more than a few of either; what is beyond is not kept.
inline constexpr size_t kMostDnsAddresses = 64;
inline constexpr size_t kLongestDnsText = 1024;

// Reads a whole DNS message, which may be anything, as the answer to a
// question of that type. Only records of the name that was asked, or of the
// one that it is an alias of, count.
DnsAnswer ParseDnsAnswer(absl::Span<const uint8_t> message, DnsType type);

}  // namespace breakwater
