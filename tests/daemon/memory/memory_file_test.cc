#include "daemon/memory/memory_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/core/loop.h"
#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

Network Nth(uint32_t n) {
  return Network::OfClient(IpAddress::FromV4(0x0b000000u + n));
}

// Everybody in `banned_` is banned for an hour.
class MemoryFileTest : public testing::Test {
 protected:
  Remembered Start() {
    memory_.reset();
    memory_.emplace(
        loop_, metrics_,
        MemoryOptions{.file = path_, .retry = std::chrono::milliseconds(20)});
    return memory_->Start();
  }
  void Ban(uint32_t n) { Ban(Nth(n)); }
  void Ban(const Network& network) {
    banned_.push_back(network);
    memory_->Changed(network);
  }
  void Tick() {
    memory_->Happened({.who = Nth(0)});  // else it ticks once a second
    memory_->Tick(Source());
  }
  MemoryFile::Source Source() {
    const auto recall = [this](absl::Span<const Network> networks) {
      Remembered known;
      for (const Network& network : networks) {
        if (std::ranges::find(banned_, network) == banned_.end()) continue;
        known.bans.push_back(breakwater::Ban{.network = network,
                                             .client = network.address,
                                             .expires = Clock::now() + 1h});
      }
      return known;
    };
    const auto everybody = [this] { return banned_; };
    const auto learn = [this](const Remembered& some) {
      for (const breakwater::Ban& ban : some.bans) Ban(ban.network);
      for (const breakwater::Ban& ban : some.mistakes) {
        mistakes_.push_back(ban.network);
      }
    };
    return {.recall = recall,
            .everybody = everybody,
            .learn = learn,
            .learned = [] {}};
  }
  absl::StatusOr<std::vector<PastEvent>> History(uint32_t n) {
    return Await(loop_, memory_->History({Nth(n)}, 10));
  }
  bool Written(uint32_t n) {
    std::vector<Network> who = {Nth(n)};
    return Await(loop_, memory_->Written(Source(), std::move(who), kPatience));
  }
  // Ticks as the daemon does, but not only once a second.
  template <typename Done>
  void TickUntil(Done done) {
    const Instant end = Clock::now() + kPatience;
    while (!done() && Clock::now() < end) {
      Tick();
      History(0).IgnoreError();  // all before it has been written
    }
    EXPECT_TRUE(done());
  }
  std::string File(const char* suffix = "") const { return path_ + suffix; }

  TestDirectory directory_;
  std::string path_ = directory_.File("memory.db");
  asio::io_context loop_;
  Metrics metrics_;
  std::vector<Network> banned_;
  std::vector<Network> mistakes_;
  std::optional<MemoryFile> memory_;
};

TEST_F(MemoryFileTest, WhoWasBannedIsKnownAfterARestart) {
  EXPECT_THAT(Start().bans, IsEmpty());
  Ban(1);
  Ban(2);
  Tick();
  EXPECT_THAT(Start().bans, SizeIs(2));
  EXPECT_EQ(metrics_.memory_up.Value(), 1);
}

TEST_F(MemoryFileTest, WhoseBanWasLiftedIsNot) {
  Start();
  Ban(1);
  Tick();
  banned_.clear();
  memory_->Changed(Nth(1));
  Tick();
  EXPECT_THAT(Start().bans, IsEmpty());
}

TEST_F(MemoryFileTest, TellsWhatHappened) {
  Start();
  memory_->Happened({.who = Nth(1), .kind = EventKind::kBan, .id = "one"});
  Tick();
  const auto events = History(1);
  ASSERT_TRUE(events.ok()) << events.status();
  EXPECT_THAT(*events, ElementsAre(Field(&PastEvent::id, "one")));
}

TEST_F(MemoryFileTest, ABrokenFileIsMovedAsideAndAllThatIsKnownWrittenAnew) {
  std::ofstream(path_) << std::string(5000, 'x');
  banned_ = {Nth(1), Nth(2), Nth(3)};  // and nobody says so again
  EXPECT_THAT(Start().bans, IsEmpty());
  EXPECT_THAT(memory_->trouble(), HasSubstr("not a database"));
  EXPECT_EQ(metrics_.memory_up.Value(), 0);
  TickUntil([this] { return memory_->trouble().empty(); });
  Tick();
  EXPECT_EQ(std::filesystem::file_size(File(".broken")), 5000u);
  EXPECT_THAT(Start().bans, SizeIs(3));
}

