#include "daemon/memory/memory_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

Network At(std::string_view text) {
  return Network::OfClient(*IpAddress::Parse(text));
}

class MemoryStoreTest : public testing::Test {
 protected:
  MemoryStoreTest() { Open(); }

  void Open() {
    store_.reset();
    auto store = MemoryStore::Open(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void Write(const MemoryStore::Batch& batch) {
    const absl::Status status = store_->Write(batch, now_);
    ASSERT_TRUE(status.ok()) << status;
  }
  Remembered Load() {
    Remembered known;
    const absl::Status status = store_->Load(now_, known);
    EXPECT_TRUE(status.ok()) << status;
    return known;
  }
  // The host is off for so long by the wall's clock, and its own begins anew.
  void Reboot(std::chrono::milliseconds off) {
    now_ = {.boot = now_.boot + "'",
            .steady = Instant() + 30s,
            .wall = now_.wall + off};
  }
  void Pass(std::chrono::milliseconds time) {
    now_.steady += time;
    now_.wall += time;
  }
  Ban BanOf(std::string_view address, Duration length) const {
    return {.network = At(address),
            .client = *IpAddress::Parse(address),
            .expires = now_.steady + length,
            .id = "5d0c7f3a",
            .label = "list.test",
            .text = "Client is listed",
            .imposed = now_.steady};
  }
  // How long each ban still lasts.
  std::vector<Duration> Left() {
    std::vector<Duration> left;
    for (const Ban& ban : Load().bans) {
      left.push_back(
          std::chrono::duration_cast<Duration>(ban.expires - now_.steady));
    }
    return left;
  }

  TestDirectory directory_;
  const std::string path_ = directory_.File("memory.db");
  ClockReading now_ = {.boot = "first",
                       .steady = Instant() + 1000h,
                       .wall = std::chrono::floor<std::chrono::milliseconds>(
                           std::chrono::system_clock::now())};
  std::unique_ptr<MemoryStore> store_;
};

TEST_F(MemoryStoreTest, ABanIsReadAsItWasWritten) {
  Ban ban = BanOf("2001:db8:1:2::5", 10min);
  ban.origin = Origin::kOffence;
  ban.count = 3;
  ban.members = 8;
  ban.code = 450;
  Write({.known = {.bans = {ban}}});
  Open();
  const Remembered known = Load();
  ASSERT_THAT(known.bans, SizeIs(1));
  const Ban& read = known.bans[0];
  EXPECT_EQ(read.network.ToString(), "2001:db8:1:2::/64");
  EXPECT_EQ(read.client, ban.client);
  EXPECT_EQ(read.expires, ban.expires);
  EXPECT_EQ(read.imposed, ban.imposed);
  EXPECT_EQ(read.origin, Origin::kOffence);
  EXPECT_EQ(read.count, 3u);
  EXPECT_EQ(read.members, 8u);
  EXPECT_EQ(read.code, 450);
  EXPECT_EQ(read.id, "5d0c7f3a");
  EXPECT_EQ(read.label, "list.test");
  EXPECT_EQ(read.text, "Client is listed");
}

TEST_F(MemoryStoreTest, SoAreGrowthOffencesAndGoodHistory) {
  const Network who = At("192.0.2.1");
  const Instant then = now_.steady - 1h;
  Write({.known = {.growth = {{.who = who, .times = 4, .ends = then}},
                   .offences = {{.who = who,
                                 .kind = OffenceKind::kRelay,
                                 .count = 2,
                                 .before = 7,
                                 .begin = then,
                                 .last = then + 1min}},
                   .history = {{.client = who,
                                .good = true,
                                .weight = 2.5,
                                .weighed = then,
                                .first = then - 24h,
                                .last = then}}}});
  const Remembered known = Load();
  ASSERT_THAT(known.growth, SizeIs(1));
  EXPECT_EQ(known.growth[0].times, 4u);
  EXPECT_EQ(known.growth[0].ends, then);
  ASSERT_THAT(known.offences, SizeIs(1));
  EXPECT_EQ(known.offences[0].kind, OffenceKind::kRelay);
  EXPECT_EQ(known.offences[0].before, 7u);
  EXPECT_EQ(known.offences[0].last, then + 1min);
  ASSERT_THAT(known.history, SizeIs(1));
  EXPECT_TRUE(known.history[0].good);
  EXPECT_FLOAT_EQ(known.history[0].weight, 2.5);
  EXPECT_EQ(known.history[0].first, then - 24h);
  EXPECT_EQ(known.history[0].warned, Instant::min());
}

TEST_F(MemoryStoreTest, SoIsWhatABanRestsOnAndWhenListsWereProven) {
  const RememberedBan ban(BanOf("192.0.2.1", 1h), "1\n2 other.test");
  const Instant proven = now_.steady - 20min;
  Write({.known = {.bans = {ban},
                   .proofs = {{"list.test", Family::kIpv4, proven, proven},
                              {"list.test", Family::kIpv6, proven}}}});
  Write({.known = {
             .proofs = {{"list.test", Family::kIpv4, proven, proven + 1min}}}});
  Open();
  const Remembered known = Load();
  EXPECT_EQ(known.bans.at(0).basis, "1\n2 other.test");
  ASSERT_THAT(known.proofs, SizeIs(2));
  EXPECT_EQ(known.proofs[0].label, "list.test");
  EXPECT_EQ(known.proofs[0].family, Family::kIpv4);
  EXPECT_EQ(known.proofs[0].at, proven + 1min);
  EXPECT_EQ(known.proofs[0].since, proven);
  EXPECT_EQ(known.proofs[1].at, std::nullopt);
}

TEST_F(MemoryStoreTest, AFileOfTheVersionBeforeIsBroughtToThisOne) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)},
                   .allowances = {{.network = At("192.0.2.9"),
                                   .until = now_.steady + 1h,
                                   .reason = "the operator's"}}}});
  store_.reset();
  {
    auto file = SqliteFile::Open(path_);
    ASSERT_TRUE(file->Run("ALTER TABLE bans DROP COLUMN basis;"
                          "ALTER TABLE allowances DROP COLUMN forced;"
                          "DROP TABLE liftings;"
                          "DROP TABLE proofs; PRAGMA user_version = 4")
                    .ok());
  }
  Open();
  const Remembered known = Load();
  EXPECT_THAT(known.bans, SizeIs(1));
  EXPECT_EQ(known.bans.at(0).basis, "");
  EXPECT_THAT(known.allowances, SizeIs(1));
  Write({.known = {.proofs = {{.label = "list.test", .at = now_.steady}}}});
  EXPECT_THAT(Load().proofs, SizeIs(1));
}

