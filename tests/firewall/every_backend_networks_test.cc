// Bans of whole networks, on the real kernel.

#include "tests/firewall/every_backend.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

// Those that hold whole networks: xt_recent does not, and says so.
class EveryBackendOfNetworks : public EveryBackend {
 protected:
  void OpenWide(uint32_t most_entries = 1000) {
    Open({.most_entries = most_entries, .widening = {.members = {9, 9, 9}}});
    ASSERT_TRUE(sets_->capabilities().prefixes);
    Run(kind().WideRules());
  }
  // As an earlier program left it.
  // In seconds.
  std::optional<double> Left(const std::string& network) {
    const auto list = sets_->List();
    EXPECT_TRUE(list.ok()) << list.status();
    for (const TimedNetwork& element : *list) {
      if (element.network == Net(network)) {
        return std::chrono::duration<double>(element.left).count();
      }
    }
    return std::nullopt;
  }
};

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
    EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{{network, 600s}}),
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
  const std::vector<TimedNetwork> wide = {{Net("2001:db8::/56"), 60s}};
  const auto failures = sets_->Add(wide);
  ASSERT_THAT(failures, SizeIs(1)) << "not configured";
  EXPECT_TRUE(absl::IsInvalidArgument(failures[0].status));
  EXPECT_THAT(sets_->Remove(std::vector<Network>{wide[0].network}), IsEmpty());
  sets_->SetWidening({.members = {0, 8, 0}});
  EXPECT_THAT(sets_->Add(wide), IsEmpty());
  EXPECT_EQ(sets_->Check().made, 0) << "that was asked for";
}

INSTANTIATE_TEST_SUITE_P(, EveryBackendOfNetworks,
                         testing::Values(std::make_shared<IpsetKind>(),
                                         std::make_shared<NftKind>(false),
                                         std::make_shared<NftKind>(true)),
                         EveryBackend::NameOf);

}  // namespace
}  // namespace breakwater
