#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/dns_options.h"
#include "core/listing_cache.h"
#include "core/lists.h"
#include "core/metrics.h"
#include "core/resolver.h"
#include "core/zone_account.h"
#include "core/zone_answer.h"
#include "core/zone_health.h"
#include "core/zone_prober.h"

namespace breakwater {

// The name to ask for: reversed octets (RFC 5782 section 2.1) or reversed
// nibbles (section 2.4) before the zone's name. IPv4-mapped is IPv4.
std::string DnsblName(const IpAddress& client, std::string_view zone);

// The DNS lists themselves. See lists.h for the contract. Loop thread only.
//
// Everything that the constructor takes must outlive it. It may itself go while
// lookups wait: they then end at their deadline, or when the resolver goes.
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
  asio::awaitable<Answers> LookupNames(std::vector<AskedName> names,
                                       Answers known,
                                       Instant deadline) override;
  bool AsksAbout(NameKind kind) const override;
  asio::awaitable<std::string> ReasonText(IpAddress client,
                                          std::string zone_name) override;
  asio::awaitable<std::string> ReasonText(std::string name,
                                          std::string zone_name) override;
  bool MayBan(const std::string& label, const IpAddress& client) override;
  void SetLieListener(LieListener listener) override;

  // Each zone's answer asked now, past the cache, for `breakwater explain`:
  // one entry for each zone of the rules, in their order. Changes nothing but
  // the zones' health. Takes the deadline, and the one for reasons, at most.
  struct ZoneReport {
    size_t zone = 0;
    ZoneAnswer answer{.outcome = ZoneOutcome::kTimeout};
    std::vector<uint32_t> addresses;  // all that came, host order
    std::string text;                 // TXT as received, when listed
    bool believed = true;             // the zone, so that this counts
    bool may_ban = true;
    Duration took{};
  };
  asio::awaitable<std::vector<ZoneReport>> Ask(IpAddress client);

  // Asks the zones' test entries now, for `breakwater zones test`: one entry
  // for each of them. Changes nothing.
  struct ZoneTest {
    size_t zone = 0;
    ZoneProbe probe;
    Duration took{};
  };
  asio::awaitable<std::vector<ZoneTest>> Test(std::vector<size_t> zones);

  void NoteSaving(const IpAddress& client, Saving saving) override;

  // How each zone of the rules has answered, in their order, and what it costs;
  // the ledgers are good until the rules change.
  std::vector<ZoneHealth> Health() const;
  std::vector<const ZoneLedger*> Ledgers() const;
  // Those that change with the time alone.
  void UpdateGauges();

  size_t cached_clients() const { return cache_.size(); }
  size_t cache_bytes() const { return cache_.bytes(); }

 private:
  struct Wait;       // for answers, until a deadline
  struct Round;      // one client's questions under way
  struct Report;     // the same for Ask
  struct Tests;      // of zones, under way
  struct ZoneState;  // a zone's health and counters
  using ZoneStates = std::vector<std::shared_ptr<ZoneState>>;

  // Puts what is known into the answers and returns the zones to ask.
  std::vector<size_t> FillFromCache(const IpAddress& client,
                                    Answers& answers) const;
  // The zones need not be asked, but for those that are missing.
  void CountSaved(const IpAddress& client, const std::vector<size_t>& missing);
  // Asks the zones of the next stage. Not to be called when none is left.
  void AskStage(const std::shared_ptr<Round>& round);
  // Lets what was known before serve for the zones that have not answered.
  void FillFromPast(Round& round);
  // The zone's last answer about the client, unless it is too old even for a
  // zone that does not answer.
  std::optional<uint32_t> Stale(const Round& round, size_t zone) const;
  // An answer came, in time or late.
  void Take(const Round& round, size_t zone, const ZoneAnswer& read,
            const DnsAnswer& answer);
  void Count(ZoneState& state, Question question, ZoneOutcome outcome,
             std::optional<Instant> asked);
  ZoneProber::Subject SubjectOf(const std::shared_ptr<ZoneState>& state);
  void NoteTrust(ZoneState& state, const ZoneStates& states,
                 const ZoneAnswer& read, Instant now);
  void ShowTrust(ZoneState& state);
  void TellLie(const ZoneState& state, const ZoneTrust::Lie& lie);
  void AskZone(const IpAddress& client, size_t zone,
               const std::shared_ptr<Report>& report);
  // Holds no Dnsbl while it waits; loop and resolver outlive it.
  static asio::awaitable<void> TestZone(
      asio::io_context& loop, Resolver& resolver, std::weak_ptr<Dnsbl> dnsbl,
      std::shared_ptr<Tests> tests, size_t place,
      std::shared_ptr<ZoneState> state, std::string random_label);

  asio::io_context& loop_;
  Resolver& resolver_;
  Metrics& metrics_;
  DnsblOptions options_;
  std::shared_ptr<const Rules> rules_;
  // By zone of the rules. Another vector whenever the zones change, so a round
  // knows by it whether its zones are still those of the cache.
  std::shared_ptr<const ZoneStates> states_;
  ListingCache cache_;
  std::optional<Instant> overload_said_;
  LieListener lie_listener_;
  absl::BitGen random_;
  ZoneProber prober_;
  // Tells answers that come late that this is gone; owns nothing.
  std::shared_ptr<Dnsbl> self_{this, [](Dnsbl*) {}};
};

}  // namespace breakwater
