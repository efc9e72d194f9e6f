#include "core/dnsbl/ledger.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/base/log.h"

namespace breakwater {
namespace {

using std::chrono::microseconds;

// At this many answers each of them comes to weigh half.
constexpr uint32_t kWeighed = 16'384;

constexpr int kSmallest = 4;  // of the units below: the first bucket's

// Buckets are counted in units of 4 microseconds.
size_t BucketOf(microseconds took, size_t buckets) {
  const auto units =
      static_cast<uint64_t>(std::max<int64_t>(took.count() / 4, kSmallest));
  const int octave =
      static_cast<int>(std::bit_width(units)) - 3;  // of 4 to 7 units: 0
  const size_t quarter = units >> octave & 3;
  return std::min(static_cast<size_t>(octave) * 4 + quarter, buckets - 1);
}

microseconds MiddleOf(size_t bucket) {
  const uint64_t first = (4 + bucket % 4) << bucket / 4;
  const uint64_t width = uint64_t{1} << bucket / 4;
  return microseconds(first * 4 + width * 2);
}

}  // namespace

void LatencyQuantiles::Add(microseconds took) {
  ++counts_[BucketOf(took, counts_.size())];
  if (++total_ < kWeighed) return;
  for (uint32_t& count : counts_) count /= 2;
  total_ = std::accumulate(counts_.begin(), counts_.end(), 0u);
}

std::optional<microseconds> LatencyQuantiles::Quantile(double share) const {
  if (total_ == 0) return std::nullopt;
  const double wanted = std::clamp(share, 0.0, 1.0) * total_;
  const uint32_t rank =
      std::max<uint32_t>(static_cast<uint32_t>(std::ceil(wanted)), 1);
  uint32_t seen = 0;
  size_t bucket = 0;
  while ((seen += counts_[bucket]) < rank) ++bucket;
  return MiddleOf(bucket);
}

const char* QuestionName(Question question) {
  switch (question) {
    case Question::kListing:
      return "a";
    case Question::kReason:
      return "txt";
    case Question::kProbe:
      return "probe";
  }
  return "?";
}

const char* SavingName(Saving saving) {
  switch (saving) {
    case Saving::kCache:
      return "cache";
    case Saving::kJoined:
      return "joined";
    case Saving::kBan:
      return "ban";
    case Saving::kBudget:
      return "budget";
  }
  return "?";
}

void Tally::Add(const Tally& other) {
  const auto add = [](auto& counts, const auto& others) {
    std::ranges::transform(counts, others, counts.begin(), std::plus());
  };
  add(asked, other.asked);
  add(saved, other.saved);
  add(outcomes, other.outcomes);
}

uint64_t Tally::questions() const {
  return std::accumulate(asked.begin(), asked.end(), uint64_t{0});
}

uint64_t Tally::errors() const {
  uint64_t result = 0;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (IsZoneFault(static_cast<ZoneOutcome>(i))) result += outcomes[i];
  }
  return result;
}

void ZoneLedger::SetBudget(uint64_t daily) {
  if (daily == budget_) return;
  budget_ = daily;
  said_ = Allowance::kFree;
}

void ZoneLedger::NoteQuestion(Question question, ZoneOutcome outcome,
                              std::optional<microseconds> took, UtcDay today) {
  TurnTo(today);
  for (Tally* tally : {&total_, &today_}) {
    if (question == Question::kListing) {
      ++tally->outcomes[static_cast<size_t>(outcome)];
    }
    if (outcome == ZoneOutcome::kOverloaded) continue;
    ++tally->asked[static_cast<size_t>(question)];
  }
  if (took && outcome < ZoneOutcome::kOverloaded) latency_.Add(*took);
  Warn(today);
}

void ZoneLedger::NoteSaving(Saving saving, UtcDay today) {
  TurnTo(today);
  for (Tally* tally : {&total_, &today_}) {
    ++tally->saved[static_cast<size_t>(saving)];
  }
}

ZoneLedger::Allowance ZoneLedger::allowance(UtcDay today,
                                            uint64_t under_way) const {
  if (budget_ == 0) return Allowance::kFree;
  const uint64_t asked =
      under_way + (IsAnotherDay(today) ? 0 : today_.questions());
  if (asked >= budget_) return Allowance::kSpent;
  // So that no budget is too large to be multiplied.
  return asked >= budget_ - budget_ / 5 ? Allowance::kSparing
                                        : Allowance::kFree;
}

void ZoneLedger::Restore(const ZoneDay& earlier, UtcDay today) {
  const UtcDay day = std::min(earlier.day, today);
  if (day < day_) return;
  TurnTo(day);
  today_.Add(earlier.tally);
}

ZoneDay ZoneLedger::day() const {
  return {.label = label_, .day = day_, .tally = today_};
}

Tally ZoneLedger::today(UtcDay today) const {
  return IsAnotherDay(today) ? Tally{} : today_;
}

// A clock that is set back a little at midnight has not begun the day again.
bool ZoneLedger::IsAnotherDay(UtcDay today) const {
  return today > day_ || today < day_ - std::chrono::days(1);
}

void ZoneLedger::TurnTo(UtcDay today) {
  if (!IsAnotherDay(today)) return;
  day_ = today;
  today_ = {};
  said_ = Allowance::kFree;
}

void ZoneLedger::Warn(UtcDay today) {
  const Allowance now = allowance(today);
  if (now <= said_) return;
  said_ = now;
  const uint64_t asked = today_.questions();
  Log(Severity::kWarning, "zone-budget")
      .Add("zone", label_)
      .Add("asked", asked)
      .Add("budget", budget_)
      .Add("left", asked < budget_ ? budget_ - asked : 0);
}

}  // namespace breakwater
