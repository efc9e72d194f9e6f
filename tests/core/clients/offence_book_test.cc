#include "core/clients/offence_book.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const Network kClient = Network::OfClient(*IpAddress::Parse("192.0.2.1"));
const Network kOther = Network::OfClient(*IpAddress::Parse("192.0.2.2"));

Network NthClient(uint32_t n) {
  return Network::OfClient(IpAddress::FromV4(0x0a000000 + n));
}

TEST(OffenceBookTest, CountsEachClientAndKindForItself) {
  OffenceBook book(10);
  const Instant now = Clock::now();
  const auto note = [&](const Network& who, OffenceKind kind) {
    return book.Note(who, kind, minutes(1), now);
  };
  EXPECT_EQ(note(kClient, OffenceKind::kTrap), 1u);
  EXPECT_EQ(note(kClient, OffenceKind::kTrap), 2u);
  EXPECT_EQ(note(kClient, OffenceKind::kRelay), 1u);
  EXPECT_EQ(note(kOther, OffenceKind::kTrap), 1u);
  EXPECT_EQ(book.Count(kClient, OffenceKind::kTrap, minutes(1), now), 2u);
  EXPECT_EQ(book.Count(kClient, OffenceKind::kSpam, minutes(1), now), 0u);
}

TEST(OffenceBookTest, WhatWasOnRecordCountsOnWhereItEnded) {
  OffenceBook before(10);
  const Instant begin = Clock::now() - minutes(15);
  for (int i = 0; i < 4; ++i) {
    before.Note(kClient, OffenceKind::kRelay, minutes(10), begin);
  }
  before.Note(kClient, OffenceKind::kTrap, minutes(10), begin + minutes(12));
  before.Note(kClient, OffenceKind::kRelay, minutes(10), begin + minutes(12));
  OffenceBook after(10);
  for (const OffenceBook::Entry& entry : before.Entries(kClient)) {
    after.Restore(entry);
  }
  EXPECT_EQ(after.Networks(), std::vector{kClient});
  for (const auto kind : {OffenceKind::kRelay, OffenceKind::kTrap}) {
    for (const auto later : {minutes(13), minutes(15), minutes(30)}) {
      EXPECT_EQ(after.Count(kClient, kind, minutes(10), begin + later),
                before.Count(kClient, kind, minutes(10), begin + later));
    }
  }
  EXPECT_GT(after.Count(kClient, OffenceKind::kRelay, minutes(10),
                        begin + minutes(13)),
            1u);
}

TEST(OffenceBookTest, WhatIsOnRecordAlreadyIsNotOverwritten) {
  OffenceBook book(10);
  const Instant now = Clock::now();
  book.Note(kClient, OffenceKind::kTrap, minutes(1), now);
  book.Restore({.who = kClient,
                .kind = OffenceKind::kTrap,
                .count = 9,
                .begin = now,
                .last = now});
  EXPECT_EQ(book.Count(kClient, OffenceKind::kTrap, minutes(1), now), 1u);
}

TEST(OffenceBookTest, AnIpv6ClientIsIts64) {
  OffenceBook book(10);
  const Instant now = Clock::now();
  for (const char* address : {"2001:db8::1", "2001:db8::2"}) {
    book.Note(Network::OfClient(*IpAddress::Parse(address)), OffenceKind::kTrap,
              minutes(1), now);
  }
  EXPECT_EQ(book.size(), 1u);
}

TEST(OffenceBookTest, WhatIsOlderThanTheWindowDoesNotCount) {
  OffenceBook book(10);
  const Instant now = Clock::now();
  const auto count = [&](Duration later) {
    return book.Count(kClient, OffenceKind::kTrap, minutes(1), now + later);
  };
  book.Note(kClient, OffenceKind::kTrap, minutes(1), now);
  EXPECT_EQ(count(seconds(59)), 1u);
  EXPECT_EQ(count(seconds(61)), 0u);
  EXPECT_EQ(count(minutes(100)), 0u);
  EXPECT_EQ(
      book.Note(kClient, OffenceKind::kTrap, minutes(1), now + minutes(100)),
      1u);
}

