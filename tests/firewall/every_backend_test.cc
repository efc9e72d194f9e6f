#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <thread>

#include "tests/fakes/cable.h"
#include "tests/firewall/backend_kinds.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr uint32_t kUsual = 600;

Network Net(const std::string& text) { return *Network::Parse(text); }
Network Number(uint32_t number) {
  return Network::OfClient(IpAddress::FromV4(0x0a000000 + number));
}

// What must be true of every backend, on the real kernel: the sets and rules
// are in this thread's network namespace, with the mail server; the clients are
// at the other end of a cable.
class EveryBackend
    : public testing::TestWithParam<std::shared_ptr<BackendKind>> {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
  }
  BackendKind& kind() { return *GetParam(); }

  void Run(const std::string& command) {
    ASSERT_TRUE(NetNamespace::Run(command)) << command;
  }
  // With the rules that make it take effect.
  void Open(TimedSetsOptions options = {}) {
    options.usual_seconds = std::min(options.usual_seconds, kUsual);
    if (kind().rules_first()) Run(kind().Rules(options.extend, seconds_));
    sets_ = kind().Open(options);
    ASSERT_NE(sets_, nullptr);
    if (!kind().rules_first()) Run(kind().Rules(options.extend, seconds_));
    ASSERT_THAT(sets_->Check().wrong, IsEmpty());
  }
  void LayCable() {
    cable_.emplace();
    for (const char* client :
         {"192.0.2.5/23", "192.0.2.6/23", "192.0.3.7/23", "2001:db8:0:5::5/47",
          "2001:db8:0:5:aa::9/47", "2001:db8:0:6::6/47", "2001:db8:0:1ff::1/47",
          "2001:db8:1:5::5/47"}) {
      cable_->AddClient(client);
    }
    listener_ = ListenOn("::", 25);
  }
  bool CanConnect(const char* client) { return cable_->CanConnect(client); }
  void Ban(const std::string& network, uint32_t length = kUsual) {
    EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{Net(network), length}}),
                IsEmpty());
  }
  static bool Eventually(const std::function<bool()>& true_now) {
    const auto end = std::chrono::steady_clock::now() + seconds(10);
    while (!true_now()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(50));
    }
    return true;
  }

  NetNamespace namespace_;
  std::optional<Cable> cable_;
  TcpSocketFd listener_;
  uint32_t seconds_ = kUsual;  // as the rule has it
  std::unique_ptr<BanSets> sets_;
};

// Those that hold whole networks: xt_recent does not, and says so.
class EveryBackendOfNetworks : public EveryBackend {
 protected:
  void OpenWide(uint32_t most_entries = 1000) {
    Open({.most_entries = most_entries, .widening = {.members = {9, 9, 9}}});
    ASSERT_TRUE(sets_->capabilities().prefixes);
    Run(kind().WideRules());
  }
  // As an earlier program left it.
  std::optional<uint32_t> Left(const std::string& network) {
    const auto list = sets_->List();
    EXPECT_TRUE(list.ok()) << list.status();
    for (const TimedNetwork& element : *list) {
      if (element.network == Net(network)) return element.seconds;
    }
    return std::nullopt;
  }
};

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
  EXPECT_GT(list->front().seconds, 95U);
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
  for (uint32_t i = 0; i < capacity - 1; ++i) batch.push_back({Number(i), 600});
  // Where the kernel chooses, it goes by age.
  sets_->Add(batch);
  EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{Net("192.0.2.6"), 600}}),
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
  EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 60}}),
              SizeIs(1));
  if (kind().rules_first()) {
    EXPECT_THAT(sets_->Check().wrong, Not(IsEmpty()));
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
  const std::vector<TimedNetwork> both = {{Net("192.0.2.5"), 60},
                                          {Net("2001:db8:0:5::/64"), 60}};
  EXPECT_THAT(sets_->Add(both), SizeIs(1)) << "the other set still works";
  Run(kind().Unspoil());
  EXPECT_EQ(sets_->Check().made, 1);
  EXPECT_THAT(sets_->Add(both), IsEmpty());
}

TEST_P(EveryBackend, OnlyWhatABanCoversIsTaken) {
  Open();
  const std::vector<TimedNetwork> odd = {
      {Net("192.0.2.0/25"), 60}, {Net("2001:db8::1"), 60}, {Net("::/0"), 60}};
  const auto failures = sets_->Add(odd);
  EXPECT_THAT(failures, SizeIs(3));
  for (const ElementFailure& failure : failures) {
    EXPECT_TRUE(absl::IsInvalidArgument(failure.status)) << failure.status;
  }
}

TEST_P(EveryBackend, ABatchOfManyIsInAsAWhole) {
  LayCable();
  Open();
  std::vector<TimedNetwork> batch;
  for (uint32_t i = 0; i < 5'000; ++i) batch.push_back({Number(i), 600});
  batch.push_back({Net("192.0.2.5"), 600});
  // Again, as after a restart.
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(sets_->Add(batch), IsEmpty());
    EXPECT_FALSE(CanConnect("192.0.2.5"));
    sets_ = kind().Open({});
  }
}

