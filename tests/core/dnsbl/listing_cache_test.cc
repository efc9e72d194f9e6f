#include "core/dnsbl/listing_cache.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint32_t kListed = 0x7f000002;

IpAddress Client(uint32_t number) { return IpAddress::FromV4(number); }

class ListingCacheTest : public testing::Test {
 protected:
  const Instant now_ = Clock::now();
};

TEST_F(ListingCacheTest, KnowsNothingAtFirst) {
  const ListingCache<IpAddress> cache(10, 2);
  EXPECT_EQ(cache.Find(Client(1), 0, now_), std::nullopt);
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(ListingCacheTest, KeepsEachZonesAnswerForItsOwnTime) {
  ListingCache<IpAddress> cache(10, 3);
  cache.Put(Client(1), 0, kListed, now_ + seconds(10));
  cache.Put(Client(1), 2, 0, now_ + seconds(60));
  EXPECT_EQ(cache.Find(Client(1), 0, now_), kListed);
  EXPECT_EQ(cache.Find(Client(1), 1, now_), std::nullopt);
  EXPECT_EQ(cache.Find(Client(1), 2, now_), 0u);
  EXPECT_EQ(cache.Find(Client(1), 0, now_ + seconds(10)), std::nullopt);
  EXPECT_EQ(cache.Find(Client(1), 2, now_ + seconds(10)), 0u);
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(ListingCacheTest, ATimeIsGoodToATenthOfASecond) {
  ListingCache<IpAddress> cache(10, 1);
  cache.Put(Client(1), 0, kListed, now_ + milliseconds(500));
  EXPECT_EQ(cache.Find(Client(1), 0, now_ + milliseconds(350)), kListed);
  EXPECT_EQ(cache.Find(Client(1), 0, now_ + milliseconds(500)), std::nullopt);
}

TEST_F(ListingCacheTest, ALaterAnswerReplacesTheEarlier) {
  ListingCache<IpAddress> cache(10, 1);
  cache.Put(Client(1), 0, kListed, now_ + minutes(60));
  cache.Put(Client(1), 0, 0, now_ + minutes(1));
  EXPECT_EQ(cache.Find(Client(1), 0, now_), 0u);
}

TEST_F(ListingCacheTest, TellsIpv4FromIpv6) {
  ListingCache<IpAddress> cache(10, 1);
  cache.Put(*IpAddress::Parse("::192.0.2.1"), 0, kListed, now_ + minutes(1));
  EXPECT_EQ(cache.Find(*IpAddress::Parse("192.0.2.1"), 0, now_), std::nullopt);
  cache.Put(*IpAddress::Parse("192.0.2.1"), 0, kListed, now_ + minutes(1));
  EXPECT_EQ(cache.Find(*IpAddress::Parse("::ffff:192.0.2.1"), 0, now_),
            kListed);
}

TEST_F(ListingCacheTest, TheFirstMakesRoomWhenItIsFull) {
  ListingCache<IpAddress> cache(3, 1);
  for (uint32_t i = 1; i <= 4; ++i) {
    cache.Put(Client(i), 0, kListed + i, now_ + minutes(1));
  }
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.Find(Client(1), 0, now_), std::nullopt);
  for (uint32_t i = 2; i <= 4; ++i) {
    EXPECT_EQ(cache.Find(Client(i), 0, now_), kListed + i);
  }
}

TEST_F(ListingCacheTest, ANewClientHasNothingOfTheOneBefore) {
  ListingCache<IpAddress> cache(1, 2);
  cache.Put(Client(1), 0, kListed, now_ + minutes(1));
  cache.Put(Client(2), 1, kListed, now_ + minutes(1));
  EXPECT_EQ(cache.Find(Client(2), 0, now_), std::nullopt);
}

TEST_F(ListingCacheTest, StaysBoundedHoweverManyCome) {
  ListingCache<IpAddress> cache(10'000, 3);
  for (uint32_t i = 0; i < 10'000; ++i) {
    cache.Put(Client(i), i % 3, kListed, now_ + minutes(1));
  }
  const size_t full = cache.bytes();
  for (uint32_t i = 0; i < 100'000; ++i) {
    cache.Put(Client(i * 7), i % 3, kListed, now_ + minutes(1));
  }
  EXPECT_EQ(cache.size(), 10'000u);
  EXPECT_EQ(cache.bytes(), full);
  EXPECT_EQ(cache.Find(Client(99'999 * 7), 99'999 % 3, now_), kListed);
}

TEST_F(ListingCacheTest, AClientWithThreeZonesTakesLessThanSixtyBytes) {
  ListingCache<IpAddress> cache(200'000, 3);
  for (uint32_t i = 0; i < 100'000; ++i) {
    cache.Put(Client(i), 0, kListed, now_ + minutes(1));
  }
  EXPECT_LT(cache.bytes() / 100'000, 60u);
}

TEST_F(ListingCacheTest, ClearingForgetsAllAndChangesTheZones) {
  ListingCache<IpAddress> cache(10, 1);
  cache.Put(Client(1), 0, kListed, now_ + minutes(1));
  cache.Clear(4);
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.Find(Client(1), 0, now_), std::nullopt);
  cache.Put(Client(1), 3, kListed, now_ + minutes(1));
  EXPECT_EQ(cache.Find(Client(1), 3, now_), kListed);
}

TEST_F(ListingCacheTest, ALargerCapacityKeepsWhatIsThere) {
  ListingCache<IpAddress> cache(2, 1);
  for (uint32_t i = 1; i <= 3; ++i) {
    cache.Put(Client(i), 0, kListed, now_ + minutes(1));
  }
  cache.SetCapacity(4);
  cache.Put(Client(4), 0, kListed, now_ + minutes(1));
  EXPECT_EQ(cache.size(), 3u);
  for (uint32_t i = 2; i <= 4; ++i) {
    EXPECT_EQ(cache.Find(Client(i), 0, now_), kListed) << i;
  }
}

TEST_F(ListingCacheTest, ASmallerCapacityForgetsAll) {
  ListingCache<IpAddress> cache(10, 1);
  cache.Put(Client(1), 0, kListed, now_ + minutes(1));
  cache.SetCapacity(5);
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(ListingCacheTest, WithoutZonesNothingIsKept) {
  ListingCache<IpAddress> cache(10, 0);
  cache.Put(Client(1), 0, kListed, now_ + minutes(1));
  EXPECT_EQ(cache.size(), 0u);
  EXPECT_EQ(cache.Find(Client(1), 0, now_), std::nullopt);
}

TEST_F(ListingCacheTest, AZonesListingsOfSomeCanBeDropped) {
  ListingCache<IpAddress> cache(10, 2);
  const IpAddress client6 = *IpAddress::Parse("2001:db8::1");
  cache.Put(Client(1), 0, kListed, now_ + seconds(60));
  cache.Put(Client(1), 1, kListed, now_ + seconds(60));
  cache.Put(Client(2), 0, 0, now_ + seconds(60));
  cache.Put(client6, 0, kListed, now_ + seconds(60));
  EXPECT_EQ(cache.DropListings(
                0, [](const IpAddress& client) { return client.IsV4(); }),
            1u);
  EXPECT_EQ(cache.Find(Client(1), 0, now_), std::nullopt);
  EXPECT_EQ(cache.Find(Client(1), 1, now_), kListed) << "another zone's";
  EXPECT_EQ(cache.Find(Client(2), 0, now_), 0u) << "not a listing";
  EXPECT_EQ(cache.Find(client6, 0, now_), kListed) << "not meant";
}

TEST_F(ListingCacheTest, NamesAreKeptLikeAddresses) {
  ListingCache<std::string> cache(2, 2);
  const size_t empty = cache.bytes();
  const std::string longest(253, 'a');
  cache.Put(longest, 1, kListed, now_ + seconds(60));
  EXPECT_EQ(cache.Find(longest, 1, now_), kListed);
  EXPECT_EQ(cache.Find(longest, 0, now_), std::nullopt);
  EXPECT_EQ(cache.Find(longest + "b", 1, now_), std::nullopt);
  EXPECT_GT(cache.bytes(), empty + 253) << "its letters count";
  cache.Put("b.example", 1, kListed, now_ + seconds(60));
  cache.Put("c.example", 1, 0, now_ + seconds(60));
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Find(longest, 1, now_), std::nullopt) << "made room";
  EXPECT_EQ(cache.DropListings(1, [](const std::string&) { return true; }), 1u);
}

TEST_F(ListingCacheTest, NamesStayBoundedHoweverManyCome) {
  ListingCache<std::string> cache(1000, 2);
  size_t most = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = std::to_string(i) + std::string(200, 'x');
    cache.Put(name, 0, kListed, now_ + minutes(60));
    most = std::max(most, cache.bytes());
  }
  EXPECT_EQ(cache.size(), 1000u);
  EXPECT_LT(most, 1'000'000u);
}

}  // namespace
}  // namespace breakwater
