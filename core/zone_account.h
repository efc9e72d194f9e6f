#pragma once

#include <array>
#include <optional>
#include <string>

#include "core/clock.h"
#include "core/ledger.h"
#include "core/metrics.h"

namespace breakwater {

// A zone's ledger by the clock on the wall, and the metrics of the same things.
// Loop thread only; the metrics must outlive it.
class ZoneAccount {
 public:
  ZoneAccount(const std::string& label, Metrics& metrics);

  void SetBudget(uint64_t daily);
  // A question has ended; `asked` is when it began, where that is known.
  void NoteQuestion(Question question, ZoneOutcome outcome,
                    std::optional<Instant> asked);
  void NoteSaving(Saving saving);

  void Restore(const ZoneDay& earlier) { ledger_.Restore(earlier, Today()); }

  // Whether a question may be asked as ever, and whether one may at all.
  bool is_free() const;
  bool is_spent() const;

  // The day may have ended with no question.
  void UpdateGauges();
  const ZoneLedger& ledger() const { return ledger_; }

 private:
  const std::string label_;
  Metrics& metrics_;
  ZoneLedger ledger_;
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