TEST_F(MemoryFileTest, WhereAFileLacksATableOrAColumnWhatItHasIsKnown) {
  for (const char* damage :
       {"DROP TABLE growth", "DROP TABLE events", "DROP TABLE clock",
        "ALTER TABLE history DROP COLUMN weight"}) {
    SCOPED_TRACE(damage);
    std::filesystem::remove(File(".broken"));
    Start();
    Ban(1);
    Tick();
    memory_.reset();
    ASSERT_TRUE(SqliteFile::Open(path_)->Run(damage).ok());
    Start();
    Tick();
    TickUntil([this] {
      return memory_->trouble().empty() && !memory_->loss().empty();
    });
    Tick();
    ASSERT_TRUE(Written(1));
    EXPECT_TRUE(std::filesystem::exists(File(".broken")));
    EXPECT_THAT(memory_->loss(), HasSubstr(".broken"));
    EXPECT_THAT(Start().bans, SizeIs(1));
    EXPECT_THAT(memory_->loss(), IsEmpty());
  }
}

TEST_F(MemoryFileTest, RowsThatSayNothingSoundAreALoss) {
  Start();
  Ban(1);
  Tick();
  ASSERT_TRUE(Written(1));
  memory_.reset();
  ASSERT_TRUE(SqliteFile::Open(path_)->Run("UPDATE bans SET code = 250").ok());
  EXPECT_THAT(Start().bans, IsEmpty());
  EXPECT_THAT(memory_->loss(), HasSubstr("1 row of " + path_));
}

TEST_F(MemoryFileTest, AFileThatWasTakenAwayMeanwhileIsBegunAnewWithAll) {
  const auto remove_log = [this] { std::filesystem::remove(File("-wal")); };
  const auto remove = [this] { std::filesystem::remove(path_); };
  const auto move = [this] {
    std::filesystem::rename(path_, File(".elsewhere"));
  };
  for (const std::function<void()>& away :
       std::vector<std::function<void()>>{remove, move, remove_log}) {
    Start();
    Ban(1);
    Tick();
    ASSERT_TRUE(Written(1));
    away();
    Ban(2);
    TickUntil([this] { return !memory_->loss().empty(); });
    Tick();
    ASSERT_TRUE(Written(2));
    EXPECT_THAT(memory_->loss(), HasSubstr("moved, deleted or replaced"));
    EXPECT_THAT(Start().bans, SizeIs(Ge(2u)));
  }
}

TEST_F(MemoryFileTest, OfAFileThatWasPutThereMeanwhileNothingIsBelieved) {
  Start();
  Ban(1);
  Tick();
  memory_.reset();
  std::filesystem::copy_file(path_, File(".copy"));
  Start();
  banned_.clear();
  memory_->Changed(Nth(1));
  Tick();
  ASSERT_TRUE(Written(1));
  std::filesystem::rename(File(".copy"), path_);
  Ban(2);
  TickUntil([this] { return !memory_->loss().empty(); });
  Tick();
  ASSERT_TRUE(Written(2));
  const Remembered known = Start();
  ASSERT_THAT(known.bans, SizeIs(1));
  EXPECT_EQ(known.bans[0].network, Nth(2));
}

TEST_F(MemoryFileTest, NorOfOneThatCouldNotBeOpenedAtOnce) {
  Start();
  Ban(1);
  Tick();
  memory_.reset();
  std::filesystem::copy_file(path_, File(".copy"));
  Start();
  banned_.clear();
  memory_->Changed(Nth(1));
  Tick();
  ASSERT_TRUE(Written(1));
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  TickUntil([this] { return !memory_->trouble().empty(); });
  std::filesystem::remove(path_);
  std::filesystem::rename(File(".copy"), path_);
  TickUntil([this] { return memory_->trouble().empty(); });
  Ban(2);
  ASSERT_TRUE(Written(2));
  const Remembered known = Start();
  ASSERT_THAT(known.bans, SizeIs(1));
  EXPECT_EQ(known.bans[0].network, Nth(2));
}

