// What must be true of every backend, on the real kernel.

#include "tests/firewall/every_backend.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Contains;
using testing::Field;
using testing::Gt;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Network Number(uint32_t number) {
  return Network::OfClient(IpAddress::FromV4(0x0a000000 + number));
}

// A list of xt_recent has no type that could be another's, and no timeouts.
class EveryBackendOfTypedSets : public EveryBackend {};

TEST_P(EveryBackendOfTypedSets, ManyThatComeAnewTakeNoTimeAway) {
  sets_ = kind().Open({});
  Ban("192.0.2.5", 100);
  // Each finds what the one before has left, and wants less.
  for (int i = 0; i < 10; ++i) {
    sets_ = kind().Open({});
    Ban("192.0.2.5", 1);
  }
  const auto list = sets_->List();
  ASSERT_TRUE(list.ok());
  ASSERT_THAT(*list, SizeIs(1));
  EXPECT_GT(list->front().left, 95s);
}

TEST_P(EveryBackendOfTypedSets, WhatIsSaidAgainAndAgainEndsWhenItWasToEnd) {
  const Instant end = Clock::now() + 60s;
  // Each finds what the one before has put in, and says the same end.
  for (int i = 0; i < 10; ++i) {
    sets_ = kind().Open({});
    const auto left = std::chrono::ceil<Duration>(end - Clock::now());
    sets_->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), left}});
    std::this_thread::sleep_for(milliseconds(110));
  }
  const Instant before = Clock::now();
  const auto list = sets_->List();
  ASSERT_TRUE(list.ok());
  ASSERT_THAT(*list, SizeIs(1));
  // A little more for the way to the kernel.
  const Duration slack = sets_->capabilities().resolution + 300ms;
  EXPECT_GT(Clock::now() + list->front().left, end - slack);
  EXPECT_LT(before + list->front().left, end + slack);
}

TEST_P(EveryBackendOfTypedSets, WhatSomebodyTookOutGoesInWhenItIsSaidAgain) {
  sets_ = kind().Open({});
  const std::vector<TimedNetwork> ban = {{Net("192.0.2.5"), 60s}};
  sets_->Add(ban);
  // By a program that is not told of ours.
  kind().Open({})->Remove(std::vector<Network>{Net("192.0.2.5")});
  EXPECT_THAT(sets_->Add(ban), IsEmpty());
  sets_ = kind().Open({});
  Ban("192.0.2.5", 1);
  EXPECT_THAT(*sets_->List(), Contains(Field(&TimedNetwork::left, Gt(55s))));
}

TEST_P(EveryBackend, ABannedClientCannotConnectAndItsNeighboursCan) {
  LayCable();
  Open();
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  Ban("192.0.2.5");
  Ban("2001:db8:0:5::/64");
  EXPECT_FALSE(CanConnect("192.0.2.5"));
  EXPECT_FALSE(CanConnect("2001:db8:0:5::5"));
  EXPECT_FALSE(CanConnect("2001:db8:0:5:aa::9")) << "the same /64";
  EXPECT_TRUE(CanConnect("192.0.2.6"));
  EXPECT_TRUE(CanConnect("2001:db8:0:6::6"));
}

TEST_P(EveryBackend, WhoIsUnbannedCanConnectAgain) {
  LayCable();
  Open();
  Ban("192.0.2.5");
  Ban("2001:db8:0:5::/64");
  EXPECT_THAT(sets_->Remove(std::vector<Network>{
                  Net("192.0.2.6"), Net("192.0.2.5"), Net("2001:db8:0:5::/64"),
                  Net("2001:db8:0:6::/64")}),
              IsEmpty());
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  EXPECT_TRUE(CanConnect("2001:db8:0:5::5"));
}

TEST_P(EveryBackend, TheKernelEndsABan) {
  LayCable();
  seconds_ = 2;
  Open();
  Ban("192.0.2.5", 2);
  EXPECT_FALSE(CanConnect("192.0.2.5"));
  EXPECT_TRUE(Eventually([this] { return CanConnect("192.0.2.5"); }));
}