TEST_F(MemoryStoreTest, AndEachZonesLastDay) {
  const UtcDay today = std::chrono::floor<std::chrono::days>(now_.wall);
  const Tally tally{
      .asked = {300'000, 7, 2}, .saved = {1, 2, 3, 4}, .outcomes = {5, 6, 7}};
  const ZoneDay one{"one", today, tally};
  const ZoneDay old{"old", today - std::chrono::days(3), {}};
  Write({.known = {.zones = {{"one", today, {}}, old}}});
  Write({.known = {.zones = {one}}});
  EXPECT_THAT(Load().zones, UnorderedElementsAre(one, old));
  ASSERT_TRUE(store_->Prune({.keep = 25h}, now_).ok());
  EXPECT_THAT(Load().zones, ElementsAre(one));
}

TEST_F(MemoryStoreTest, AndLiftingsUntilTheyAreConfirmed) {
  const Network lifted = At("192.0.2.1");
  Write({.changed = {lifted},
         .known = {.liftings = {{.network = lifted, .given = now_.steady}}}});
  Reboot(10min);
  EXPECT_THAT(Load().liftings,
              ElementsAre(Lifting{lifted, now_.steady - 10min}));
  Write({.changed = {lifted}});
  EXPECT_THAT(Load().liftings, IsEmpty());
}

TEST_F(MemoryStoreTest, AndThatOneIsMeantToLetInEverybody) {
  const Allowance everybody{.network = *Network::Parse("0.0.0.0/0"),
                            .until = now_.steady + 1h,
                            .forced = true};
  Write({.known = {.allowances = {everybody}}});
  EXPECT_THAT(Load().allowances, ElementsAre(everybody));
}

TEST_F(MemoryStoreTest, AndAllowances) {
  Write({.known = {.allowances = {{.network = *Network::Parse("192.0.2.0/28"),
                                   .until = now_.steady + 1h,
                                   .reason = "a test"},
                                  {.network = At("192.0.2.99"),
                                   .until = now_.steady + 1min}}}});
  Reboot(10min);
  const Remembered known = Load();
  ASSERT_THAT(known.allowances, SizeIs(1));
  EXPECT_EQ(known.allowances[0].network.ToString(), "192.0.2.0/28");
  EXPECT_EQ(known.allowances[0].until, now_.steady + 50min);
  EXPECT_EQ(known.allowances[0].reason, "a test");
}

TEST_F(MemoryStoreTest, WhoHasChangedIsReplacedAndNobodyElse) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h), BanOf("192.0.2.2", 1h)}}});
  Write({.changed = {At("192.0.2.1")}});
  EXPECT_THAT(Load().bans, ElementsAre(Field(&Ban::network, At("192.0.2.2"))));
}