TEST_F(MemoryFileTest, AnEmptyFileBesideALogIsMovedAsideWithIt) {
  std::ofstream(File("-wal")) << std::string(5000, 'x');
  std::ofstream(path_).flush();
  Start();
  EXPECT_THAT(memory_->trouble(), HasSubstr("is empty, and"));
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_EQ(std::filesystem::file_size(File(".broken-wal")), 5000u);
}

TEST_F(MemoryFileTest, WithoutItsDirectoryItForgetsAndSaysWhy) {
  path_ = directory_.File("missing/memory.db");
  EXPECT_THAT(Start().bans, IsEmpty());
  Ban(1);
  Tick();
  const auto events = History(1);
  EXPECT_THAT(events.status().message(), HasSubstr("missing/memory.db"));
  EXPECT_THAT(memory_->trouble(), HasSubstr("No such file or directory"));
}

TEST_F(MemoryFileTest, AtTheEndAllThatHasChangedIsWritten) {
  Start();
  banned_ = {Nth(0), Nth(MemoryFile::kMostABatch * 3)};
  for (uint32_t i = 0; i <= MemoryFile::kMostABatch * 3; ++i) {
    memory_->Changed(Nth(i));
  }
  memory_->Finish(Source());
  EXPECT_THAT(Start().bans, SizeIs(2));
}

TEST_F(MemoryFileTest, OfMoreThanThereIsTimeForAtTheEndAPartIsWritten) {
  const auto end = [this] {
    Start();
    for (uint32_t i = 0; i < 1'000'000; ++i) memory_->Changed(Nth(i));
    MemoryFile::Source source = Source();
    source.recall = [](absl::Span<const Network> networks) {
      Remembered known;
      for (const Network& network : networks) {
        known.bans.push_back(breakwater::Ban{.network = network,
                                             .client = network.address,
                                             .expires = Clock::now() + 1h});
      }
      return known;
    };
    memory_->Finish(source);
    _exit(0);  // as the daemon's end: nobody waits for the rest
  };
  EXPECT_EXIT(end(), testing::ExitedWithCode(0), "");
  EXPECT_GE(Start().bans.size(), MemoryFile::kMostABatch);
}

TEST_F(MemoryFileTest, WhoWaitsIsToldWhenItIsWritten) {
  Start();
  Ban(1);
  EXPECT_TRUE(Written(1));
  // As another process would find it after a crash of this one.
  std::filesystem::copy(path_, File(".copy"));
  std::filesystem::copy(File("-wal"), File(".copy-wal"));
  auto store = MemoryStore::Open(File(".copy"));
  ASSERT_TRUE(store.ok()) << store.status();
  Remembered known;
  ASSERT_TRUE((*store)->Load(ClockReading::Now(), known).ok());
  EXPECT_THAT(known.bans, SizeIs(1));
}

TEST_F(MemoryFileTest, WhoWaitsBehindManyIsToldWhenHisIsWritten) {
  Start();
  for (uint32_t i = 0; i < MemoryFile::kMostABatch + 1'000; ++i) {
    memory_->Changed(Nth(i));
  }
  banned_ = {Nth(1), Nth(2)};
  EXPECT_TRUE(Written(1));
  EXPECT_TRUE(Written(2));
  memory_.reset();
  EXPECT_THAT(Start().bans, SizeIs(2));
}

TEST_F(MemoryFileTest, WhoWaitsForWhatCannotBeWrittenIsToldSo) {
  std::filesystem::create_directory(path_);  // in its place
  Start();
  Ban(1);
  EXPECT_FALSE(Written(1));
}

