#include "daemon/memory_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/core/loop.h"
#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

Network Nth(uint32_t n) {
  return Network::OfClient(IpAddress::FromV4(0x0b000000u + n));
}

// Everybody in `banned_` is banned for an hour.
class MemoryFileTest : public testing::Test {
 protected:
  Remembered Start() {
    memory_.reset();
    memory_.emplace(loop_, metrics_, MemoryOptions{.file = path_});
    return memory_->Start();
  }
  void Ban(uint32_t n) {
    banned_.push_back(Nth(n));
    memory_->Changed(Nth(n));
  }
  void Tick() { memory_->Tick(Source()); }
  MemoryFile::Source Source() {
    const auto recall = [this](absl::Span<const Network> networks) {
      Remembered known;
      for (const Network& network : networks) {
        if (std::ranges::find(banned_, network) == banned_.end()) continue;
        known.bans.push_back({.network = network,
                              .client = network.address,
                              .expires = Clock::now() + 1h});
      }
      return known;
    };
    const auto everybody = [this] { return banned_; };
    return {.recall = recall, .everybody = everybody};
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

TEST_F(MemoryFileTest, WhoWaitsIsToldWhenItIsWritten) {
  Start();
  Ban(1);
  EXPECT_TRUE(Written(1));
  // As another process would find it after a crash of this one.
  std::filesystem::copy(path_, File(".copy"));
  std::filesystem::copy(File("-wal"), File(".copy-wal"));
  auto store = MemoryStore::Open(File(".copy"));
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT((*store)->Load(ClockReading::Now())->bans, SizeIs(1));
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

}  // namespace
}  // namespace breakwater
