#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/screener/screener.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"
#include "tests/fakes/fake_lists.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Rules RulesOfTheTest() {
  Rules rules;
  rules.zones = {{.name = "list.test", .label = "list.test"}};
  rules.history.probation = Duration(0);
  rules.growth.factor = 2;
  rules.offences[OffenceKind::kTrap] = DefaultRule(OffenceKind::kTrap);
  rules.offences[OffenceKind::kTrap].after = 9;
  return rules;
}

// A daemon's life, as far as the screener is concerned.
struct Life {
  asio::io_context loop;
  FakeLists lists{loop};
  FakeEnforcer enforcer;
  Metrics metrics;
  BanTable bans{100};
  Screener screener{loop,    lists,
                    bans,    enforcer,
                    metrics, std::make_shared<const Rules>(RulesOfTheTest())};

  Verdict Ask(const Client& client) {
    return Await(loop, screener.Screen(client));
  }
};

Client ClientAt(std::string_view address) {
  return {.connection = {.client = *IpAddress::Parse(address)}};
}

TEST(ScreenerMemoryTest, WhatOneLifeLearnedTheNextKnows) {
  Life first;
  const Client listed = ClientAt("198.51.100.7");
  first.lists.List("198.51.100.7");
  const Verdict verdict = first.Ask(listed);
  first.screener.Answered(listed, verdict);
  const Client good = ClientAt("198.51.100.8");
  for (int i = 0; i < 2; ++i) first.screener.Accepted(good, first.Ask(good));
  const Client curious = ClientAt("198.51.100.9");
  const Told told{.offences = {{.kind = OffenceKind::kTrap}}};
  const Verdict clean = first.Ask(curious);
  Await(first.loop, first.screener.ScreenFurther(curious, told, clean));

  Life second;
  const std::vector<Network> known = first.screener.KnownNetworks();
  const std::set<Network> each(known.begin(), known.end());
  second.screener.Restore(
      first.screener.Recall(std::vector<Network>(each.begin(), each.end())));
  second.screener.Restored();
  const Instant now = Clock::now();
  EXPECT_EQ(second.Ask(listed).text, verdict.text);
  EXPECT_EQ(second.Ask(listed).reason, Reason::kBanned);
  EXPECT_EQ(
      second.screener.growth().Times(Network::OfClient(listed.address()), now),
      1u);
  EXPECT_TRUE(
      second.screener.restraint().history().IsGood(good.address(), now));
  EXPECT_EQ(second.screener.conduct().book().Count(
                Network::OfClient(curious.address()), OffenceKind::kTrap,
                hours(1), now),
            1u);
  EXPECT_THAT(second.enforcer.orders(), ElementsAre("ban 198.51.100.7 600s"));
}

// The bans of `first` as `second` knows them.
void Restart(Life& first, Life& second) {
  second.screener.Restore(
      first.screener.Recall(first.screener.KnownNetworks()));
}

TEST(ScreenerMemoryTest, AListThatLiedBeforeTheRestartTakesItsBansAlong) {
  Life first;
  first.lists.List("198.51.100.7");
  const Client honest = ClientAt("198.51.100.7");
  first.screener.Answered(honest, first.Ask(honest));
  const Instant proven = Clock::now() - hours(1);
  Life second;
  Restart(first, second);
  ASSERT_EQ(second.bans.size(), 1u);
  second.lists.Lie(
      {.label = "list.test", .proven_at = proven, .was_believed = false});
  EXPECT_EQ(second.bans.size(), 0u);
  EXPECT_EQ(second.enforcer.orders().back(), "unban 198.51.100.7");
}

TEST(ScreenerMemoryTest, ButNotTheBanThatStoodBefore) {
  Life first;
  first.lists.List("198.51.100.7");
  const Client listed = ClientAt("198.51.100.7");
  first.screener.Answered(listed, first.Ask(listed));
  Life second;
  Restart(first, second);
  second.lists.Lie({.label = "list.test", .proven_at = Clock::now()});
  EXPECT_EQ(second.bans.size(), 1u);
}

TEST(ScreenerMemoryTest, NorTheBanThatTheOperatorMadeHisOwn) {
  Life first;
  first.lists.List("198.51.100.7");
  const Client listed = ClientAt("198.51.100.7");
  first.screener.Answered(listed, first.Ask(listed));
  ASSERT_TRUE(
      first.screener.BanByOperator(listed.address(), hours(1), "").ok());
  Life second;
  Restart(first, second);
  second.lists.Lie({.label = "list.test", .proven_at = Instant::min()});
  EXPECT_EQ(second.bans.size(), 1u);
}

TEST(ScreenerMemoryTest, OnlyWhatIsKnownIsRecalled) {
  Life life;
  EXPECT_THAT(life.screener.KnownNetworks(), IsEmpty());
  const Network stranger = Network::OfClient(*IpAddress::Parse("198.51.100.7"));
  const Remembered known = life.screener.Recall({{stranger}});
  EXPECT_THAT(known.bans, IsEmpty());
  EXPECT_THAT(known.growth, IsEmpty());
  EXPECT_THAT(known.offences, IsEmpty());
  EXPECT_THAT(known.history, IsEmpty());
}

// What happened, in the memory's words.
class Diary : public Memory {
 public:
  void Happened(Event event) override { events.push_back(std::move(event)); }
  std::vector<Event> events;
};

TEST(ScreenerMemoryTest, ARefusalAndItsBanAreTwoEvents) {
  Life life;
  Diary diary;
  life.screener.SetMemory(diary);
  life.lists.List("198.51.100.7");
  const Client listed = ClientAt("198.51.100.7");
  const Verdict verdict = life.Ask(listed);
  life.screener.Answered(listed, verdict);
  ASSERT_THAT(diary.events, SizeIs(2));
  EXPECT_EQ(diary.events[0].kind, EventKind::kRejected);
  EXPECT_EQ(diary.events[0].detail, verdict.text);
  EXPECT_EQ(diary.events[1].kind, EventKind::kBan);
  EXPECT_EQ(diary.events[1].id, verdict.id);
  // Who is kept out and comes all the same has that in its past.
  life.screener.Answered(listed, life.Ask(listed));
  EXPECT_THAT(diary.events, SizeIs(2));
}

TEST(ScreenerMemoryTest, ObserveModeLeavesWhatItWouldHaveDone) {
  Life life;
  Rules rules = *life.screener.rules();
  rules.observe = true;
  life.screener.SetRules(std::make_shared<const Rules>(rules));
  Diary diary;
  life.screener.SetMemory(diary);
  life.lists.List("198.51.100.7");
  const Client listed = ClientAt("198.51.100.7");
  const Verdict verdict = life.Ask(listed);
  life.screener.Answered(listed, verdict);
  ASSERT_THAT(diary.events, SizeIs(2));
  EXPECT_EQ(diary.events[0].kind, EventKind::kWouldReject);
  EXPECT_EQ(diary.events[0].detail, verdict.text);
  EXPECT_EQ(diary.events[1].kind, EventKind::kWouldBan);
  EXPECT_EQ(diary.events[1].length, *verdict.ban);
}

}  // namespace
}  // namespace breakwater