TEST_F(MemoryFileTest, OfWhatAStrangerWroteOnlyTheBeginningIsKept) {
  Start();
  memory_->Happened({.who = Nth(1), .detail = std::string(100'000, 'x')});
  Tick();
  EXPECT_EQ(History(1)->front().detail.size(), 512u);
}

TEST_F(MemoryFileTest, MoreEventsThanThereIsRoomForAreLostAndCounted) {
  Start();
  for (size_t i = 0; i < MemoryFile::kMostEvents + 7; ++i) {
    memory_->Happened({.who = Nth(1)});
  }
  EXPECT_EQ(metrics_.memory_lost_events.Value(), 7);
}

TEST_F(MemoryFileTest, MoreChangesThanABatchTakesFollowInTheNext) {
  Start();
  for (uint32_t i = 0; i < MemoryFile::kMostABatch + 5; ++i) {
    memory_->Changed(Nth(i));
  }
  banned_ = {Nth(0), Nth(MemoryFile::kMostABatch + 4)};
  Tick();
  History(0).IgnoreError();
  Tick();
  EXPECT_THAT(Start().bans, SizeIs(2));
}

// ---- A file that cannot be used when we begin -------------------------------

// As `sqlite3 memory.db`, by hand.
class Shell {
 public:
  explicit Shell(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
  }
  ~Shell() { sqlite3_close(database_); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  void Run(const char* sql) {
    char* error = nullptr;
    sqlite3_exec(database_, sql, nullptr, nullptr, &error);
    EXPECT_EQ(error, nullptr) << error;
  }

 private:
  sqlite3* database_ = nullptr;
};

class UnusableFileTest : public MemoryFileTest {
 protected:
  // One and two are banned.
  UnusableFileTest() {
    Start();
    Ban(1);
    Ban(2);
    Tick();
    memory_.reset();
    banned_.clear();
  }
  std::vector<Network> WhoIsInTheFile() {
    memory_.reset();
    std::vector<Network> who;
    for (const auto& ban : Start().bans) who.push_back(ban.network);
    return who;
  }
};

TEST_F(UnusableFileTest, WhatAnOpenShellLooksIntoIsReadAndWritten) {
  Shell shell(path_);
  shell.Run("SELECT * FROM bans");
  EXPECT_THAT(Start().bans, SizeIs(2));
  Ban(3);
  EXPECT_TRUE(Written(3));
  EXPECT_EQ(memory_->trouble(), "");
}

TEST_F(UnusableFileTest, WhatAShellHasLockedIsReadLateAndNothingIsLost) {
  {
    Shell shell(path_);
    shell.Run("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM zones");
    EXPECT_THAT(Start().bans, IsEmpty());
    EXPECT_FALSE(memory_->is_read());
    EXPECT_THAT(memory_->trouble(), HasSubstr("locked"));
    Ban(3);
    memory_->Changed(Nth(1));  // something else about it
    EXPECT_FALSE(Written(3));
  }
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_TRUE(Written(3));
  EXPECT_THAT(WhoIsInTheFile(), UnorderedElementsAre(Nth(1), Nth(2), Nth(3)));
}

TEST_F(UnusableFileTest, WhomTheOperatorLetInMeanwhileStaysIn) {
  {
    Shell shell(path_);
    shell.Run("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM zones");
    Start();
    memory_->Changed(Nth(1));
    memory_->Happened({.who = Nth(1),
                       .kind = EventKind::kUnban,
                       .label = "operator",
                       .id = "me"});
  }
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_THAT(banned_, ElementsAre(Nth(2)));
  EXPECT_THAT(mistakes_, ElementsAre(Nth(1))) << "so its growth goes as well";
  // What happened meanwhile is told, too.
  EXPECT_THAT(*History(1), ElementsAre(Field(&PastEvent::id, "me")));
  EXPECT_THAT(WhoIsInTheFile(), ElementsAre(Nth(2)));
}

TEST_F(UnusableFileTest, WhoseBanWasServedMeanwhileWasNotBannedByMistake) {
  {
    Shell shell(path_);
    shell.Run("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM zones");
    Start();
    memory_->Happened({.who = Nth(1),
                       .kind = EventKind::kUnban,
                       .label = "not-listed-any-more"});
  }
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_THAT(banned_, ElementsAre(Nth(2)));
  EXPECT_THAT(mistakes_, IsEmpty());
}

TEST_F(UnusableFileTest, ANetworkThatWasLetInMeanwhileStaysInWithAllInIt) {
  const Network wide = *Network::Parse("192.0.2.0/24");
  Start();
  Ban(1);
  Ban(*Network::Parse("192.0.2.9"));
  Ban(wide);
  Ban(*Network::Parse("192.0.3.9"));
  Tick();
  memory_.reset();
  banned_.clear();
  {
    Shell shell(path_);
    shell.Run("PRAGMA locking_mode = EXCLUSIVE; DELETE FROM zones");
    Start();
    memory_->LetIn(wide);
  }
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_TRUE(Written(1));
  const auto others =
      UnorderedElementsAre(Nth(1), Nth(2), *Network::Parse("192.0.3.9"));
  EXPECT_THAT(banned_, others);
  EXPECT_THAT(WhoIsInTheFile(), others) << "not after a restart either";
}

TEST_F(UnusableFileTest, WhatOnlyMayBeReadIsRead) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  for (const char* suffix : {"", "-wal"}) {
    // With what a crash leaves, and without.
    if (*suffix != 0) {
      Start();
      Ban(3);
      ASSERT_TRUE(Written(3));
      std::filesystem::copy(path_, File(".torn"));
      std::filesystem::copy(File("-wal"), File(".torn-wal"));
      memory_.reset();
      path_ = File(".torn");
    }
    std::filesystem::permissions(directory_.File(""),
                                 std::filesystem::perms(0755));
    for (const char* part : {"", suffix}) {
      std::filesystem::permissions(File(part), std::filesystem::perms(0644));
    }
    ASSERT_EQ(seteuid(65534), 0);
    const size_t read = Start().bans.size();
    const bool is_read = memory_->is_read();
    const std::string trouble = memory_->trouble();
    memory_.reset();
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_EQ(read, *suffix == 0 ? 2u : 3u) << suffix;
    EXPECT_TRUE(is_read);
    EXPECT_THAT(trouble, HasSubstr("Permission denied"));
  }
}

TEST_F(UnusableFileTest, WhatIsNoFileIsNotWaitedFor) {
  std::filesystem::rename(path_, File(".away"));
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(Start().bans, IsEmpty());
  EXPECT_FALSE(memory_->is_read());
  EXPECT_THAT(memory_->trouble(), HasSubstr("is no regular file"));
  std::filesystem::rename(File(".away"), path_);
  TickUntil([this] { return banned_.size() == 2; });
}

TEST_F(UnusableFileTest, OfALaterVersionIsReadWhatCanBeAndTheFileKept) {
  Shell(path_).Run("PRAGMA user_version = 999; DROP TABLE offences");
  const Remembered known = Start();
  EXPECT_THAT(known.bans, SizeIs(2));
  for (const auto& ban : known.bans) Ban(ban.network);
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_TRUE(std::filesystem::exists(File(".broken")));
  EXPECT_THAT(WhoIsInTheFile(), UnorderedElementsAre(Nth(1), Nth(2)));
}

TEST_F(UnusableFileTest, WhatWasReadLateOfABrokenFileIsNotReadAgainFromTheNew) {
  {
    Shell shell(path_);
    shell.Run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version = 999");
    Start();
    std::this_thread::sleep_for(30ms);
    Tick();  // waits for the lock
    std::this_thread::sleep_for(30ms);
    Await(loop_, memory_->Written(Source(), {Nth(9)}, 1ms));  // behind it
  }
  History(0).IgnoreError();  // both have tried
  TickUntil([this] { return memory_->trouble().empty(); });
  EXPECT_TRUE(std::filesystem::exists(File(".broken")));
  EXPECT_THAT(WhoIsInTheFile(), UnorderedElementsAre(Nth(1), Nth(2)));
}

TEST_F(UnusableFileTest, WhatIsNotWrittenAtOnceIsWrittenWhenTheLockIsGone) {
  Shell shell(path_);
  Start();
  memory_.reset();
  shell.Run("SELECT * FROM bans");
  Start();
  shell.Run("BEGIN IMMEDIATE");
  Ban(3);
  memory_->Happened({.who = Nth(3), .id = "three"});
  EXPECT_FALSE(Written(3));
  shell.Run("ROLLBACK");
  EXPECT_TRUE(Written(3));
  EXPECT_THAT(*History(3), ElementsAre(Field(&PastEvent::id, "three")));
}

}  // namespace
}  // namespace breakwater
