#include "daemon/link/known_protections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Network Net(std::string_view text) { return *Network::Parse(text); }

class KnownProtectionsTest : public testing::Test {
 protected:
  KnownProtectionsTest() {
    config_.rules.protected_networks = NetworkSet({Net("192.0.2.0/24")});
    config_.protect.special_ranges = true;
    known_.SetConfig(config_);
  }
  bool Holds(std::string_view address) {
    return known_.all().Find(*IpAddress::Parse(address)).has_value();
  }

  Config config_ = DefaultConfig();
  KnownProtections known_;
};

TEST_F(KnownProtectionsTest, WithoutTheEnforcerWhatTheConfigurationNames) {
  EXPECT_TRUE(Holds("192.0.2.5"));
  EXPECT_TRUE(Holds("10.0.0.1"));
  EXPECT_FALSE(Holds("203.0.113.1"));
  EXPECT_THAT(known_.derived(), IsEmpty());
}

TEST_F(KnownProtectionsTest, WhatTheEnforcerSaysIsToldWhereItIsNew) {
  known_.SetSaid(NetworkSet({Net("192.0.2.0/24")}),
                 {{Net("203.0.113.1"), ProtectionSource::kGateway}});
  EXPECT_TRUE(Holds("203.0.113.1"));
  EXPECT_THAT(known_.derived(),
              ElementsAre(Pair(Net("203.0.113.1"), "gateway")));
  // What the enforcer has read, and we have not yet or not any more.
  config_.rules.protected_networks = NetworkSet({Net("198.51.100.0/24")});
  known_.SetConfig(config_);
  EXPECT_TRUE(Holds("192.0.2.5"));
  EXPECT_TRUE(Holds("198.51.100.5"));
  EXPECT_THAT(known_.derived(),
              ElementsAre(Pair(Net("192.0.2.0/24"), "configured"),
                          Pair(Net("203.0.113.1"), "gateway")));
}

TEST_F(KnownProtectionsTest, WhatItSaysNoMoreIsGone) {
  known_.SetSaid({}, {{Net("203.0.113.1"), ProtectionSource::kGateway}});
  known_.SetSaid({}, {});
  EXPECT_FALSE(Holds("203.0.113.1"));
  EXPECT_TRUE(Holds("192.0.2.5"));
  config_.protect.special_ranges = false;
  known_.SetConfig(config_);
  EXPECT_FALSE(Holds("10.0.0.1"));
}

}  // namespace
}  // namespace breakwater
