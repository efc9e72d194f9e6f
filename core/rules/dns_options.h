#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"

namespace breakwater {

struct DnsServer {
  IpAddress address;
  uint16_t port = 53;

  bool operator==(const DnsServer&) const = default;
};

struct ResolverOptions {
  std::vector<DnsServer> servers;                     // at least one
  Duration timeout = std::chrono::milliseconds(400);  // of the first try
  int tries = 2;
  // c-ares' id generator loops for ever when all ids are in use, so stay far
  // below 65,536.
  size_t most_in_flight = 8000;
};

struct DnsblOptions {
  Duration deadline = std::chrono::milliseconds(1500);
  Duration reason_deadline = std::chrono::milliseconds(200);
  // How long an answer is believed, whatever its TTL says.
  std::chrono::seconds ttl_floor = std::chrono::minutes(1);
  std::chrono::seconds ttl_ceiling = std::chrono::hours(1);
  // For "not listed" when the answer carries no SOA.
  std::chrono::seconds negative_ttl = std::chrono::minutes(5);
  // How long after its time an answer still serves for a zone that does not
  // answer.
  std::chrono::seconds stale_for = std::chrono::hours(1);
  size_t cache_capacity = 200'000;  // clients
  // Whether zones are believed only while they are proven to tell the truth.
  // For tests and benches of other things.
  bool prove_zones = true;
};

}  // namespace breakwater
