#include "core/zone_account.h"

namespace breakwater {

using Allowance = ZoneLedger::Allowance;

ZoneAccount::ZoneAccount(const std::string& label, Metrics& metrics)
    : label_(label),
      metrics_(metrics),
      ledger_(label),
      cache_hits_(metrics.CacheHits(label)),
      seconds_(metrics.DnsSeconds(label)),
      queries_today_(metrics.QueriesToday(label)),
      daily_budget_(metrics.DailyBudget(label)) {}

void ZoneAccount::SetBudget(uint64_t daily) {
  ledger_.SetBudget(daily);
  daily_budget_.Set(static_cast<double>(daily));
}

void ZoneAccount::NoteQuestion(Question question, ZoneOutcome outcome,
                               std::optional<Instant> asked) {
  std::optional<std::chrono::microseconds> took;
  if (asked) {
    const auto since = Clock::now() - *asked;
    took = std::chrono::duration_cast<std::chrono::microseconds>(since);
    seconds_.Observe(std::chrono::duration<double>(since).count());
  }
  ledger_.NoteQuestion(question, outcome, took, Today());
  prometheus::Counter*& counter =
      queries_[static_cast<size_t>(question)][static_cast<size_t>(outcome)];
  if (counter == nullptr) {
    counter = &metrics_.DnsQueries(label_, question, outcome);
  }
  counter->Increment();
}

void ZoneAccount::NoteSaving(Saving saving) {
  ledger_.NoteSaving(saving, Today());
  if (saving == Saving::kCache) {
    cache_hits_.Increment();
    return;
  }
  prometheus::Counter*& counter = saved_[static_cast<size_t>(saving)];
  if (counter == nullptr) counter = &metrics_.DnsSaved(label_, saving);
  counter->Increment();
}

bool ZoneAccount::is_free() const {
  return ledger_.budget() == 0 ||
         ledger_.allowance(Today()) == Allowance::kFree;
}

bool ZoneAccount::is_spent() const {
  return ledger_.budget() != 0 &&
         ledger_.allowance(Today()) == Allowance::kSpent;
}

void ZoneAccount::UpdateGauges() {
  queries_today_.Set(static_cast<double>(ledger_.today(Today()).questions()));
}

}  // namespace breakwater