TEST_F(MemoryStoreTest, TheRestartOfTheProgramChangesNoTimes) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  Pass(20min);
  Open();
  EXPECT_THAT(Left(), ElementsAre(40min));
}

TEST_F(MemoryStoreTest, TheTimeForWhichTheHostWasOffCounts) {
  Write(
      {.known = {.bans = {BanOf("192.0.2.1", 1h), BanOf("192.0.2.2", 3min)}}});
  Reboot(10min);
  EXPECT_THAT(Left(), ElementsAre(50min));
  // And once only.
  Write({});
  Pass(1min);
  EXPECT_THAT(Left(), ElementsAre(49min));
}

// What was imported began nobody knows when.
TEST_F(MemoryStoreTest, WhenABanBeganStaysUnknownWhateverTheClockDoes) {
  Ban ban = BanOf("192.0.2.1", 1h);
  ban.imposed = Instant();
  Write({.known = {.bans = {ban}}});
  Pass(20min);
  Reboot(10min);
  EXPECT_THAT(Load().bans, ElementsAre(Field(&Ban::imposed, Instant())));
  Write({});
  Open();
  EXPECT_THAT(Load().bans, ElementsAre(Field(&Ban::imposed, Instant())));
}

TEST_F(MemoryStoreTest, AWallClockThatJumpsNeitherProlongsNorCutsABan) {
  for (const auto jump : {24h * 3650, -24h * 3650}) {
    Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
    now_.wall += jump;
    Open();
    EXPECT_THAT(Left(), ElementsAre(60min));
  }
}

TEST_F(MemoryStoreTest, AJumpBeforeTheHostGoesDownDoesNotEither) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  now_.wall += 24h;
  Write({});  // as every second
  Reboot(10min);
  EXPECT_THAT(Left(), ElementsAre(50min));
}

TEST_F(MemoryStoreTest, AClockThatRanBackWhileTheHostWasOffWasNoTime) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  Reboot(-24h * 3650);
  EXPECT_THAT(Left(), ElementsAre(60min));
}

TEST_F(MemoryStoreTest, ABootOfWhichTheKernelDoesNotTellIsNotTheOneBefore) {
  now_ = {.boot = "", .steady = Instant() + 20s, .wall = now_.wall};
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h), BanOf("192.0.2.2", 72h)}}});
  Reboot(48h);
  now_.boot = "";
  // Though its own clock has come further than it had in the one before.
  now_.steady = Instant() + 30s;
  EXPECT_THAT(Left(), ElementsAre(24h));
}