TEST_P(EveryBackendOfNetworks, ANetworkIsKeptOutAndThoseAroundItAreNot) {
  LayCable();
  OpenWide();
  Ban("192.0.2.0/24");
  Ban("2001:db8:0:100::/56");
  EXPECT_FALSE(CanConnect("192.0.2.5"));
  EXPECT_FALSE(CanConnect("192.0.2.6"));
  EXPECT_TRUE(CanConnect("192.0.3.7"));
  EXPECT_FALSE(CanConnect("2001:db8:0:1ff::1"));
  EXPECT_TRUE(CanConnect("2001:db8:0:5::5")) << "another /56 of the /48";
  Ban("2001:db8::/48");
  EXPECT_FALSE(CanConnect("2001:db8:0:5::5"));
  EXPECT_TRUE(CanConnect("2001:db8:1:5::5")) << "another /48";
}

// Their first addresses are equal.
TEST_P(EveryBackendOfNetworks, TheFirstPartOfANetworkIsNotAllOfIt) {
  LayCable();
  OpenWide();
  Ban("2001:db8::/56");
  EXPECT_FALSE(CanConnect("2001:db8:0:5::5"));
  EXPECT_TRUE(CanConnect("2001:db8:0:1ff::1"));
  Ban("2001:db8::/48");
  sets_->Remove(std::vector<Network>{Net("2001:db8::/56")});
  EXPECT_FALSE(CanConnect("2001:db8:0:5::5"));
  sets_->Remove(std::vector<Network>{Net("2001:db8::/48")});
  EXPECT_TRUE(CanConnect("2001:db8:0:5::5"));
}

TEST_P(EveryBackendOfNetworks, OneMoreBanOfANetworkNeverShortens) {
  OpenWide();
  Ban("2001:db8::/56", 500);
  Ban("2001:db8::/56", 100);
  EXPECT_NEAR(Left("2001:db8::/56").value_or(0), 500, 3);
  Ban("2001:db8::/56", 600);
  EXPECT_NEAR(Left("2001:db8::/56").value_or(0), 600, 3);
  // Nor is it taken for one of a client.
  Ban("2001:db8::/64", 100);
  EXPECT_NEAR(Left("2001:db8::/64").value_or(0), 100, 3);
}

TEST_P(EveryBackendOfNetworks, TheKernelEndsTheBanOfANetwork) {
  LayCable();
  OpenWide();
  Ban("192.0.2.0/24", 2);
  Ban("2001:db8::/56", 2);
  EXPECT_FALSE(CanConnect("192.0.2.5"));
  EXPECT_TRUE(Eventually([this] { return CanConnect("192.0.2.5"); }));
  EXPECT_TRUE(Eventually([this] { return CanConnect("2001:db8:0:5::5"); }));
}

TEST_P(EveryBackendOfNetworks, InAFullSetOfNetworksWhatEndsFirstMakesRoom) {
  LayCable();
  OpenWide(/*most_entries=*/50);
  Ban("192.0.2.0/24", 60);
  for (uint32_t i = 0; i < 300; ++i) {
    const Network network =
        Widened(IpAddress::FromV4(0x0a000000 + (i << 8)), Width::kV4By24);
    EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{network, 600}}),
                IsEmpty());
  }
  EXPECT_GT(sets_->evicted(), 0U);
  EXPECT_TRUE(CanConnect("192.0.2.5"));
  // They have taken no room from clients.
  Ban("192.0.2.5");
  EXPECT_FALSE(CanConnect("192.0.2.5"));
}

TEST_P(EveryBackendOfNetworks, AnotherProgramKeepsAndEndsWhatItFinds) {
  LayCable();
  OpenWide();
  Ban("2001:db8::/56", 600);
  // And is not configured to widen.
  sets_ = kind().Open({});
  if (sets_->capabilities().lists) {
    EXPECT_NEAR(Left("2001:db8::/56").value_or(0), 600, 3);
  }
  EXPECT_FALSE(CanConnect("2001:db8:0:5::5"));
  EXPECT_THAT(sets_->Remove(std::vector<Network>{Net("2001:db8::/56")}),
              IsEmpty());
  EXPECT_TRUE(CanConnect("2001:db8:0:5::5"));
}

TEST_P(EveryBackendOfNetworks, SetsOfNetworksThatAreEmptiedAreNoticed) {
  OpenWide();
  Ban("192.0.2.0/24");
  EXPECT_EQ(sets_->Check().flushed, 0);
  Run(kind().FlushWide());
  EXPECT_EQ(sets_->Check().flushed, 1);
}

TEST_P(EveryBackendOfNetworks, AReloadMakesTheSetsThatItNeeds) {
  Open();
  const std::vector<TimedNetwork> wide = {{Net("2001:db8::/56"), 60}};
  const auto failures = sets_->Add(wide);
  ASSERT_THAT(failures, SizeIs(1)) << "not configured";
  EXPECT_TRUE(absl::IsInvalidArgument(failures[0].status));
  EXPECT_THAT(sets_->Remove(std::vector<Network>{wide[0].network}), IsEmpty());
  sets_->SetWidening({.members = {0, 8, 0}});
  EXPECT_THAT(sets_->Add(wide), IsEmpty());
  EXPECT_EQ(sets_->Check().made, 0) << "that was asked for";
}

std::string NameOf(
    const testing::TestParamInfo<std::shared_ptr<BackendKind>>& info) {
  return info.param->name();
}

INSTANTIATE_TEST_SUITE_P(, EveryBackend,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<NftKind>(true),
                                         std::make_shared<RecentKind>()),
                         NameOf);

INSTANTIATE_TEST_SUITE_P(, EveryBackendOfNetworks,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<NftKind>(true)),
                         NameOf);

INSTANTIATE_TEST_SUITE_P(, EveryBackendOfTypedSets,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<NftKind>(true)),
                         NameOf);

}  // namespace
}  // namespace breakwater
