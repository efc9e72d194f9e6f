#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/base/log_limit.h"
#include "core/dnsbl/ledger.h"
#include "core/dnsbl/question_shares.h"
#include "core/net/address.h"
#include "core/ports/metrics.h"
#include "core/zones/zone_health.h"

namespace breakwater {

// A zone's ledger by the clock on the wall, and the metrics of the same things;
// and who may still be asked about. Questions count from when they are sent, so
// that those under way do not exceed budget or share. Says in the log, once in
// a minute, who has had its share:
//
//   event=zone-share zone=L network=2001:db8::/48 share=15000 withheld=17
//
// Loop thread only; the metrics must outlive it.
class ZoneAccount {
 public:
  ZoneAccount(const std::string& label, Metrics& metrics);

  void SetBudget(uint64_t daily);
  // A question has ended; `asked` is when it began, where that is known.
  void NoteQuestion(Question question, ZoneOutcome outcome,
                    std::optional<Instant> asked);
  void NoteSaving(Saving saving);

  // Whether a question about that client may be asked: see ZoneLedger and
  // QuestionShares.
  bool MayAsk(const IpAddress& client);
  // It is sent; then, that it has ended.
  void NoteAsking(const IpAddress& client);
  void NoteAnswered() { --under_way_; }
  // It may not be asked.
  void NoteWithheld(const IpAddress& client);
  // Of whom that was so lately, because of its share.
  std::optional<HeldShare> held(Instant now) const;

  void Restore(const ZoneDay& earlier) { ledger_.Restore(earlier, Today()); }

  // Whether the zone may be asked as ever.
  bool is_free() const;

  // The day may have ended with no question.
  void UpdateGauges();
  const ZoneLedger& ledger() const { return ledger_; }

 private:
  // Null where there is no budget.
  QuestionShares* SharesOfToday();

  const std::string label_;
  Metrics& metrics_;
  ZoneLedger ledger_;
  uint64_t under_way_ = 0;
  std::unique_ptr<QuestionShares> shares_;
  UtcDay shares_day_{};
  std::optional<HeldShare> held_;  // on that day
  LogLimit lines_{1, std::chrono::minutes(1)};
  prometheus::Counter& cache_hits_;
  prometheus::Histogram& seconds_;
  prometheus::Gauge& queries_today_;
  prometheus::Gauge& daily_budget_;
  // Made when first needed.
  std::array<std::array<prometheus::Counter*, kZoneOutcomes>, kQuestions>
      queries_{};
  std::array<prometheus::Counter*, kSavings> saved_{};
};

}  // namespace breakwater