TEST_F(MemoryStoreTest, ARestartInSuchABootChangesNoTimesEither) {
  now_.boot = "";
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  Pass(20min);
  Open();
  EXPECT_THAT(Left(), ElementsAre(40min));
}

TEST_F(MemoryStoreTest, ABootOfWhichNothingWasToldIsNotThisOne) {
  now_.boot = "";
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  Reboot(10min);
  EXPECT_THAT(Left(), ElementsAre(50min));
}

TEST(ClockReadingTest, TheKernelSaysWhichBootThisIs) {
  EXPECT_EQ(ClockReading::Now().boot.size(), 36u);
  EXPECT_EQ(ClockReading::Now().boot, ClockReading::Now().boot);
}

TEST_F(MemoryStoreTest, AllTimesAreBroughtToTheNewClock) {
  const Network who = At("192.0.2.1");
  const Instant then = now_.steady;
  Write({.known = {
             .growth = {{.who = who, .times = 1, .ends = then}},
             .offences = {{.who = who, .begin = then, .last = then}},
             .history = {{.client = who,
                          .weighed = then,
                          .first = then,
                          .last = then,
                          .warned = then}},
             .proofs = {{.label = "list.test", .since = then, .at = then}}}});
  Reboot(1h);
  const Instant moved = now_.steady - 1h;
  const Remembered known = Load();
  EXPECT_EQ(known.growth[0].ends, moved);
  EXPECT_EQ(known.offences[0].begin, moved);
  EXPECT_EQ(known.offences[0].last, moved);
  EXPECT_EQ(known.history[0].weighed, moved);
  EXPECT_EQ(known.history[0].first, moved);
  EXPECT_EQ(known.history[0].last, moved);
  EXPECT_EQ(known.history[0].warned, moved);
  EXPECT_EQ(known.proofs[0].since, moved);
  EXPECT_EQ(known.proofs[0].at, moved);
}

TEST_F(MemoryStoreTest, WhatHappenedIsToldOfSeveralNetworksTheLastFirst) {
  const Network near = At("192.0.2.1");
  const Network wide = Network::Of(near.address, 120);
  const auto event = [this](const Network& who, EventKind kind, Duration for_) {
    return DatedEvent{now_.wall, {.who = who, .kind = kind, .length = for_}};
  };
  Write({.events = {event(near, EventKind::kRejected, 0s),
                    event(wide, EventKind::kBan, 10min),
                    event(At("192.0.2.2"), EventKind::kBan, 1h),
                    event(near, EventKind::kUnban, 0s)}});
  const auto events = store_->History({{near, wide}}, 2);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ((*events)[0].kind, "unban");
  EXPECT_EQ((*events)[1].kind, "ban");
  EXPECT_EQ((*events)[1].network, "192.0.2.0/24");
  EXPECT_EQ((*events)[1].length, 10min);
}

