#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/clock.h"
#include "core/net/address.h"

namespace breakwater {

enum class DnsType : uint8_t {
  kA,  // a list's answer: Resolver has its doubts about what no list says
  kTxt,
  kMx,
  kHostA,  // A records of a host, which may have any address
  kAaaa,
};

int DnsTypeNumber(DnsType type);  // on the wire: 1, 16, ...

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

// Of an MX record (RFC 1035 section 3.3.9).
struct MailExchange {
  uint16_t preference = 0;
  // Without a trailing dot; empty for the root, which is nobody (RFC 7505).
  std::string host;

  bool operator==(const MailExchange&) const = default;
};

struct DnsAnswer {
  DnsOutcome outcome = DnsOutcome::kTimeout;
  std::vector<uint32_t> addresses;    // host order; of A records
  std::string text;                   // of the first TXT record, as received
  std::vector<IpAddress> addresses6;  // of AAAA records
  std::vector<MailExchange> exchanges;
  // Of kNone: the name is not there at all (NXDOMAIN), for no type.
  bool no_such_name = false;
  // The name is an alias, and of what it stands for there are no records. A
  // server that does not follow aliases says so much of any.
  bool alias_only = false;
  // The least TTL of the records; for kNone the negative TTL of the SOA (RFC
  // 2308 section 5) where there is one. A TTL of 2^31 or more is zero (RFC
  // 2181 section 8).
  std::optional<std::chrono::seconds> ttl;
};

// Nobody says more than a few of any; what is beyond is not kept.
inline constexpr size_t kMostDnsAddresses = 64;  // of either kind
inline constexpr size_t kMostExchanges = 64;
inline constexpr size_t kLongestDnsText = 1024;

// Reads a whole DNS message, which may be anything, as the answer to a
// question of that type. Only records of the name that was asked, or of the
// one that it is an alias of, count.
DnsAnswer ParseDnsAnswer(absl::Span<const uint8_t> message, DnsType type);

}  // namespace breakwater