TEST(OffenceBookTest, AcrossTheEndOfAWindowTheOldOnesFadeAway) {
  OffenceBook book(10);
  const Instant now = Clock::now();
  for (int i = 0; i < 10; ++i) {
    book.Note(kClient, OffenceKind::kTrap, minutes(1), now + seconds(50));
  }
  const auto at = [&](int second) {
    return book.Note(kClient, OffenceKind::kTrap, minutes(1),
                     now + seconds(50 + second));
  };
  EXPECT_EQ(at(90), 6u);   // half of the ten, and this one
  EXPECT_EQ(at(119), 2u);  // and that one
}

TEST(OffenceBookTest, StandsWhenTheRuleIsOnAndWasBrokenOftenEnough) {
  OffenceBook book(10);
  OffenceRules rules;
  const auto rule = [&rules](OffenceKind kind) -> OffenceRule& {
    return rules[kind];
  };
  rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn, .after = 2};
  rule(OffenceKind::kRelay) = {.mode = OffenceMode::kObserve};
  const Instant now = Clock::now();
  const auto note = [&](OffenceKind kind) {
    book.Note(kClient, kind, std::chrono::hours(1), now);
  };
  note(OffenceKind::kTrap);
  note(OffenceKind::kRelay);
  note(OffenceKind::kSpam);
  EXPECT_TRUE(book.Standing(kClient, rules, now).empty());
  note(OffenceKind::kTrap);
  EXPECT_EQ(book.Standing(kClient, rules, now),
            OffenceKinds{OffenceKind::kTrap});
  EXPECT_TRUE(
      book.Standing(kClient, rules, now + std::chrono::hours(2)).empty());
  EXPECT_TRUE(book.Standing(kOther, rules, now).empty());
}

TEST(OffenceBookTest, AFloodOfClientsForgetsThoseWhoHaveBeenGoodForLongest) {
  OffenceBook book(100);
  const Instant now = Clock::now();
  book.Note(kClient, OffenceKind::kTrap, minutes(1), now);
  for (uint32_t n = 0; n < 1000; ++n) {
    book.Note(NthClient(n), OffenceKind::kTrap, minutes(1), now);
    if (n % 50 == 0) book.Note(kOther, OffenceKind::kTrap, minutes(1), now);
  }
  EXPECT_EQ(book.size(), 100u);
  EXPECT_EQ(book.Count(kClient, OffenceKind::kTrap, minutes(1), now), 0u);
  EXPECT_EQ(book.Count(kOther, OffenceKind::kTrap, minutes(1), now), 20u);
  EXPECT_LT(book.bytes(), 100 * 300u);
}

TEST(OffenceBookTest, ShrinksWhenItsCapacityDoes) {
  OffenceBook book(100);
  const Instant now = Clock::now();
  for (uint32_t n = 0; n < 100; ++n) {
    book.Note(NthClient(n), OffenceKind::kTrap, minutes(1), now);
  }
  book.SetCapacity(10);
  EXPECT_EQ(book.size(), 10u);
  book.SetCapacity(0);
  EXPECT_EQ(book.Note(kClient, OffenceKind::kTrap, minutes(1), now), 1u);
  EXPECT_EQ(book.size(), 0u);
}

TEST(OffenceBookTest, TellsWhatIsOnRecord) {
  OffenceBook book(10);
  const OffenceRules rules;  // windows of an hour
  const Instant now = Clock::now();
  book.Note(kClient, OffenceKind::kRelay, std::chrono::hours(1), now);
  book.Note(kClient, OffenceKind::kRelay, std::chrono::hours(1),
            now + minutes(10));
  const auto records = book.Find(kClient, rules, now + minutes(20));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].kind, OffenceKind::kRelay);
  EXPECT_EQ(records[0].count, 2u);
  EXPECT_NEAR(std::chrono::duration<double>(records[0].last - now).count(), 600,
              1);
  book.Forget(kClient);
  EXPECT_TRUE(book.Find(kClient, rules, now).empty());
}

}  // namespace
}  // namespace breakwater