TEST_F(MemoryStoreTest, TheHistoryOfANetworkIsThatOfAllInIt) {
  const struct {
    const char* network;
    std::vector<const char*> inside;
    std::vector<const char*> beside;
  } kTable[] = {
      {"192.0.2.0/24",
       {"192.0.2.0", "192.0.2.7", "192.0.2.255", "192.0.2.0/24"},
       {"192.0.20.1", "192.0.21.0/24", "192.0.3.0"}},
      {"2001:db8:1::/48",
       {"2001:db8:1::/48", "2001:db8:1::/64", "2001:db8:1:ff::/64",
        "2001:db8:1:ff00::/56", "2001:db8:1:a:0:0:0:0/64"},
       {"2001:db8:11::/64", "2001:db8:2::/64", "2001:db8::/64"}},
      {"2001:db8::/48",
       {"2001:db8::/64", "2001:db8::/56", "2001:db8:0:1::/64",
        "2001:db8:0:ff00::/56"},
       {"2001:db8:1::/64", "2001:db8:1:1::/64"}},
      {"2001::/48",
       {"2001::/64", "2001:0:0:1::/64"},
       {"2001:0:1::/64", "2001:1::/64"}},
      {"2001:db8:1:100::/56",
       {"2001:db8:1:100::/64", "2001:db8:1:1ff::/64", "2001:db8:1:100::/56"},
       {"2001:db8:1:1::/64", "2001:db8:1:10::/64", "2001:db8:1:1000::/64",
        "2001:db8:1::/48"}},
      {"2001:db8:1::/56",
       {"2001:db8:1::/64", "2001:db8:1:1::/64", "2001:db8:1:ff::/64"},
       {"2001:db8:1:100::/64", "2001:db8:1:100::/56"}},
  };
  for (const auto& [network, inside, beside] : kTable) {
    const auto write = [&](const std::vector<const char*>& who,
                           const char* id) {
      for (const char* one : who) {
        Write(
            {.events = {
                 {now_.wall,
                  {.who = *Network::Parse(one), .label = network, .id = id}}}});
      }
    };
    write(beside, "beside");
    write(inside, "inside");
    const auto events =
        store_->History({{*Network::Parse(network)}}, 1000, true);
    ASSERT_TRUE(events.ok()) << events.status();
    size_t found = 0;
    for (const PastEvent& event : *events) {
      if (event.label != network) continue;
      EXPECT_EQ(event.id, "inside") << network << " " << event.network;
      ++found;
    }
    EXPECT_EQ(found, inside.size()) << network;
    EXPECT_THAT(*store_->History({{*Network::Parse(network)}}, 2, true),
                SizeIs(2));
  }
}

TEST_F(MemoryStoreTest, WordsOfStrangersAreKeptAsTheyAre) {
  const std::string words = "'); DROP TABLE bans; -- \n\xff\0x";
  Write({.events = {{now_.wall,
                     {.who = At("192.0.2.1"),
                      .kind = EventKind::kOffence,
                      .detail = words}}}});
  EXPECT_EQ(store_->History({{At("192.0.2.1")}}, 1)->front().detail, words);
}

TEST_F(MemoryStoreTest, WhatHasEndedAndWhatIsTooOldIsDropped) {
  const Network who = At("192.0.2.1");
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h), BanOf("192.0.2.2", 48h)},
                   .growth = {{.who = who, .times = 1, .ends = now_.steady}}},
         .events = {{now_.wall, {.who = who}}}});
  Pass(24h);
  ASSERT_TRUE(store_->Prune({.keep = 25h}, now_).ok());
  EXPECT_THAT(Load().growth, SizeIs(1));
  EXPECT_THAT(*store_->History({{who}}, 9), SizeIs(1));
  Pass(1h);
  ASSERT_TRUE(store_->Prune({.keep = 25h}, now_).ok());
  EXPECT_THAT(Load().bans, ElementsAre(Field(&Ban::network, At("192.0.2.2"))));
  EXPECT_THAT(Load().growth, IsEmpty());
  EXPECT_THAT(*store_->History({{who}}, 9), IsEmpty());
}

TEST_F(MemoryStoreTest, OfTooMuchTheOldestGoes) {
  MemoryStore::Batch batch;
  for (int i = 1; i <= 9; ++i) {
    const std::string address = "192.0.2." + std::to_string(i);
    batch.known.bans.push_back(BanOf(address, 1h * i));
    batch.events.push_back(
        {now_.wall, {.who = At("192.0.2.99"), .id = address}});
  }
  Write(batch);
  ASSERT_TRUE(store_->Prune({.most_events = 2, .most_rows = 3}, now_).ok());
  EXPECT_THAT(Left(), ElementsAre(7h, 8h, 9h));
  EXPECT_THAT(*store_->History({{At("192.0.2.99")}}, 9),
              ElementsAre(Field(&PastEvent::id, "192.0.2.9"),
                          Field(&PastEvent::id, "192.0.2.8")));
}

TEST_F(MemoryStoreTest, OnlyItsOwnerMayReadIt) {
  using std::filesystem::perms;
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  for (const char* suffix : {"", "-wal"}) {
    EXPECT_EQ(std::filesystem::status(path_ + suffix).permissions(),
              perms::owner_read | perms::owner_write)
        << suffix;
  }
}

