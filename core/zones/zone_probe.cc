#include "core/zones/zone_probe.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/net/address.h"

namespace breakwater {
namespace {

constexpr uint32_t kLoopbackNet = 0x7f000000;  // 127.0.0.0/8

// RFC 5782 section 5. A client with an IPv4-mapped address is asked about as
// IPv4; only here its nibbles are asked for.
constexpr char kTestEntry4[] = "2.0.0.127.";
constexpr char kNeverListed4[] = "1.0.0.127.";
constexpr char kTestEntry6[] =
    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";
constexpr char kNeverListed6[] =
    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.";
constexpr char kTestEntryOfDomains[] = "test.";
constexpr char kNeverListedOfDomains[] = "invalid.";

// What one of the answers shows.
struct Sign {
  enum Kind { kNothing, kListing, kForeign, kError, kFailure, kNotAsked };
  Kind kind = kNothing;
  std::string hint;
};

Sign SignOf(const DnsAnswer& answer) {
  switch (answer.outcome) {
    case DnsOutcome::kNone:
      return {Sign::kNothing};
    case DnsOutcome::kRefused:
      return {Sign::kError,
              "REFUSED: the list or the resolver does not serve us; look at "
              "the key or contract of the list, and at what the resolver of "
              "dns.servers allows"};
    case DnsOutcome::kOverloaded:
    case DnsOutcome::kCancelled:
      return {Sign::kNotAsked};
    case DnsOutcome::kRecords:
      break;
    default:
      return {Sign::kFailure, DnsOutcomeName(answer.outcome)};
  }
  Sign sign;
  for (const uint32_t address : answer.addresses) {
    if (std::optional<std::string> hint = ErrorCodeHint(address)) {
      return {Sign::kError, *std::move(hint)};
    }
    const bool foreign = (address & 0xff000000) != kLoopbackNet;
    sign = {foreign ? Sign::kForeign : Sign::kListing,
            absl::StrCat("answers ", IpAddress::FromV4(address).ToString())};
  }
  return sign;
}

// How a resolver that protects against DNS rebinding hides what a list says. It
// takes addresses in 127.0.0.0/8 out of the answer: unbound (private-address)
// and dnsmasq (stop-dns-rebind) leave an empty one, by which the name is there
// all the same; BIND (deny-answer-addresses) makes SERVFAIL of it, Knot
// REFUSED. Names that are not there have no address to take out. Of names under
// TEST a list may have some without having TEST itself, which is as empty then.
constexpr char kTakenOut[] =
    "the resolver of dns.servers seems to take addresses in 127.0.0.0/8 out of "
    "answers, a protection against DNS rebinding, and so all listings "
    "(unbound: "
    "private-address, dnsmasq: stop-dns-rebind, BIND: deny-answer-addresses, "
    "Knot: rebinding); except the list's zone there, or ask another resolver";

bool IsTakenOut(const ProbeAnswers& answers) {
  const auto is_there = [](const DnsAnswer& answer) {
    return answer.outcome != DnsOutcome::kNone || !answer.no_such_name;
  };
  if (is_there(answers.never_listed) || is_there(answers.random_name)) {
    return false;
  }
  switch (answers.test_entry.outcome) {
    case DnsOutcome::kNone:
      return !answers.test_entry.no_such_name && !answers.test_entry.alias_only;
    case DnsOutcome::kServerFailure:
    case DnsOutcome::kRefused:
      return true;
    default:
      return false;
  }
}

bool IsListed(const Sign& sign) {
  return sign.kind == Sign::kListing || sign.kind == Sign::kForeign;
}

// Held by the callbacks together with the coroutine, which may be gone first.
struct Questions {
  explicit Questions(asio::io_context& loop)
      : all_answered(loop, Instant::max()) {}

