#include "core/dns/dns_answer.h"

#include <arpa/nameser.h>
#include <strings.h>

#include <algorithm>

namespace breakwater {
namespace {

// glibc's reader, not c-ares': ares_parse_a_reply of 1.18 walks a linked list
// from its head for every record (4,000 of them held the loop for more than a
// tenth of a second; here 0.2 ms), and leaves the authority section, where the
// negative TTL stands, unread.

uint32_t SoundTtl(uint32_t ttl) { return ttl > 0x7fffffff ? 0 : ttl; }

// The last of the SOA's five numbers (RFC 1035 section 3.3.13).
std::optional<uint32_t> SoaMinimum(const ns_rr& record) {
  const size_t length = ns_rr_rdlen(record);
  if (length < 22) return std::nullopt;  // two root names and five numbers
  return static_cast<uint32_t>(ns_get32(ns_rr_rdata(record) + length - 4));
}

// RFC 2308 section 5. An authority section that cannot be read is no reason
// to doubt the rest.
std::optional<std::chrono::seconds> NegativeTtl(ns_msg& message) {
  const int count = ns_msg_count(message, ns_s_ns);
  for (int i = 0; i < count; ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_ns, i, &record) != 0) return std::nullopt;
    if (ns_rr_type(record) != ns_t_soa) continue;
    const std::optional<uint32_t> minimum = SoaMinimum(record);
    if (!minimum) return std::nullopt;
    return std::chrono::seconds(
        std::min(SoundTtl(ns_rr_ttl(record)), SoundTtl(*minimum)));
  }
  return std::nullopt;
}

// Character strings (RFC 1035 section 3.3.14), joined. False if one ends
// behind the record.
bool ReadText(absl::Span<const uint8_t> data, std::string& text) {
  while (!data.empty()) {
    const size_t length = data[0];
    if (length + 1 > data.size()) return false;
    const auto string = data.subspan(1, length);
    const size_t room = kLongestDnsText - text.size();
    text.append(reinterpret_cast<const char*>(string.data()),
                std::min(room, string.size()));
    data.remove_prefix(length + 1);
  }
  return true;
}

// The name in a record behind that many bytes, without a trailing dot, or
// nothing if it cannot be read.
std::optional<std::string> ReadName(const ns_msg& message, const ns_rr& record,
                                    int behind = 0) {
  char name[NS_MAXDNAME];
  const int length =
      ns_name_uncompress(ns_msg_base(message), ns_msg_end(message),
                         ns_rr_rdata(record) + behind, name, sizeof name);
  if (length < 0 || length + behind > ns_rr_rdlen(record)) return std::nullopt;
  if (name[0] == '.') return "";  // the root
  return name;
}

bool ReadExchange(const ns_msg& message, const ns_rr& record,
                  std::vector<MailExchange>& exchanges) {
  if (ns_rr_rdlen(record) < 3) return false;  // a number and the root
  const std::optional<std::string> host = ReadName(message, record, 2);
  if (!host) return false;
  if (exchanges.size() < kMostExchanges) {
    exchanges.push_back(
        {.preference = static_cast<uint16_t>(ns_get16(ns_rr_rdata(record))),
         .host = *host});
  }
  return true;
}

// Adds one record of the wanted name and type. False if it cannot be read.
bool ReadRecord(const ns_msg& message, const ns_rr& record, DnsType type,
                bool first, DnsAnswer& answer) {
  const absl::Span<const uint8_t> data(ns_rr_rdata(record),
                                       ns_rr_rdlen(record));
  switch (type) {
    case DnsType::kTxt:
      return !first || ReadText(data, answer.text);
    case DnsType::kMx:
      return ReadExchange(message, record, answer.exchanges);
    case DnsType::kA:
    case DnsType::kHostA:
      if (data.size() != 4) return false;
      if (answer.addresses.size() < kMostDnsAddresses) {
        answer.addresses.push_back(
            static_cast<uint32_t>(ns_get32(data.data())));
      }
      return true;
    case DnsType::kAaaa:
      if (data.size() != 16) return false;
      if (answer.addresses6.size() < kMostDnsAddresses) {
        std::ranges::copy(data, answer.addresses6.emplace_back().bytes.begin());
      }
      return true;
  }
  return false;
}

DnsAnswer Failed(DnsOutcome outcome) { return DnsAnswer{.outcome = outcome}; }

