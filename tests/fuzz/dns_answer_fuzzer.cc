// What a DNS server sends, or whoever can forge its packets. The first byte
// chooses what was asked for.

#include "core/dns_answer.h"
#include "core/zone_answer.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  if (size == 0) return 0;
  const DnsType type = data[0] % 2 == 0 ? DnsType::kA : DnsType::kTxt;
  const DnsAnswer answer = ParseDnsAnswer({data + 1, size - 1}, type);

  Require(answer.addresses.size() <= kMostDnsAddresses, "addresses are few");
  Require(answer.text.size() <= kLongestDnsText, "text is bounded");
  if (answer.outcome == DnsOutcome::kRecords) {
    Require(answer.ttl.has_value(), "records have a TTL");
    Require(type == DnsType::kTxt || !answer.addresses.empty(),
            "A records have addresses");
  } else {
    Require(answer.addresses.empty() && answer.text.empty(),
            "what is no answer carries none");
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