TEST_P(EveryBackend, AddingAgainStartsTheTimeAnew) {
  LayCable();
  seconds_ = 3;
  Open();
  Ban("192.0.2.5", 3);
  std::this_thread::sleep_for(milliseconds(2000));
  Ban("192.0.2.5", 3);
  std::this_thread::sleep_for(milliseconds(1500));
  EXPECT_FALSE(CanConnect("192.0.2.5"));
}

TEST_P(EveryBackend, AnAddNeverShortens) {
  LayCable();
  Open();
  Ban("192.0.2.5", 600);
  Ban("192.0.2.5", 1);
  // Nor that of a program that does not know what it finds.
  sets_ = kind().Open({});
  Ban("192.0.2.5", 1);
  std::this_thread::sleep_for(milliseconds(1500));
  EXPECT_FALSE(CanConnect("192.0.2.5"));
}

TEST_P(EveryBackend, AHitStartsAnUsualBanAnewAndShortensNone) {
  LayCable();
  seconds_ = 3;
  Open({.extend = true, .usual_seconds = 3});
  Ban("192.0.2.5", 3);
  if (sets_->capabilities().own_timeout_per_ban) Ban("192.0.2.6", 600);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(CanConnect("192.0.2.5")) << i;
    if (sets_->capabilities().own_timeout_per_ban) {
      EXPECT_FALSE(CanConnect("192.0.2.6")) << i;
    }
    std::this_thread::sleep_for(milliseconds(800));
  }
  EXPECT_FALSE(CanConnect("192.0.2.5"));
  std::this_thread::sleep_for(milliseconds(4200));  // silence ends it
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  if (sets_->capabilities().own_timeout_per_ban) {
    EXPECT_FALSE(CanConnect("192.0.2.6"));
  }
}

TEST_P(EveryBackend, InAFullSetWhatEndsFirstMakesRoom) {
  LayCable();
  Open({.most_entries = 100});
  const size_t capacity = sets_->capabilities().capacity.value_or(0);
  if (capacity > 10'000) GTEST_SKIP() << "xt_recent was given much room";
  Ban("192.0.2.5", 60);
  std::vector<TimedNetwork> batch;
  for (uint32_t i = 0; i < capacity - 1; ++i)
    batch.push_back({Number(i), 600s});
  // Where the kernel chooses, it goes by age.
  sets_->Add(batch);
  EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{Net("192.0.2.6"), 600s}}),
              IsEmpty());
  EXPECT_FALSE(CanConnect("192.0.2.6"));
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  if (!sets_->capabilities().evicts_unasked) {
    EXPECT_GT(sets_->evicted(), 0U);
  }
}

TEST_P(EveryBackend, SetsThatSomebodyEmptiesAreNoticed) {
  Open();
  Ban("192.0.2.5");
  Ban("2001:db8:0:5::/64");
  EXPECT_EQ(sets_->Check().flushed, 0);
  Run(kind().Flush());
  EXPECT_EQ(sets_->Check().flushed, 2);
  EXPECT_EQ(sets_->Check().flushed, 0) << "told once";
}

TEST_P(EveryBackend, WhatEndsOrIsUnbannedIsNotTakenForEmptied) {
  seconds_ = 2;
  Open();
  Ban("192.0.2.5", 2);
  Ban("192.0.2.6", 600);
  sets_->Remove(std::vector<Network>{Net("192.0.2.6")});
  const auto end = std::chrono::steady_clock::now() + milliseconds(2500);
  while (std::chrono::steady_clock::now() < end) {
    EXPECT_EQ(sets_->Check().flushed, 0);
    std::this_thread::sleep_for(milliseconds(100));
  }
}

TEST_P(EveryBackend, SetsThatAreDestroyedAreThereAgain) {
  LayCable();
  Open();
  Ban("192.0.2.5");
  Run(kind().Destroy());
  EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 60s}}),
              SizeIs(1));
  if (kind().rules_first()) {
    EXPECT_EQ(sets_->Check().made, 0);
    Run(kind().Rules(false, seconds_));
  }
  const SetsCheck check = sets_->Check();
  EXPECT_EQ(check.made, 2);
  EXPECT_THAT(check.wrong, IsEmpty());
  if (!kind().rules_first()) Run(kind().Rules(false, seconds_));
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  Ban("192.0.2.5");
  EXPECT_FALSE(CanConnect("192.0.2.5"));
}

