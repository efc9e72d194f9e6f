#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/dns_options.h"
#include "core/listing_cache.h"
#include "core/lists.h"
#include "core/metrics.h"
#include "core/resolver.h"

namespace breakwater {

// The name to ask for: reversed octets (RFC 5782 section 2.1) or reversed
// nibbles (section 2.4) before the zone's name. IPv4-mapped is IPv4.
std::string DnsblName(const IpAddress& client, std::string_view zone);

// The DNS lists themselves. See lists.h for the contract. Loop thread only.
class Dnsbl : public Lists {
 public:
  Dnsbl(asio::io_context& loop, Resolver& resolver, Metrics& metrics,
        const DnsblOptions& options);
  ~Dnsbl() override;

  void SetRules(std::shared_ptr<const Rules> rules) override;
  // A reload may change these; answers in the cache keep their time.
  void SetOptions(const DnsblOptions& options);

  std::optional<Answers> Cached(const IpAddress& client) override;
  asio::awaitable<Answers> Lookup(IpAddress client) override;
  asio::awaitable<std::string> ReasonText(IpAddress client,
                                          std::string zone_name) override;

  // Each zone's answer asked now, past the cache, for `breakwater explain`:
  // one entry for each zone of the rules, in their order.
  struct ZoneReport {
    size_t zone = 0;
    DnsOutcome outcome = DnsOutcome::kTimeout;
    std::vector<uint32_t> addresses;
    std::optional<uint32_t> counted;  // the answer that is a listing
    std::string text;                 // TXT, when listed
    Duration took{};
  };
  asio::awaitable<std::vector<ZoneReport>> Ask(IpAddress client);

  size_t cached_clients() const;

 private:
  struct Round;  // one client's questions under way

  asio::io_context& loop_;
  Resolver& resolver_;
  Metrics& metrics_;
  DnsblOptions options_;
  std::shared_ptr<const Rules> rules_;
  ListingCache cache_;
};

}  // namespace breakwater
