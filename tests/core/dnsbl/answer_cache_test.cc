#include "core/dnsbl/answer_cache.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::minutes;

const Subject kAddress = *IpAddress::Parse("192.0.2.5");
const Subject kAddress6 = *IpAddress::Parse("2001:db8::5");
const Subject kName = std::string("mail.example");

// Zones 0 and 3 hold addresses, 1 and 2 domains.
class AnswerCacheTest : public testing::Test {
 protected:
  AnswerCacheTest() {
    std::vector<Zone> zones(4);
    zones[1].type = zones[2].type = ZoneType::kDomain;
    cache_.SetZones(zones);
  }
  void Put(const Subject& subject, size_t zone, uint32_t filters) {
    cache_.Put(subject, zone, filters, now_ + minutes(1));
  }

  const Instant now_ = Clock::now();
  AnswerCache cache_{100};
};

TEST_F(AnswerCacheTest, KeepsZonesOfEitherTypeApart) {
  Put(kAddress, 0, 1);
  Put(kAddress, 3, 2);
  Put(kName, 1, 3);
  Put(kName, 2, 4);
  EXPECT_EQ(cache_.Find(kAddress, 0, now_), 1u);
  EXPECT_EQ(cache_.Find(kAddress, 3, now_), 2u);
  EXPECT_EQ(cache_.Find(kName, 1, now_), 3u);
  EXPECT_EQ(cache_.Find(kName, 2, now_), 4u);
  EXPECT_EQ(cache_.addresses(), 1u);
  EXPECT_EQ(cache_.names(), 1u);
}

TEST_F(AnswerCacheTest, DropsTheListingsOfOneFamily) {
  Put(kAddress, 3, 1);
  Put(kAddress6, 3, 1);
  Put(kName, 2, 1);
  EXPECT_EQ(cache_.DropListings(3, Family::kIpv6), 1u);
  EXPECT_EQ(cache_.Find(kAddress, 3, now_), 1u);
  EXPECT_EQ(cache_.Find(kAddress6, 3, now_), std::nullopt);
  EXPECT_EQ(cache_.DropListings(2, Family::kDomain), 1u);
  EXPECT_EQ(cache_.Find(kName, 2, now_), std::nullopt);
}

TEST_F(AnswerCacheTest, AClientCostsNothingForZonesOfDomains) {
  std::vector<Zone> zones(1);
  const auto cost = [&] {
    AnswerCache cache(10'000);
    cache.SetZones(zones);
    const size_t empty = cache.bytes();
    cache.Put(kAddress, 0, 1, now_ + minutes(1));
    return cache.bytes() - empty;
  };
  const size_t alone = cost();
  zones.insert(zones.end(), 9, {.type = ZoneType::kDomain});
  EXPECT_EQ(cost(), alone);
}

}  // namespace
}  // namespace breakwater