TEST_P(EveryBackendOfTypedSets,
       WhatSomebodyElseHasMadeInTheirPlaceIsLeftAndToldOf) {
  sets_ = kind().Open({});
  Ban("192.0.2.5");
  Run(kind().Spoil());
  for (int i = 0; i < 2; ++i) {
    const SetsCheck check = sets_->Check();
    ASSERT_THAT(check.wrong, SizeIs(1));
    EXPECT_THAT(std::string(check.wrong[0].message()),
                testing::HasSubstr("breakwater4"));
  }
  const std::vector<TimedNetwork> both = {{Net("192.0.2.5"), 60s},
                                          {Net("2001:db8:0:5::/64"), 60s}};
  EXPECT_THAT(sets_->Add(both), SizeIs(1)) << "the other set still works";
  Run(kind().Unspoil());
  EXPECT_EQ(sets_->Check().made, 1);
  EXPECT_THAT(sets_->Add(both), IsEmpty());
}

TEST_P(EveryBackend, OnlyWhatABanCoversIsTaken) {
  Open();
  const std::vector<TimedNetwork> odd = {{Net("192.0.2.0/25"), 60s},
                                         {Net("2001:db8::1"), 60s},
                                         {Net("::/0"), 60s}};
  const auto failures = sets_->Add(odd);
  EXPECT_THAT(failures, SizeIs(3));
  for (const ElementFailure& failure : failures) {
    EXPECT_TRUE(absl::IsInvalidArgument(failure.status)) << failure.status;
  }
}

TEST_P(EveryBackend, TakesNetworksIfItSaysSo) {
  Open({.widening = {.members = {9, 9, 9}}});
  const bool can = sets_->capabilities().prefixes;
  for (const char* network :
       {"192.0.2.0/24", "2001:db8:0:100::/56", "2001:db8::/48"}) {
    const auto refused =
        sets_->Add(std::vector<TimedNetwork>{{Net(network), 60s}});
    EXPECT_EQ(refused.empty(), can) << network;
    for (const ElementFailure& failure : refused) {
      EXPECT_TRUE(absl::IsInvalidArgument(failure.status)) << failure.status;
    }
    EXPECT_EQ(sets_->Remove(std::vector<Network>{Net(network)}).empty(), can);
  }
}

TEST_P(EveryBackend, ABatchOfManyIsInAsAWhole) {
  LayCable();
  Open();
  std::vector<TimedNetwork> batch;
  for (uint32_t i = 0; i < 5'000; ++i) batch.push_back({Number(i), 600s});
  batch.push_back({Net("192.0.2.5"), 600s});
  // Again, as after a restart.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(sets_->Add(batch), IsEmpty());
    EXPECT_FALSE(CanConnect("192.0.2.5"));
    sets_ = kind().Open({});
  }
}

TEST_P(EveryBackend, OfManyThatAreTakenOutSomeMayNotBeIn) {
  LayCable();
  Open();
  Ban("192.0.2.5");
  Ban("192.0.2.6");
  std::vector<Network> batch;
  for (uint32_t i = 0; i < 2'000; ++i) batch.push_back(Number(i));
  batch.insert(batch.begin() + 500, Net("192.0.2.5"));
  EXPECT_THAT(sets_->Remove(batch), IsEmpty());
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  EXPECT_FALSE(CanConnect("192.0.2.6"));
}

INSTANTIATE_TEST_SUITE_P(, EveryBackend,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<NftKind>(true),
                                         std::make_shared<RecentKind>()),
                         EveryBackend::NameOf);

INSTANTIATE_TEST_SUITE_P(, EveryBackendOfTypedSets,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<NftKind>(true)),
                         EveryBackend::NameOf);

}  // namespace
}  // namespace breakwater
