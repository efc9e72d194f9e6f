#include "core/dnsbl/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;
using std::chrono::microseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using Allowance = ZoneLedger::Allowance;

const UtcDay kDay{std::chrono::year{2026} / 11 / 21};

class ZoneLedgerTest : public testing::Test {
 protected:
  void Ask(int times, Question question = Question::kListing,
           ZoneOutcome outcome = ZoneOutcome::kNotListed) {
    for (int i = 0; i < times; ++i) {
      ledger_.NoteQuestion(question, outcome, 1ms, today_);
    }
  }
  // What the log says meanwhile.
  std::string LogOf(int times) {
    testing::internal::CaptureStderr();
    Ask(times);
    return testing::internal::GetCapturedStderr();
  }

  UtcDay today_ = kDay;
  ZoneLedger ledger_{"list"};
};

TEST_F(ZoneLedgerTest, CountsEachKindOfQuestion) {
  Ask(3);
  Ask(2, Question::kReason);
  Ask(1, Question::kProbe);
  EXPECT_EQ(ledger_.total().of(Question::kListing), 3u);
  EXPECT_EQ(ledger_.total().of(Question::kReason), 2u);
  EXPECT_EQ(ledger_.total().of(Question::kProbe), 1u);
  EXPECT_EQ(ledger_.total().questions(), 6u);
}

TEST_F(ZoneLedgerTest, WhatWasAskedBeforeTheStartCountsAgainstTheSameDay) {
  ledger_.SetBudget(10);
  ledger_.Restore({.label = "list", .day = kDay, .tally = {.asked = {5, 2, 2}}},
                  today_);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kSparing);
  EXPECT_THAT(LogOf(1), HasSubstr("event=zone-budget zone=list asked=10"));
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kSpent);
  EXPECT_EQ(ledger_.today(today_).of(Question::kListing), 6u);
  EXPECT_EQ(ledger_.total().questions(), 1u) << "since the start";
  EXPECT_EQ(ledger_.day(), (ZoneDay{"list", kDay, ledger_.today(today_)}));
  today_ += days(1);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kFree);
}

TEST_F(ZoneLedgerTest, WhatWasAskedOnAnEarlierDayDoesNotCount) {
  ledger_.SetBudget(10);
  Ask(1);
  ledger_.Restore(
      {.label = "list", .day = kDay - days(1), .tally = {.asked = {9}}},
      today_);
  EXPECT_EQ(ledger_.today(today_).questions(), 1u);
  ledger_.Restore({.label = "list", .day = kDay, .tally = {.asked = {2}}},
                  today_);
  EXPECT_EQ(ledger_.today(today_).questions(), 3u) << "with our own of today";
}

TEST_F(ZoneLedgerTest, ADayThatIsYetToComeIsToday) {
  ledger_.SetBudget(10);
  ledger_.Restore({.label = "list", .day = kDay + days(1), .tally = {{10}}},
                  today_);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kSpent);
  EXPECT_EQ(ledger_.allowance(today_ + days(1)), Allowance::kFree);
}

TEST_F(ZoneLedgerTest, OnlyAnswersAboutClientsAreListings) {
  Ask(3, Question::kListing, ZoneOutcome::kListed);
  Ask(2, Question::kReason, ZoneOutcome::kListed);
  Ask(1, Question::kProbe, ZoneOutcome::kListed);
  EXPECT_EQ(ledger_.total().of(ZoneOutcome::kListed), 3u);
}

TEST_F(ZoneLedgerTest, ErrorsAreTheZonesOwnFaults) {
  const struct {
    ZoneOutcome outcome;
    bool error;
  } kTable[] = {
      {ZoneOutcome::kListed, false},     {ZoneOutcome::kNotListed, false},
      {ZoneOutcome::kOddAnswer, true},   {ZoneOutcome::kTimeout, true},
      {ZoneOutcome::kRefused, true},     {ZoneOutcome::kGarbled, true},
      {ZoneOutcome::kOverloaded, false}, {ZoneOutcome::kCancelled, false},
  };
  for (const auto& row : kTable) {
    ZoneLedger ledger("list");
    ledger.NoteQuestion(Question::kListing, row.outcome, 1ms, kDay);
    EXPECT_EQ(ledger.total().errors(), row.error ? 1u : 0u)
        << ZoneOutcomeName(row.outcome);
  }
}

TEST_F(ZoneLedgerTest, WhatWasNeverSentCostsNothing) {
  Ask(5, Question::kListing, ZoneOutcome::kOverloaded);
  EXPECT_EQ(ledger_.total().questions(), 0u);
  EXPECT_EQ(ledger_.latency().Quantile(0.5), std::nullopt);
}

TEST_F(ZoneLedgerTest, TodayEndsWithTheDay) {
  Ask(7);
  ledger_.NoteSaving(Saving::kBan, today_);
  EXPECT_EQ(ledger_.today(kDay).questions(), 7u);
  // Nothing has been asked yet on the next one.
  EXPECT_EQ(ledger_.today(kDay + days(1)), Tally{});
  today_ += days(1);
  Ask(2);
  EXPECT_EQ(ledger_.today(today_).questions(), 2u);
  EXPECT_EQ(ledger_.today(today_).of(Saving::kBan), 0u);
  EXPECT_EQ(ledger_.total().questions(), 9u);
  EXPECT_EQ(ledger_.total().of(Saving::kBan), 1u);
}

