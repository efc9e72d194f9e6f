#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/dns/resolver.h"
#include "core/dnsbl/answer_cache.h"
#include "core/dnsbl/lists.h"
#include "core/dnsbl/zone_account.h"
#include "core/ports/metrics.h"
#include "core/rules/dns_options.h"
#include "core/zones/subject.h"
#include "core/zones/zone_answer.h"
#include "core/zones/zone_health.h"
#include "core/zones/zone_prober.h"
#include "core/zones/zone_proven.h"

namespace breakwater {

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
  asio::awaitable<Answers> LookupNames(IpAddress client,
                                       std::vector<AskedName> names,
                                       Answers known,
                                       Instant deadline) override;
  asio::awaitable<std::string> ReasonText(IpAddress client,
                                          std::string zone_name) override;
  asio::awaitable<std::string> ReasonText(IpAddress client, std::string name,
                                          std::string zone_name) override;
  bool MayBan(const std::string& label, const IpAddress& client) override;
  void SetLieListener(LieListener listener) override;

  // Each zone's answer asked now, past the cache, for `breakwater explain`: one
  // entry for each zone of the rules that can be asked about an address, or, of
  // whatever kind the name is, about a name; in their order. Changes nothing
  // but the zones' health. Takes the deadline, and the one for reasons, at
  // most.
  struct ZoneReport {
    size_t zone = 0;
    ZoneAnswer answer{.outcome = ZoneOutcome::kTimeout};
    std::vector<uint32_t> addresses;  // all that came, host order
    std::string text;                 // TXT as received, when listed
    bool believed = true;             // the zone, so that this counts
    bool may_ban = true;
    Duration took{};
  };
  asio::awaitable<std::vector<ZoneReport>> Ask(Subject subject);

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
  // Each zone's last day on which anything was; and what was before we began,
  // of the zones that the rules have.
  std::vector<ZoneDay> Days() const;
  void Restore(const std::vector<ZoneDay>& earlier);
  // Since when each zone is in use and when it was last proven true, to outlive
  // us; to be restored when the bans of before are.
  std::vector<ZoneProven> Proofs() const;
  void Restore(const std::vector<ZoneProven>& proofs);
  // Those that change with the time alone.
  void UpdateGauges();

  size_t cached_clients() const { return cache_.addresses(); }
  size_t cached_names() const { return cache_.names(); }
  size_t cache_bytes() const { return cache_.bytes(); }

 private:
  struct Wait;       // for answers, until a deadline
  struct Round;      // one lookup's questions under way
  struct Report;     // the same for Ask
  struct Tests;      // of zones, under way
  struct ZoneState;  // a zone's health and counters
  using ZoneStates = std::vector<std::shared_ptr<ZoneState>>;

  // One of those whom a lookup is about: an address, or names.
  struct Target {
    Subject subject;
    std::optional<NameKind> kind = {};  // of a name
  };
  // What is asked of a zone of the rules about one of the targets.
  struct ZoneQuestion {
    size_t zone = 0;
    size_t target = 0;
    bool operator==(const ZoneQuestion&) const = default;
  };
  // In the zones' order.
  using ZoneQuestions = std::vector<ZoneQuestion>;
  // Who waits for the answer to one question.
  struct Asker {
    std::shared_ptr<Round> round;
    ZoneQuestion question;
  };
  using Askers = std::vector<Asker>;

  ZoneQuestions QuestionsAboutAddress() const;
  static ZoneQuestions QuestionsAboutNames(const Rules& rules,
                                           const std::vector<Target>& names);
  // Zones that may yet speak about a client when all that know its address have
  // spoken.
  std::vector<size_t> ZonesToCome() const;
  // Puts what is known into the answers and returns what is to be asked on
  // behalf of `who`.
  ZoneQuestions FillFromCache(const IpAddress& who,
                              const std::vector<Target>& targets,
                              const ZoneQuestions& questions,
                              Answers& answers) const;
  // Puts into the answers which zones have said nothing since then, and before
  // that nothing that still holds.
  void AddUnheard(const std::vector<Target>& targets,
                  const ZoneQuestions& questions, Instant since,
                  Answers& answers) const;
  void NoteUnheard(Round& round) const;
  // The questions need not be asked, but for those that are missing.
  void CountSaved(const IpAddress& who, const std::vector<Target>& targets,
                  const ZoneQuestions& questions, const ZoneQuestions& missing);
  // The answers to those questions, from the cache and from the zones.
  asio::awaitable<Answers> Answer(std::shared_ptr<Round> round,
                                  ZoneQuestions questions);
  static asio::awaitable<Answers> RunRound(std::weak_ptr<Dnsbl> weak,
                                           std::shared_ptr<Round> round);
  // Asks the zones of the next stage. Not to be called when none is left.
  void AskStage(const std::shared_ptr<Round>& round);
  void Send(const std::shared_ptr<Round>& round, const ZoneQuestion& question);
  // The zone's questions of the day may have gone to others meanwhile.
  void Withhold(Round& round, const ZoneQuestion& question);
  // Lets what was known before serve for what has not been answered.
  void FillFromPast(Round& round);
  // The zone's last answer, unless it is too old even for a zone that does not
  // answer.
  std::optional<uint32_t> Stale(const Round& round,
                                const ZoneQuestion& question) const;
  // An answer came, in time or late.
  void Take(const Round& round, const ZoneQuestion& question,
            const ZoneAnswer& read, const DnsAnswer& answer);
  void Count(ZoneState& state, Question question, ZoneOutcome outcome,
             std::optional<Instant> asked);
  ZoneProber::Subject SubjectOf(const std::shared_ptr<ZoneState>& state);
  void NoteTrust(ZoneState& state, const ZoneStates& states,
                 const ZoneAnswer& read, Instant now);
  void ShowTrust(ZoneState& state);
  void TellLie(const ZoneState& state, const ZoneTrust::Lie& lie);
  asio::awaitable<std::string> AskReason(IpAddress who, Subject subject,
                                         std::string zone_name);
  void AskZone(const Subject& subject, size_t place,
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
  AnswerCache cache_;
  // Questions about names that are on their way, by the name in the DNS; those
  // about addresses are joined by the screener.
  absl::flat_hash_map<std::string, std::shared_ptr<Askers>> under_way_;
  std::optional<Instant> overload_said_;
  LieListener lie_listener_;
  absl::BitGen random_;
  ZoneProber prober_;
  // Tells answers that come late that this is gone; owns nothing.
  std::shared_ptr<Dnsbl> self_{this, [](Dnsbl*) {}};
};

}  // namespace breakwater