TEST_F(MemoryStoreTest, ASecondDaemonIsTurnedAway) {
  Write({});
  const auto second = MemoryStore::Open(path_);
  EXPECT_TRUE(absl::IsAborted(second.status())) << second.status();
  EXPECT_THAT(second.status().message(), HasSubstr("memory.db"));
}

TEST_F(MemoryStoreTest, WhatIsNoDatabaseIsSaidToBeBroken) {
  const std::string path = directory_.File("text");
  std::ofstream(path) << std::string(5000, 'x');
  const auto store = MemoryStore::Open(path);
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
}

TEST_F(MemoryStoreTest, SoIsATornOne) {
  MemoryStore::Batch batch;
  for (int i = 0; i < 5000; ++i) {
    batch.known.bans.push_back(
        BanOf(IpAddress::FromV4(0x0b000000u + i).ToString(), 1h));
  }
  Write(batch);
  store_.reset();
  const auto size = std::filesystem::file_size(path_);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size / 3));
  file << std::string(size / 3, '\xa5');
  file.close();
  auto store = MemoryStore::Open(path_);
  Remembered known;
  const absl::Status status =
      store.ok() ? (*store)->Load(now_, known) : store.status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST_F(MemoryStoreTest, AnotherProgramsDatabaseIsNotWrittenInto) {
  const std::string path = directory_.File("others.db");
  {
    auto others = SqliteFile::Open(path);
    ASSERT_TRUE(others->Run("CREATE TABLE theirs (x)").ok());
  }
  const auto store = MemoryStore::Open(path);
  EXPECT_TRUE(absl::IsDataLoss(store.status()));
  EXPECT_THAT(store.status().message(), HasSubstr("another program"));
}

TEST_F(MemoryStoreTest, ReadingWritesNothing) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h)}}});
  store_.reset();
  Reboot(10min);
  Open();
  Load();
  // The next reads the times of the first boot.
  now_.boot = "first";
  now_.steady = Instant() + 1000h;
  Open();
  EXPECT_THAT(Left(), ElementsAre(60min));
}

// Damaged, or by somebody's hand.
TEST_F(MemoryStoreTest, RowsThatAreNotSoundArePassedOver) {
  const Network who = At("192.0.2.1");
  const Ban ban = BanOf("192.0.2.1", 1h);
  const Remembered sound = {
      .bans = {ban},
      .growth = {{.who = who, .times = 1, .ends = now_.steady}},
      .offences = {{.who = who, .begin = now_.steady, .last = now_.steady}},
      .history = {{.client = who, .first = now_.steady, .last = now_.steady}},
      .allowances = {{.network = At("192.0.2.9"), .until = now_.steady + 1h}}};
  for (const char* damage : {"bans SET network = 'nonsense'",
                             "bans SET network = '192.0.0.0/9'",
                             "bans SET network = '0.0.0.0/0'",
                             "bans SET client = '192.0.2.7'",
                             "bans SET code = 250",
                             "bans SET code = 1 << 40",
                             "bans SET count = -1",
                             "bans SET members = 1 << 32",
                             "bans SET text = 'x' || char(13, 10) || '250 ok'",
                             "bans SET id = char(7)",
                             "bans SET label = printf('%500c', 'x')",
                             "bans SET origin = ''",
                             "growth SET times = -1",
                             "growth SET network = '::/0'",
                             "offences SET count = 1 << 40",
                             "offences SET kind = 'none'",
                             "history SET weight = 1e300",
                             "history SET network = '10.0.0.0/24'",
                             "allowances SET network = '0.0.0.0/0'",
                             "allowances SET network = '::/0'",
                             "allowances SET reason = char(27) || '[2J'"}) {
    Write({.changed = {who, At("192.0.2.9"), At("0.0.0.0")}, .known = sound});
    store_.reset();
    ASSERT_TRUE(SqliteFile::Open(path_)
                    ->Run(absl::StrCat("UPDATE ", damage).c_str())
                    .ok());
    Open();
    const Remembered known = Load();
    const size_t rows = known.bans.size() + known.growth.size() +
                        known.offences.size() + known.history.size() +
                        known.allowances.size();
    EXPECT_EQ(rows, 4u) << damage;
    store_.reset();
    std::filesystem::remove(path_);
    Open();
  }
}

