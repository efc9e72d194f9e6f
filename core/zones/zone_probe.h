#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/dns/dns_answer.h"
#include "core/dns/resolver.h"
#include "core/zones/subject.h"
#include "core/zones/zone_answer.h"

namespace breakwater {

// What a zone has been found to be, for one family.
enum class ZoneStanding : uint8_t {
  kUnknown,          // nothing is proven yet
  kOk,               // it lists what it must and nothing that it must not
  kNoTestEntry,      // as if it were empty: the test entry is not listed
  kListsEverything,  // what no list may hold is, or a name that nobody has
  kRefused,          // it, or the resolver, will not serve us
  kUnreachable,      // no answer, or one that says of a failure on the way
};
inline constexpr size_t kZoneStandings =
    static_cast<size_t>(ZoneStanding::kUnreachable) + 1;

const char* ZoneStandingName(ZoneStanding standing);  // "ok", "refused", ...

// What the operator has to know about an address with which a list reports an
// error: 127.255.255.254, say. Nothing for one that reports none.
std::optional<std::string> ErrorCodeHint(uint32_t address);

struct ProbeReading {
  ZoneStanding standing = ZoneStanding::kUnknown;
  std::string hint;  // for the operator; empty when all is well
};

// The three answers by which a zone proves that it tells the truth (RFC 5782
// section 5): 127.0.0.2 must be listed, 127.0.0.1 must not be, nor may a name
// that nobody has exist. Of a list of domains, these are the names TEST and
// INVALID. Which codes the operator counts does not matter here: any record in
// 127.0.0.0/8 is a listing, since a list may answer 127.0.0.2 for its test
// entry and have no other use for it.
//
// A test entry that is there and has no address, where names that are not there
// are said not to be, is the sign of a resolver that takes listings out of
// answers: refused, of a list of addresses.
//
// A sign that it lists everything outweighs all others, an error code an answer
// that did not come. kUnknown: we ourselves did not ask, so nothing is said.
struct ProbeAnswers {
  DnsAnswer test_entry;
  DnsAnswer never_listed;
  DnsAnswer random_name;
};
ProbeReading ReadProbe(const ProbeAnswers& answers,
                       ZoneType type = ZoneType::kAddress);

struct ZoneProbe {
  ProbeReading ipv4;
  ProbeReading ipv6;
  ProbeReading domain;
  bool silent = false;  // not one of the questions was answered

  const ProbeReading& of(Family family) const;
};

// Asks a zone all that at once, all its families, and ends when the resolver
// has answered or given up: there is no other deadline. `count` is told what
// came of each question.
//
// IPv6 lists have the IPv4-mapped test addresses ::ffff:7f00:2 and :1, in
// nibbles. `random_label` is the name that nobody has. A wildcard shows there
// at once, whereas of the others the resolver may remember better days.
asio::awaitable<ZoneProbe> ProbeZone(asio::io_context& loop, Resolver& resolver,
                                     std::string zone, ZoneType type,
                                     std::string random_label,
                                     std::function<void(ZoneOutcome)> count);

}  // namespace breakwater
