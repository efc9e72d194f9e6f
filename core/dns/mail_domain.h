#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/base/clock.h"
#include "core/dns/resolver.h"

namespace breakwater {

// Whether mail to a domain could arrive anywhere (RFC 5321 section 5.1): who
// sends from one that could not, wants no answer.
enum class MailDomain : uint8_t {
  kReceives,
  kNoRecords,   // no MX, A or AAAA, or exchanges that have no address
  kNullMx,      // says itself that it receives none (RFC 7505)
  kUnroutable,  // all its addresses are special ones: see AskedAddress
  kUnknown,     // whatever leaves a doubt: never an offence
};

const char* MailDomainName(MailDomain state);  // "receives", "null-mx", ...

struct MailDomainOptions {
  size_t capacity = 20'000;  // domains
  // How long an answer is believed, whatever its TTL says.
  std::chrono::seconds ttl_floor = std::chrono::minutes(1);
  std::chrono::seconds ttl_ceiling = std::chrono::hours(1);
  // For "there is none" when the answer carries no SOA.
  std::chrono::seconds negative_ttl = std::chrono::minutes(5);
};

// Asks the DNS about domains. Loop thread only, except for Known.
//
// The answers are the resolver's: one that gives local hosts private addresses
// makes the site's own domain "unroutable", and so does one that answers
// 0.0.0.0 for what it blocks. So do not ask about domains that are one's own.
//
// A domain costs three questions, 11 at most, and no more than kMostInquiries
// are under way, so that forged senders leave the resolver room for the lists.
//
// An exchange that is an alias (RFC 5321 forbids it, MTAs deliver to it) is
// what it stands for. One that is an address, which only some MTAs deliver to,
// leaves a doubt.
//
// Loop and resolver must outlive it. It may itself go while somebody waits:
// that is then "unknown".
class MailDomains {
 public:
  static constexpr size_t kMostInquiries = 200;
  // An exchange beyond these is not looked at, and leaves a doubt.
  static constexpr size_t kExchangesLookedAt = 5;

  MailDomains(asio::io_context& loop, Resolver& resolver,
              const MailDomainOptions& options);
  ~MailDomains();
  MailDomains(const MailDomains&) = delete;
  MailDomains& operator=(const MailDomains&) = delete;

  // From the cache or the DNS, at the deadline at the latest; what comes later
  // serves the next who asks. "Unknown", unasked, is what ListedName refuses.
  asio::awaitable<MailDomain> Look(std::string domain, Instant deadline);
  // What the cache says. "Unknown" is kept too, for ttl_floor. Any thread.
  std::optional<MailDomain> Known(const std::string& domain, Instant now) const;

  size_t size() const;                                    // domains cached
  size_t inquiries() const { return inquiries_.size(); }  // under way

 private:
  struct Inquiry;  // about one domain, under way
  struct Wait;     // for its end, until a deadline
  struct Entry {
    std::string domain;
    MailDomain state;
    Instant expires;
  };
  using Entries = std::list<Entry>;  // oldest first

  void Ask(const std::shared_ptr<Inquiry>& inquiry, const std::string& name,
           DnsType type);
  void AskAddresses(const std::shared_ptr<Inquiry>& inquiry,
                    const std::string& host);
  void AskNextExchanges(const std::shared_ptr<Inquiry>& inquiry);
  void Take(const std::shared_ptr<Inquiry>& inquiry, DnsType type,
            const DnsAnswer& answer);
  void TakeExchanges(const std::shared_ptr<Inquiry>& inquiry,
                     const DnsAnswer& answer);
  void Settle(const std::shared_ptr<Inquiry>& inquiry, MailDomain state);
  void Put(const std::string& domain, MailDomain state, Instant expires);

  asio::io_context& loop_;
  Resolver& resolver_;
  const MailDomainOptions options_;
  mutable std::mutex mutex_;
  Entries entries_;  // by mutex_
  // By mutex_.
  absl::flat_hash_map<std::string_view, Entries::iterator> places_;
  absl::flat_hash_map<std::string, std::shared_ptr<Inquiry>> inquiries_;
  // Tells answers that come late that this is gone; owns nothing.
  std::shared_ptr<MailDomains> self_{this, [](MailDomains*) {}};
};

}  // namespace breakwater
