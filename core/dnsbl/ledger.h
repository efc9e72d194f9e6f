#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/zones/zone_answer.h"

namespace breakwater {

// Lists count by the day, so that ours is the calendar's, in UTC.
using UtcDay = std::chrono::sys_days;
inline UtcDay Today() {
  return std::chrono::floor<std::chrono::days>(
      std::chrono::system_clock::now());
}

// How long answers take, by about the last ten thousand of them. A quantile is
// right to an eighth. Fixed in size.
class LatencyQuantiles {
 public:
  void Add(std::chrono::microseconds took);
  // Nothing before the first answer; `share` is from 0 to 1.
  std::optional<std::chrono::microseconds> Quantile(double share) const;

 private:
  // Four to each power of two, from 16 microseconds to 16 seconds.
  std::array<uint32_t, 80> counts_{};
  uint32_t total_ = 0;
};

// What a zone is asked for.
enum class Question : uint8_t {
  kListing,  // A, about a client
  kReason,   // TXT, the zone's own words about a listing
  kProbe,    // its test entries
};
inline constexpr size_t kQuestions = static_cast<size_t>(Question::kProbe) + 1;

const char* QuestionName(Question question);  // "a", "txt", "probe"

// Why a question was not needed.
enum class Saving : uint8_t {
  kCache,   // the answer was still known
  kJoined,  // a session waited for another's question
  kBan,     // the client was banned already
  kBudget,  // the day's questions are spent, or nearly
};
inline constexpr size_t kSavings = static_cast<size_t>(Saving::kBudget) + 1;

const char* SavingName(Saving saving);  // "cache", "joined", "ban", "budget"

struct Tally {
  std::array<uint64_t, kQuestions> asked{};        // by Question
  std::array<uint64_t, kSavings> saved{};          // by Saving
  std::array<uint64_t, kZoneOutcomes> outcomes{};  // of Question::kListing

  uint64_t of(Question question) const {
    return asked[static_cast<size_t>(question)];
  }
  uint64_t of(Saving saving) const {
    return saved[static_cast<size_t>(saving)];
  }
  uint64_t of(ZoneOutcome outcome) const {
    return outcomes[static_cast<size_t>(outcome)];
  }
  void Add(const Tally& other);
  uint64_t questions() const;  // of all kinds
  uint64_t errors() const;     // the zone's faults
  bool operator==(const Tally&) const = default;
};

// Of one zone, on one day.
struct ZoneDay {
  std::string label;
  UtcDay day;
  Tally tally;
  bool operator==(const ZoneDay&) const = default;
};

// What a zone costs and gives: the questions that it was asked and those that
// it was spared, today and since the start, held against a budget for the day.
//
// From four fifths of the budget on the zone is asked sparingly: last, when the
// others have not settled the matter, only about networks of which it was not
// asked that day (question_shares.h), and never for its words. When the budget
// is spent it is not asked about clients any more until the day ends, and mail
// passes by what the others say. Each is said in the log once a day:
//
//   event=zone-budget zone=L asked=240000 budget=300000 left=60000
//
// A question counts when it has ended; those about clients that are under way
// are the caller's to tell. Tests of the zone are never withheld. Counts begin
// at zero when the daemon starts, but for what Restore tells. Pure but for the
// log; loop thread only.
class ZoneLedger {
 public:
  explicit ZoneLedger(std::string label) : label_(std::move(label)) {}

  // Questions a day; 0: no limit.
  void SetBudget(uint64_t daily);
  uint64_t budget() const { return budget_; }

  // A question has ended, after a time that may not be known. One that was
  // never sent costs nothing.
  void NoteQuestion(Question question, ZoneOutcome outcome,
                    std::optional<std::chrono::microseconds> took,
                    UtcDay today);
  void NoteSaving(Saving saving, UtcDay today);

  enum class Allowance : uint8_t { kFree, kSparing, kSpent };
  Allowance allowance(UtcDay today, uint64_t under_way = 0) const;

  // What was on a day before we began counts as that day's, too, and against
  // its budget. A day that is yet to come, by a clock that was wrong, is today.
  void Restore(const ZoneDay& earlier, UtcDay today);
  ZoneDay day() const;

  const Tally& total() const { return total_; }
  Tally today(UtcDay today) const;
  const LatencyQuantiles& latency() const { return latency_; }

 private:
  void TurnTo(UtcDay today);
  bool IsAnotherDay(UtcDay today) const;
  void Warn(UtcDay today);

  const std::string label_;
  uint64_t budget_ = 0;
  Tally total_;
  Tally today_;  // of day_
  UtcDay day_{};
  Allowance said_ = Allowance::kFree;  // on day_
  LatencyQuantiles latency_;
};

}  // namespace breakwater