TEST_F(ZoneLedgerTest, ABudgetIsUsedSparinglyFromFourFifthsOn) {
  const struct {
    uint64_t budget;
    int asked;
    Allowance allowance;
  } kTable[] = {
      {0, 100'000, Allowance::kFree}, {100, 0, Allowance::kFree},
      {100, 79, Allowance::kFree},    {100, 80, Allowance::kSparing},
      {100, 99, Allowance::kSparing}, {100, 100, Allowance::kSpent},
      {100, 150, Allowance::kSpent},  {1, 0, Allowance::kFree},
      {1, 1, Allowance::kSpent},      {UINT64_MAX, 500, Allowance::kFree},
  };
  for (const auto& row : kTable) {
    ZoneLedger ledger("list");
    ledger.SetBudget(row.budget);
    for (int i = 0; i < row.asked; ++i) {
      ledger.NoteQuestion(Question::kListing, ZoneOutcome::kListed, 1ms, kDay);
    }
    EXPECT_EQ(ledger.allowance(kDay), row.allowance)
        << row.asked << " of " << row.budget;
  }
}

TEST_F(ZoneLedgerTest, AllQuestionsAreOfTheBudget) {
  ledger_.SetBudget(3);
  Ask(1, Question::kReason);
  Ask(1, Question::kProbe);
  EXPECT_NE(ledger_.allowance(today_), Allowance::kSpent);
  Ask(1);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kSpent);
}

TEST_F(ZoneLedgerTest, TheNextDayHasItsOwnBudget) {
  ledger_.SetBudget(10);
  Ask(10);
  EXPECT_EQ(ledger_.allowance(kDay), Allowance::kSpent);
  EXPECT_EQ(ledger_.allowance(kDay + days(1)), Allowance::kFree);
}

TEST_F(ZoneLedgerTest, AClockSetBackAtMidnightGivesNoSecondBudget) {
  ledger_.SetBudget(10);
  Ask(10);
  today_ -= days(1);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kSpent);
  // One that was wrong by more is believed.
  today_ -= days(1);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kFree);
}

TEST_F(ZoneLedgerTest, SaysOnceADayThatTheBudgetIsNearlySpentAndThatItIs) {
  ledger_.SetBudget(10);
  EXPECT_THAT(LogOf(7), IsEmpty());
  EXPECT_THAT(
      LogOf(1),
      HasSubstr("event=zone-budget zone=list asked=8 budget=10 left=2"));
  EXPECT_THAT(LogOf(1), IsEmpty());
  EXPECT_THAT(LogOf(1), HasSubstr("asked=10 budget=10 left=0"));
  EXPECT_THAT(LogOf(5), IsEmpty());
  today_ += days(1);
  EXPECT_THAT(LogOf(12), AllOf(HasSubstr("asked=8"), HasSubstr("asked=10")));
}

TEST_F(ZoneLedgerTest, ARaisedBudgetIsWarnedOfAgain) {
  ledger_.SetBudget(10);
  Ask(10);
  ledger_.SetBudget(100);
  EXPECT_EQ(ledger_.allowance(today_), Allowance::kFree);
  EXPECT_THAT(LogOf(70), HasSubstr("asked=80 budget=100"));
}

TEST(LatencyQuantilesTest, KnowsNothingBeforeTheFirstAnswer) {
  EXPECT_EQ(LatencyQuantiles().Quantile(0.5), std::nullopt);
}

TEST(LatencyQuantilesTest, AreRightToAnEighth) {
  for (int64_t took = 16; took < 16'000'000; took = took * 11 / 10 + 1) {
    LatencyQuantiles quantiles;
    quantiles.Add(microseconds(took));
    const auto found = static_cast<double>(quantiles.Quantile(0.5)->count());
    EXPECT_NEAR(found / static_cast<double>(took), 1.0, 0.13) << took;
  }
}

TEST(LatencyQuantilesTest, HoldWhateverComes) {
  LatencyQuantiles quantiles;
  quantiles.Add(microseconds(-5));
  EXPECT_LT(quantiles.Quantile(1.0), 32us);
  quantiles.Add(1h);
  EXPECT_GT(quantiles.Quantile(1.0), 10s);
}

TEST(LatencyQuantilesTest, TellTheUsualFromTheWorst) {
  LatencyQuantiles quantiles;
  for (int i = 0; i < 98; ++i) quantiles.Add(1ms);
  for (int i = 0; i < 2; ++i) quantiles.Add(400ms);
  EXPECT_LT(quantiles.Quantile(0.5), 2ms);
  EXPECT_LT(quantiles.Quantile(0.98), 2ms);
  EXPECT_GT(quantiles.Quantile(0.99), 300ms);
}

TEST(LatencyQuantilesTest, ForgetOldTimes) {
  LatencyQuantiles quantiles;
  for (int i = 0; i < 10'000; ++i) quantiles.Add(400ms);
  for (int i = 0; i < 30'000; ++i) quantiles.Add(1ms);
  EXPECT_LT(quantiles.Quantile(0.5), 2ms);
}

}  // namespace
}  // namespace breakwater
