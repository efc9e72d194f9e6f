#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/ports/memory.h"
#include "core/screener/remembered.h"
#include "daemon/memory/sqlite.h"

namespace breakwater {

// The two clocks at one moment. Ours begins anew with each boot of the host;
// the wall's may jump.
struct ClockReading {
  std::string boot;  // which boot of the host that was
  Instant steady;
  std::chrono::system_clock::time_point wall;

  static ClockReading Now();
};

struct DatedEvent {
  std::chrono::system_clock::time_point when;
  Event event;
};

// As it is read again: the words as they were written.
struct PastEvent {
  std::chrono::system_clock::time_point when;
  std::string network;
  std::string kind;
  std::string label;
  std::string id;
  std::string detail;
  std::chrono::seconds length{};
};

// The file in which the memory is kept: a SQLite database in WAL mode, with a
// table each for bans, growth, offences, good history, allowances, liftings,
// the last day of each zone and when it was proven, and one for events.
//
// What lasts is written in times of our own clock, and beside it, with every
// write, what both clocks said: so a jump of the wall's clock neither prolongs
// nor cuts a ban. Only the time for which the host was off is taken from that
// one; if it runs backwards meanwhile, that was no time.
//
// A file of an earlier version is made one of this. Of one of a version that is
// not known, as of one that is damaged, is read what can be.
//
// Errors as in sqlite.h; kDataLoss also if the file is another program's or of
// a version that is not known. One thread.
class MemoryStore {
 public:
  // Somebody may be looking into it: then the file is shared with them, and
  // what they lock is an error, kAborted, that passes. Else it is ours alone.
  static absl::StatusOr<std::unique_ptr<MemoryStore>> Open(
      const std::string& path);
  // To Load from and nothing else, with no more than the right to read it: a
  // file that nobody writes into.
  static absl::StatusOr<std::unique_ptr<MemoryStore>> OpenToRead(
      const std::string& path);

  // Adds what has not ended to `known`: of clients, whoever was seen last
  // first, bans in no order. In spite of an error what can be read is there.
  // Writes nothing: with the first Write what is in the file, too, is brought
  // to this boot's clock.
  absl::Status Load(const ClockReading& now, Remembered& known);
  // How many rows the last Load has passed over, for they say nothing sound.
  int unreadable() const { return unreadable_; }
  // For a file of which all is known; else Load does it.
  absl::Status FindClock(const ClockReading& now);

  // Whether there was no such file, or nothing in it.
  bool is_new() const { return is_new_; }

  // Whether somebody has taken the file away, or put another in its place.
  bool HasMoved() { return file_.HasMoved(); }
  // Drops all that is known of networks, for it is written anew.
  absl::Status DropNetworks();

  struct Batch {
    // Of these all that was known is replaced by what is.
    std::vector<Network> changed;
    Remembered known;
    std::vector<DatedEvent> events;
  };
  // All of it or nothing.
  absl::Status Write(const Batch& batch, const ClockReading& now);

  // What happened to any of these networks, the last first; `with_members`: and
  // to all that is in one of them.
  absl::StatusOr<std::vector<PastEvent>> History(
      absl::Span<const Network> networks, size_t most,
      bool with_members = false);

  struct Retention {
    Duration keep = std::chrono::hours(30 * 24);
    size_t most_events = 1'000'000;
    size_t most_rows = 2'000'000;  // of each of the other tables
  };
  // Drops bans that have ended, and what is too old or too much.
  absl::Status Prune(const Retention& retention, const ClockReading& now);

 private:
  explicit MemoryStore(SqliteFile file) : file_(std::move(file)) {}

  // What kind of file it is, and makes it one of ours.
  absl::Status Prepare(const std::string& path);
  absl::Status MakeTables();
  absl::Status Upgrade(int64_t version);
  absl::Status MoveTimes(Instant now);
  absl::Status WriteClock(const ClockReading& now);
  absl::Status WriteAll(const Batch& batch, const ClockReading& now);
  absl::Status Transact(absl::FunctionRef<absl::Status()> work);

  SqliteFile file_;
  // Of an unknown version, so that nothing is written into it.
  absl::Status strange_ = absl::OkStatus();
  // By how many milliseconds what is in it lags behind this boot's clock.
  int64_t shift_ = 0;
  bool is_clock_sound_ = true;
  int unreadable_ = 0;
  bool is_new_ = false;
};

}  // namespace breakwater