  std::vector<DnsAnswer> answers;
  size_t outstanding = 0;
  asio::steady_timer all_answered;
};

bool IsFailure(const DnsAnswer& answer) {
  return SignOf(answer).kind == Sign::kFailure;
}

}  // namespace

const char* ZoneStandingName(ZoneStanding standing) {
  switch (standing) {
    case ZoneStanding::kUnknown:
      return "unknown";
    case ZoneStanding::kOk:
      return "ok";
    case ZoneStanding::kNoTestEntry:
      return "no-test-entry";
    case ZoneStanding::kListsEverything:
      return "lists-everything";
    case ZoneStanding::kRefused:
      return "refused";
    case ZoneStanding::kUnreachable:
      return "unreachable";
  }
  return "?";
}

std::optional<std::string> ErrorCodeHint(uint32_t address) {
  const std::string code = IpAddress::FromV4(address).ToString();
  switch (address) {
    case 0x7ffffffc:
      return code + ": the list knows no such zone; is zone.name mistyped?";
    case 0x7ffffffe:
      return code +
             ": the list does not serve public resolvers; let dns.servers "
             "name one of your own";
    case 0x7fffffff:
      return code +
             ": too many queries for the list's free use; ask less or "
             "register with it";
    case 0x7f0001ff:
      return code +
             ": the list holds domains and was asked about an address; is "
             "zone.type right?";
    case 0x7f0000ff:
      return code +
             ": the list has blocked us, most likely for too many "
             "queries or a public resolver";
    case 0x7f000001:
      return code + ": no list may say so; some do to whom they do not serve";
    default:
      break;
  }
  if (IsListsOwnWord(address)) {
    return code + ": the list reports an error; its manual says which";
  }
  return std::nullopt;
}

ProbeReading ReadProbe(const ProbeAnswers& answers, ZoneType type) {
  const bool is_domain = type == ZoneType::kDomain;
  const char* const test_entry = is_domain ? "TEST" : "127.0.0.2";
  const char* const never_listed = is_domain ? "INVALID" : "127.0.0.1";
  const Sign test = SignOf(answers.test_entry);
  const Sign never = SignOf(answers.never_listed);
  const Sign random = SignOf(answers.random_name);
  if (IsListed(never) || IsListed(random) || test.kind == Sign::kForeign) {
    const bool is_name = IsListed(random);
    const Sign& sign = is_name ? random : IsListed(never) ? never : test;
    return {ZoneStanding::kListsEverything,
            absl::StrCat(sign.hint, " to ",
                         is_name           ? "a name that nobody has"
                         : IsListed(never) ? never_listed
                                           : test_entry,
                         sign.kind == Sign::kForeign
                             ? ": an expired domain, or a resolver that "
                               "invents answers"
                             : ": it has shut down, or its data are broken")};
  }
  const bool is_taken_out = IsTakenOut(answers);
  const auto hint_of = [&](const Sign& sign) {
    return is_taken_out
               ? absl::StrCat(test_entry, ": ", sign.hint, "; ", kTakenOut)
               : sign.hint;
  };
  for (const Sign* sign : {&test, &never, &random}) {
    if (sign->kind == Sign::kError) {
      return {ZoneStanding::kRefused, hint_of(*sign)};
    }
  }
  for (const Sign* sign : {&test, &never, &random}) {
    if (sign->kind == Sign::kFailure) {
      return {ZoneStanding::kUnreachable, hint_of(*sign)};
    }
  }
  for (const Sign* sign : {&test, &never, &random}) {
    if (sign->kind == Sign::kNotAsked) return {};
  }
  if (test.kind == Sign::kListing) return {ZoneStanding::kOk, ""};
  if (is_taken_out && !is_domain) {
    return {
        ZoneStanding::kRefused,
        absl::StrCat(test_entry, " is there and has no address: ", kTakenOut)};
  }
  if (is_taken_out) {
    return {ZoneStanding::kNoTestEntry,
            absl::StrCat(test_entry, " has no address, but is there: ",
                         kTakenOut, "; if it does not, and you know the list ",
                         "to be good, set strict = false")};
  }
  return {ZoneStanding::kNoTestEntry,
          absl::StrCat(test_entry,
                       " is not listed: the list is empty or gone, or has no "
                       "test entry; only if you know it to be good, set "
                       "strict = false")};
}

const ProbeReading& ZoneProbe::of(Family family) const {
  switch (family) {
    case Family::kIpv4:
      return ipv4;
    case Family::kIpv6:
      return ipv6;
    case Family::kDomain:
      break;
  }
  return domain;
}

asio::awaitable<ZoneProbe> ProbeZone(asio::io_context& loop, Resolver& resolver,
                                     std::string zone, ZoneType type,
                                     std::string random_label,
                                     std::function<void(ZoneOutcome)> count) {
  std::vector<std::string> prefixes = {random_label + "."};
  if (type == ZoneType::kDomain) {
    prefixes.insert(prefixes.end(),
                    {kTestEntryOfDomains, kNeverListedOfDomains});
  } else {
    prefixes.insert(prefixes.end(),
                    {kTestEntry4, kNeverListed4, kTestEntry6, kNeverListed6});
  }
  const auto questions = std::make_shared<Questions>(loop);
  questions->outstanding = prefixes.size();
  questions->answers.resize(prefixes.size());
  for (size_t i = 0; i < prefixes.size(); ++i) {
    resolver.Query(prefixes[i] + zone, DnsType::kA,
                   [questions, count, i](DnsAnswer answer) {
                     count(ZoneOutcomeOf(answer.outcome));
                     questions->answers[i] = std::move(answer);
                     if (--questions->outstanding == 0) {
                       questions->all_answered.cancel();
                     }
                   });
  }
  while (questions->outstanding > 0) {
    co_await questions->all_answered.async_wait(
        asio::experimental::as_tuple(asio::use_awaitable));
  }
  const std::vector<DnsAnswer>& answers = questions->answers;
  ZoneProbe probe;
  if (type == ZoneType::kDomain) {
    probe.domain = ReadProbe({answers[1], answers[2], answers[0]}, type);
  } else {
    probe.ipv4 = ReadProbe({answers[1], answers[2], answers[0]});
    probe.ipv6 = ReadProbe({answers[3], answers[4], answers[0]});
  }
  probe.silent = std::ranges::all_of(answers, IsFailure);
  co_return probe;
}

}  // namespace breakwater
