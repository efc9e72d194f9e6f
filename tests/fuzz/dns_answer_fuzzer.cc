// What a DNS server sends, or whoever can forge its packets. The first byte
// chooses what was asked for.

#include "core/dns/dns_answer.h"
#include "core/zones/zone_answer.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  if (size == 0) return 0;
  constexpr DnsType kTypes[] = {DnsType::kA, DnsType::kTxt, DnsType::kMx,
                                DnsType::kAaaa};
  const DnsType type = kTypes[data[0] % 4];
  const DnsAnswer answer = ParseDnsAnswer({data + 1, size - 1}, type);

  Require(answer.addresses.size() <= kMostDnsAddresses, "addresses are few");
  Require(answer.addresses6.size() <= kMostDnsAddresses, "and so are those");
  Require(answer.exchanges.size() <= kMostExchanges, "exchanges are few");
  Require(answer.text.size() <= kLongestDnsText, "text is bounded");
  if (answer.outcome == DnsOutcome::kRecords) {
    Require(answer.ttl.has_value(), "records have a TTL");
    Require(answer.addresses.empty() != (type == DnsType::kA),
            "A records, and only they, have addresses");
    Require(answer.addresses6.empty() != (type == DnsType::kAaaa),
            "so do AAAA records");
    Require(answer.exchanges.empty() != (type == DnsType::kMx),
            "and MX records have exchanges");
    Require(!answer.alias_only, "an alias of something is that");
  } else {
    Require(answer.addresses.empty() && answer.text.empty() &&
                answer.addresses6.empty() && answer.exchanges.empty(),
            "what is no answer carries none");
  }
  for (const MailExchange& exchange : answer.exchanges) {
    Require(!exchange.host.ends_with('.') || exchange.host.ends_with("\\."),
            "no exchange ends in the root's dot");
  }
  if (answer.ttl) {
    Require(answer.ttl->count() >= 0 && answer.ttl->count() < 0x80000000,
            "a TTL has 31 bits");
  }
  const ZoneAnswer read = ReadZoneAnswer(Zone{}, answer);
  Require(read.outcome != ZoneOutcome::kListed ||
              kDefaultAnswers.Contains(read.address),
          "a listing is an answer that counts");
  return 0;
}