DnsAnswer ReadRecords(ns_msg& message, DnsType type) {
  ns_rr question;
  if (ns_msg_count(message, ns_s_qd) != 1 ||
      ns_parserr(&message, ns_s_qd, 0, &question) != 0) {
    return Failed(DnsOutcome::kGarbled);
  }
  std::string name = ns_rr_name(question);
  const int wanted = DnsTypeNumber(type);
  DnsAnswer answer{.outcome = DnsOutcome::kNone};
  bool is_alias = false;
  uint32_t least_ttl = UINT32_MAX;
  const int count = ns_msg_count(message, ns_s_an);
  for (int i = 0; i < count; ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) != 0) {
      return Failed(DnsOutcome::kGarbled);
    }
    if (ns_rr_class(record) != ns_c_in ||
        strcasecmp(ns_rr_name(record), name.c_str()) != 0) {
      continue;
    }
    if (ns_rr_type(record) == ns_t_cname) {
      const std::optional<std::string> target = ReadName(message, record);
      if (!target) return Failed(DnsOutcome::kGarbled);
      name = *target;
      is_alias = true;
    } else if (ns_rr_type(record) == wanted) {
      const bool first = answer.outcome == DnsOutcome::kNone;
      if (!ReadRecord(message, record, type, first, answer)) {
        return Failed(DnsOutcome::kGarbled);
      }
      answer.outcome = DnsOutcome::kRecords;
    } else {
      continue;
    }
    least_ttl = std::min(least_ttl, SoundTtl(ns_rr_ttl(record)));
  }
  // Whether records stood before the alias, which they must not, or behind it.
  answer.alias_only = is_alias && answer.outcome == DnsOutcome::kNone;
  answer.ttl = answer.outcome == DnsOutcome::kRecords
                   ? std::chrono::seconds(least_ttl)
                   : NegativeTtl(message);
  return answer;
}

}  // namespace

int DnsTypeNumber(DnsType type) {
  switch (type) {
    case DnsType::kA:
    case DnsType::kHostA:
      return ns_t_a;
    case DnsType::kTxt:
      return ns_t_txt;
    case DnsType::kMx:
      return ns_t_mx;
    case DnsType::kAaaa:
      return ns_t_aaaa;
  }
  return ns_t_invalid;
}

const char* DnsOutcomeName(DnsOutcome outcome) {
  switch (outcome) {
    case DnsOutcome::kRecords:
      return "records";
    case DnsOutcome::kNone:
      return "none";
    case DnsOutcome::kTimeout:
      return "timeout";
    case DnsOutcome::kUnreachable:
      return "unreachable";
    case DnsOutcome::kServerFailure:
      return "server-failure";
    case DnsOutcome::kRefused:
      return "refused";
    case DnsOutcome::kFormatError:
      return "format-error";
    case DnsOutcome::kGarbled:
      return "garbled";
    case DnsOutcome::kOverloaded:
      return "overloaded";
    case DnsOutcome::kCancelled:
      return "cancelled";
  }
  return "?";
}

bool IsDnsError(DnsOutcome outcome) {
  return outcome != DnsOutcome::kRecords && outcome != DnsOutcome::kNone;
}

DnsAnswer ParseDnsAnswer(absl::Span<const uint8_t> message, DnsType type) {
  ns_msg parsed;
  if (message.size() > NS_MAXMSG ||
      ns_initparse(message.data(), static_cast<int>(message.size()), &parsed) !=
          0 ||
      ns_msg_getflag(parsed, ns_f_qr) == 0 ||
      ns_msg_getflag(parsed, ns_f_tc) != 0) {
    return Failed(DnsOutcome::kGarbled);
  }
  switch (ns_msg_getflag(parsed, ns_f_rcode)) {
    case ns_r_noerror:
      return ReadRecords(parsed, type);
    case ns_r_nxdomain:
      return DnsAnswer{.outcome = DnsOutcome::kNone,
                       .no_such_name = true,
                       .ttl = NegativeTtl(parsed)};
    case ns_r_refused:
      return Failed(DnsOutcome::kRefused);
    case ns_r_formerr:
      return Failed(DnsOutcome::kFormatError);
    default:
      return Failed(DnsOutcome::kServerFailure);
  }
}

}  // namespace breakwater