TEST_F(MemoryStoreTest, TimesOutOfAnyRangeAreFarAwayAndOverflowNothing) {
  for (const char* when : {"9223372036854775807", "-9223372036854775808"}) {
    Write({.known = {.bans = {BanOf("192.0.2.1", 1h)},
                     .history = {{.client = At("192.0.2.1")}}},
           .events = {{now_.wall, {.who = At("192.0.2.1")}}}});
    store_.reset();
    ASSERT_TRUE(
        SqliteFile::Open(path_)
            ->Run(absl::StrCat("UPDATE bans SET imposed = ", when,
                               "; UPDATE history SET first = ", when,
                               ", warned = ", when, "; UPDATE events SET wall",
                               " = ", when, ", seconds = ", when,
                               "; UPDATE clock SET wall = ", when,
                               ", steady = ", when)
                      .c_str())
            .ok());
    Open();
    Reboot(1h);
    Load();
    Write({});
    EXPECT_THAT(*store_->History({{At("192.0.2.1")}}, 9), SizeIs(1));
    store_.reset();
    std::filesystem::remove(path_);
    Open();
  }
}

TEST_F(MemoryStoreTest, AClockThatIsNotSoundEndsNothing) {
  for (const char* damage :
       {"UPDATE clock SET boot = 'x', wall = 0",
        "UPDATE clock SET boot = 'x', wall = NULL",
        "UPDATE clock SET boot = NULL, steady = 'abc', wall = 'def'",
        "UPDATE clock SET boot = 'x', steady = 9e18",
        "INSERT INTO clock VALUES ('x', 0, 0)"}) {
    Write({.known = {.bans = {BanOf("192.0.2.1", 1h)},
                     .allowances = {{.network = At("192.0.2.9"),
                                     .until = now_.steady + 1h}}}});
    store_.reset();
    ASSERT_TRUE(SqliteFile::Open(path_)->Run(damage).ok());
    Open();
    const Remembered known = Load();
    EXPECT_THAT(known.bans, SizeIs(1)) << damage;
    EXPECT_THAT(known.allowances, SizeIs(1)) << damage;
    store_.reset();
    std::filesystem::remove(path_);
    Open();
  }
}

// The host had been up for 1000 hours.
TEST_F(MemoryStoreTest, WithoutASoundClockNoBanLastsLongerAfterABoot) {
  Ban imported = BanOf("192.0.2.2", 1h);
  imported.imposed = {};  // nobody knows
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h), imported}}});
  store_.reset();
  ASSERT_TRUE(SqliteFile::Open(path_)->Run("DELETE FROM clock").ok());
  Open();
  now_ = {.boot = "second", .steady = Instant() + 1min, .wall = now_.wall + 2h};
  EXPECT_THAT(Left(), ElementsAre(1h));
  EXPECT_EQ(store_->unreadable(), 2);
  Write({});
  Open();
  now_.steady += 10min;
  EXPECT_THAT(Left(), ElementsAre(50min));
  EXPECT_EQ(store_->unreadable(), 0);
}

TEST_F(MemoryStoreTest, ARowThatSaysNothingSoundIsPassedOver) {
  Write({.known = {.bans = {BanOf("192.0.2.1", 1h), BanOf("192.0.2.2", 2h)}}});
  store_.reset();
  {
    auto file = SqliteFile::Open(path_);
    ASSERT_TRUE(file->Run("UPDATE bans SET network = 'nonsense' "
                          "WHERE network = '192.0.2.1'")
                    .ok());
  }
  Open();
  EXPECT_THAT(Load().bans, ElementsAre(Field(&Ban::network, At("192.0.2.2"))));
}

}  // namespace
}  // namespace breakwater
