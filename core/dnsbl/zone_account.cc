#include "core/dnsbl/zone_account.h"

#include "absl/random/random.h"
#include "core/base/log.h"

namespace breakwater {

using Allowance = ZoneLedger::Allowance;

namespace {

// How long it is remembered that somebody has had its share.
constexpr auto kHeldLately = std::chrono::minutes(10);

}  // namespace

ZoneAccount::ZoneAccount(const std::string& label, Metrics& metrics)
    : label_(label),
      metrics_(metrics),
      ledger_(label),
      cache_hits_(metrics.CacheHits(label)),
      seconds_(metrics.DnsSeconds(label)),
      queries_today_(metrics.QueriesToday(label)),
      daily_budget_(metrics.DailyBudget(label)) {}

void ZoneAccount::SetBudget(uint64_t daily) {
  if (daily == 0) {
    shares_.reset();
  } else if (shares_ == nullptr || daily != ledger_.budget()) {
    absl::BitGen random;
    shares_ = std::make_unique<QuestionShares>(daily,
                                               absl::Uniform<uint64_t>(random));
  }
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
    counter = &metrics_.DnsQueries(label_, QuestionName(question),
                                   ZoneOutcomeName(outcome));
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
  if (counter == nullptr) {
    counter = &metrics_.DnsSaved(label_, SavingName(saving));
  }
  counter->Increment();
}

QuestionShares* ZoneAccount::SharesOfToday() {
  if (shares_ == nullptr) return nullptr;
  const UtcDay today = Today();
  if (today != shares_day_) {
    shares_day_ = today;
    shares_->Clear();
    held_.reset();
  }
  return shares_.get();
}

bool ZoneAccount::MayAsk(const IpAddress& client) {
  const QuestionShares* shares = SharesOfToday();
  if (shares == nullptr) return true;
  switch (ledger_.allowance(Today(), under_way_)) {
    case Allowance::kSpent:
      return false;
    case Allowance::kSparing:
      return shares->IsForReserve(client);
    case Allowance::kFree:
      break;
  }
  return !shares->FindSpent(client);
}

void ZoneAccount::NoteAsking(const IpAddress& client) {
  ++under_way_;
  if (QuestionShares* shares = SharesOfToday()) shares->Note(client);
}

void ZoneAccount::NoteWithheld(const IpAddress& client) {
  NoteSaving(Saving::kBudget);
  const QuestionShares* shares = SharesOfToday();
  if (shares == nullptr) return;
  const auto spent = shares->FindSpent(client);
  if (!spent) return;
  held_ = {.network = spent->network,
           .share = spent->share,
           .withheld = (held_ ? held_->withheld : 0) + 1,
           .last = Clock::now()};
  if (!lines_.Admit()) return;
  Log(Severity::kWarning, "zone-share")
      .Add("zone", label_)
      .Add("network", spent->network.ToString())
      .Add("share", spent->share)
      .Add("withheld", held_->withheld);
}

std::optional<HeldShare> ZoneAccount::held(Instant now) const {
  if (!held_ || now >= held_->last + kHeldLately) return std::nullopt;
  return held_;
}

bool ZoneAccount::is_free() const {
  return ledger_.budget() == 0 ||
         ledger_.allowance(Today(), under_way_) == Allowance::kFree;
}

void ZoneAccount::UpdateGauges() {
  queries_today_.Set(static_cast<double>(ledger_.today(Today()).questions()));
}

}  // namespace breakwater
