#include "core/bans/ban_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "core/judge/judge.h"

namespace breakwater {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::SizeIs;

class BanTableTest : public testing::Test {
 protected:
  Ban BanOf(uint32_t number, Duration length, std::string id = "id") {
    return {.network = Network::OfClient(IpAddress::FromV4(number)),
            .expires = now_ + length,
            .id = std::move(id)};
  }
  std::optional<Ban> Find(uint32_t number) {
    return table_.Find(IpAddress::FromV4(number), now_);
  }

  Instant now_ = Clock::now();
  BanTable table_{100};
};

TEST_F(BanTableTest, KeepsABanUntilItEnds) {
  EXPECT_FALSE(Find(1).has_value());
  table_.Add(BanOf(1, seconds(10)), now_);
  EXPECT_TRUE(Find(1).has_value());
  EXPECT_FALSE(Find(2).has_value());
  now_ += seconds(10);
  EXPECT_FALSE(Find(1).has_value());
}

TEST_F(BanTableTest, ABanThatIsImposedTwiceRestsOnBothEvidences) {
  const auto rules = std::make_shared<const Rules>();
  for (const size_t zone : {0, 1, 1}) {
    Ban ban = BanOf(1, minutes(1));
    ban.evidence = {.rules = rules, .listings = {{.zone = zone}}};
    table_.Add(ban, now_);
  }
  EXPECT_THAT(Find(1)->evidence.listings,
              ElementsAre(Listing{.zone = 0}, Listing{.zone = 1}));
  table_.Add(BanOf(1, minutes(1)), now_);  // the operator's
  EXPECT_EQ(Find(1)->evidence.rules, nullptr);
}

TEST_F(BanTableTest, AnIpv6BanCoversItsNetwork) {
  table_.Add({.network = Network::OfClient(*IpAddress::Parse("2001:db8::5")),
              .expires = now_ + minutes(1)},
             now_);
  EXPECT_TRUE(table_.Find(*IpAddress::Parse("2001:db8::77:6"), now_));
  EXPECT_FALSE(table_.Find(*IpAddress::Parse("2001:db8:0:1::5"), now_));
}

TEST_F(BanTableTest, ABanOfANetworkCoversItsClientsUntilItIsGone) {
  const Network wide = *Network::Parse("2001:db8:0:100::/56");
  const IpAddress client = *IpAddress::Parse("2001:db8:0:1ff::5");
  const auto id = [&] {
    const std::optional<Ban> ban = table_.Find(client, now_);
    return ban ? ban->id : "";
  };
  for (const std::string end :
       {"removed", "removed by a rule", "ended", "evicted"}) {
    table_.Add({.network = wide, .expires = now_ + minutes(1), .id = "wide"},
               now_);
    EXPECT_EQ(id(), "wide");
    EXPECT_FALSE(table_.Find(*IpAddress::Parse("2001:db8:0:200::5"), now_));
    if (end == "removed") {
      table_.Remove(wide);
    } else if (end == "removed by a rule") {
      table_.RemoveIf(
          [&](const BanTable::Glance& ban) { return ban.network == wide; });
    } else if (end == "ended") {
      now_ += minutes(1);
      table_.Expire(now_);
    } else {
      for (uint32_t i = 0; i < 100; ++i) table_.Add(BanOf(i, minutes(9)), now_);
    }
    EXPECT_EQ(id(), "") << end;
  }
}

TEST_F(BanTableTest, AClientsOwnBanSaysMoreAndOfNetworksTheWider) {
  const auto add = [this](const char* network) {
    table_.Add({.network = *Network::Parse(network),
                .expires = now_ + minutes(1),
                .id = network},
               now_);
    return table_.Find(*IpAddress::Parse("2001:db8::5"), now_)->id;
  };
  EXPECT_EQ(add("2001:db8::/56"), "2001:db8::/56");
  EXPECT_EQ(add("2001:db8::/48"), "2001:db8::/48");
  EXPECT_EQ(add("2001:db8::/64"), "2001:db8::/64");
}

TEST_F(BanTableTest, ASecondBanProlongsAndNeverShortens) {
  table_.Add(BanOf(1, minutes(10)), now_);
  EXPECT_EQ(table_.Add(BanOf(1, minutes(60)), now_).expires,
            now_ + minutes(60));
  EXPECT_EQ(table_.Add(BanOf(1, minutes(5)), now_).expires, now_ + minutes(60));
  EXPECT_EQ(Find(1)->count, 3u);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(BanTableTest, TheFirstIdStaysWhileItIsInForce) {
  table_.Add(BanOf(1, minutes(10), "first"), now_);
  EXPECT_EQ(table_.Add(BanOf(1, minutes(20), "second"), now_).id, "first");
  now_ += minutes(20);
  const Ban anew = table_.Add(BanOf(1, minutes(10), "third"), now_);
  EXPECT_EQ(anew.id, "third");
  EXPECT_EQ(anew.count, 1u);
}

TEST_F(BanTableTest, RemovingTellsWhatWasInForce) {
  table_.Add(BanOf(1, minutes(10), "one"), now_);
  EXPECT_EQ(table_.Remove(BanOf(1, {}).network)->id, "one");
  EXPECT_FALSE(Find(1).has_value());
  EXPECT_FALSE(table_.Remove(BanOf(1, {}).network).has_value());
}

TEST_F(BanTableTest, ExpiringDropsWhatHasEnded) {
  for (uint32_t i = 1; i <= 10; ++i) table_.Add(BanOf(i, seconds(i)), now_);
  now_ += seconds(4);
  table_.Expire(now_);
  EXPECT_EQ(table_.size(), 6u);
}

TEST_F(BanTableTest, AnOldEndDoesNotDropAProlongedBan) {
  table_.Add(BanOf(1, seconds(10)), now_);
  table_.Add(BanOf(1, seconds(60)), now_);
  now_ += seconds(10);
  table_.Expire(now_);
  EXPECT_TRUE(Find(1).has_value());
  now_ += seconds(50);
  table_.Expire(now_);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(BanTableTest, AnOldEndDoesNotDropABanImposedAgain) {
  table_.Add(BanOf(1, seconds(10)), now_);
  table_.Remove(BanOf(1, {}).network);
  table_.Add(BanOf(1, seconds(60)), now_);
  now_ += seconds(10);
  table_.Expire(now_);
  EXPECT_TRUE(Find(1).has_value());
}

TEST_F(BanTableTest, TheOneThatEndsSoonestMakesRoom) {
  BanTable table(3);
  table.Add(BanOf(1, seconds(30)), now_);
  table.Add(BanOf(2, seconds(10)), now_);
  table.Add(BanOf(3, seconds(20)), now_);
  table.Add(BanOf(2, seconds(60)), now_);  // no longer the soonest
  table.Add(BanOf(4, seconds(40)), now_);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_FALSE(table.Find(IpAddress::FromV4(3), now_).has_value());
  for (const uint32_t kept : {1, 2, 4}) {
    EXPECT_TRUE(table.Find(IpAddress::FromV4(kept), now_).has_value()) << kept;
  }
}

TEST_F(BanTableTest, StaysBoundedHoweverOftenBansAreProlonged) {
  for (int round = 0; round < 50; ++round) {
    for (uint32_t i = 0; i < 150; ++i) {
      table_.Add(BanOf(i, minutes(1 + round)), now_);
    }
  }
  EXPECT_EQ(table_.size(), 100u);
  now_ += minutes(60);
  table_.Expire(now_);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(BanTableTest, ListsTheSoonestFirstAndNoMoreThanAsked) {
  for (uint32_t i = 1; i <= 10; ++i) {
    table_.Add(BanOf(i, seconds(100 - i)), now_);
  }
  table_.Add(BanOf(99, seconds(0)), now_);  // has ended
  const std::vector<Ban> three = table_.List(now_, 3);
  ASSERT_THAT(three, SizeIs(3));
  EXPECT_EQ(three[0].network.address, IpAddress::FromV4(10));
  EXPECT_EQ(three[2].network.address, IpAddress::FromV4(8));
  EXPECT_THAT(table_.List(now_, 1000), SizeIs(10));
}

// Texts of thousands are one, and yet each is told its own.
TEST_F(BanTableTest, WhatWasToldAClientIsKeptToTheLetter) {
  const auto rules = std::make_shared<const Rules>();
  const Ban one = {
      .network = Network::OfClient(IpAddress::FromV4(0xc0000201)),
      .client = IpAddress::FromV4(0xc0000201),
      .expires = now_ + minutes(1),
      .origin = Origin::kOffence,
      .count = 7,
      .members = 3,
      .code = 450,
      .id = "0d0c7f3a",
      .label = "a list",
      .text = "192.0.2.1 and 192.0.2.11, see x/192.0.2.1 [id 0d0c7f3a]",
      .imposed = now_ - seconds(5),
      .evidence = {.rules = rules,
                   .listings = {{.zone = 4, .name = NameKind::kHelo}},
                   .offences = {OffenceKind::kTrap}}};
  Ban other = one;
  other.network = Network::OfClient(*IpAddress::Parse("2001:db8::7:5"));
  other.client = *IpAddress::Parse("2001:db8::7:5");
  other.id = "Imported1";
  other.text = "2001:db8::7:5 of 2001:db8:: [id Imported1]";
  other.evidence = {};
  Ban nobodys = one;
  nobodys.network = *Network::Parse("198.51.100.0/24");
  nobodys.client = {};
  nobodys.id = "";
  nobodys.text = "";
  const std::vector<Ban> bans = {one, other, nobodys};
  for (const Ban& ban : bans) table_.Add(ban, now_);
  for (const Ban& ban : bans) {
    const std::optional<Ban> kept = table_.Find(ban.network, now_);
    ASSERT_TRUE(kept);
    EXPECT_EQ(kept->client, ban.client);
    EXPECT_EQ(kept->expires, ban.expires);
    EXPECT_EQ(kept->origin, ban.origin);
    EXPECT_EQ(kept->count, ban.count);
    EXPECT_EQ(kept->members, ban.members);
    EXPECT_EQ(kept->code, ban.code);
    EXPECT_EQ(kept->id, ban.id);
    EXPECT_EQ(kept->label, ban.label);
    EXPECT_EQ(kept->text, ban.text);
    EXPECT_EQ(kept->imposed, ban.imposed);
    EXPECT_EQ(kept->evidence.rules, ban.evidence.rules);
    EXPECT_EQ(kept->evidence.listings, ban.evidence.listings);
    EXPECT_EQ(kept->evidence.offences, ban.evidence.offences);
  }
}

TEST_F(BanTableTest, WhoLooksBitByBitMeetsEachOfThemOnce) {
  for (uint32_t i = 0; i < 90; ++i) table_.Add(BanOf(i, minutes(1)), now_);
  std::multiset<Network> met;
  std::vector<Ban> removed;
  BanTable::Cursor cursor;
  uint32_t more = 1000;
  while (table_.Look(
      cursor, 7,
      [&met](BanTable::Glance& ban) {
        met.insert(ban.network);
        const uint32_t number = ban.network.address.V4();
        return number < 89 && number % 10 == 0;
      },
      &removed)) {
    // Who goes and who comes meanwhile disturbs nothing.
    table_.Remove(BanOf(89, {}).network);
    table_.Add(BanOf(++more, minutes(1)), now_);
  }
  for (uint32_t i = 0; i < 89; ++i) {
    EXPECT_EQ(met.count(BanOf(i, {}).network), 1u) << i;
    EXPECT_EQ(Find(i).has_value(), i % 10 != 0) << i;
  }
  EXPECT_THAT(removed, SizeIs(9));
}

// By the same in another order.
TEST_F(BanTableTest, TheSoonestAreKnownHoweverBansComeGoAndAreProlonged) {
  std::map<Network, Instant> ends;
  uint32_t random = 1;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525 + 1013904223;
    const Ban ban = BanOf(random >> 16 & 63, seconds(1 + (random >> 24)));
    if (random >> 8 & 1) {
      ends[ban.network] = table_.Add(ban, now_).expires;
    } else {
      ends.erase(ban.network);
      table_.Remove(ban.network);
    }
    std::vector<Instant> expected;
    for (const auto& [network, end] : ends) expected.push_back(end);
    std::ranges::sort(expected);
    expected.resize(std::min<size_t>(expected.size(), 5));
    std::vector<Instant> soonest;
    for (const Ban& one : table_.List(now_, 5)) soonest.push_back(one.expires);
    ASSERT_EQ(soonest, expected);
  }
}

TEST_F(BanTableTest, OtherThreadsMayAskMeanwhile) {
  std::atomic<bool> stop = false;
  std::thread asker([&] {
    while (!stop) {
      table_.Find(IpAddress::FromV4(7), now_);
      table_.List(now_, 10);
    }
  });
  for (uint32_t i = 0; i < 20'000; ++i) {
    table_.Add(BanOf(i % 200, minutes(1)), now_);
  }
  stop = true;
  asker.join();
  EXPECT_EQ(table_.size(), 100u);
}

}  // namespace
}  // namespace breakwater
