#include "daemon/memory/memory_store.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "daemon/memory/memory_rows.h"
#include "daemon/protocol/history_range.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using SystemClock = std::chrono::system_clock;

// "BrWa", and which tables it has: whoever changes these counts it up.
constexpr int64_t kApplication = 0x42725761;
constexpr int64_t kVersion = 6;
constexpr int64_t kOldestVersion = 4;  // that is known how to upgrade
// From each of these to the next.
constexpr std::array<const char*, kVersion - kOldestVersion> kUpgrades = {
    // What bans rest on, and since when lists are proven, is not known.
    R"(
ALTER TABLE bans ADD COLUMN basis TEXT;
CREATE TABLE proofs (
  label TEXT, family TEXT, since INTEGER, proven INTEGER,
  PRIMARY KEY (label, family)
) WITHOUT ROWID;
)",
    R"(
ALTER TABLE allowances ADD COLUMN forced INTEGER;
CREATE TABLE liftings (network TEXT PRIMARY KEY, given INTEGER) WITHOUT ROWID;
)"};
static_assert(kUpgrades.back() != nullptr);

constexpr char kTables[] = R"(
CREATE TABLE clock (boot TEXT, steady INTEGER, wall INTEGER);
CREATE TABLE bans (
  network TEXT PRIMARY KEY, client TEXT, ends INTEGER, imposed INTEGER,
  origin TEXT, count INTEGER, members INTEGER, code INTEGER, id TEXT,
  label TEXT, text TEXT, basis TEXT
) WITHOUT ROWID;
CREATE TABLE growth (
  network TEXT PRIMARY KEY, times INTEGER, ends INTEGER
) WITHOUT ROWID;
CREATE TABLE offences (
  network TEXT, kind TEXT, count INTEGER, before INTEGER, begin INTEGER,
  last INTEGER, PRIMARY KEY (network, kind)
) WITHOUT ROWID;
CREATE TABLE history (
  network TEXT PRIMARY KEY, good INTEGER, weight REAL, weighed INTEGER,
  first INTEGER, last INTEGER, warned INTEGER
) WITHOUT ROWID;
CREATE TABLE allowances (
  network TEXT PRIMARY KEY, ends INTEGER, reason TEXT, forced INTEGER
) WITHOUT ROWID;
CREATE TABLE liftings (network TEXT PRIMARY KEY, given INTEGER) WITHOUT ROWID;
CREATE TABLE zones (
  label TEXT PRIMARY KEY, day INTEGER, tally TEXT
) WITHOUT ROWID;
CREATE TABLE proofs (
  label TEXT, family TEXT, since INTEGER, proven INTEGER,
  PRIMARY KEY (label, family)
) WITHOUT ROWID;
CREATE TABLE events (
  number INTEGER PRIMARY KEY, wall INTEGER, network TEXT, kind TEXT,
  label TEXT, id TEXT, detail TEXT, seconds INTEGER
);
CREATE INDEX events_by_network ON events (network, number);
)";

// Tables of networks, and by what a row counts as old.
struct Table {
  const char* name;
  const char* last;
};
constexpr std::array<Table, 6> kOfNetworks = {{{"bans", "ends"},
                                               {"growth", "ends"},
                                               {"offences", "last"},
                                               {"history", "last"},
                                               {"allowances", "ends"},
                                               {"liftings", "given"}}};

absl::Status Prepared(SqliteFile& file, absl::string_view sql,
                      absl::FunctionRef<absl::Status(SqliteStatement&)> use) {
  absl::StatusOr<SqliteStatement> statement = file.Prepare(sql);
  if (!statement.ok()) return statement.status();
  return use(*statement);
}

// `bind` gives the parameters of each item.
template <typename Items, typename Bind>
absl::Status RunForEach(SqliteFile& file, absl::string_view sql,
                        const Items& items, Bind bind) {
  if (items.empty()) return absl::OkStatus();
  return Prepared(file, sql, [&](SqliteStatement& statement) {
    for (const auto& item : items) {
      bind(statement, item);
      if (absl::Status status = statement.Run(); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status RunOnce(SqliteFile& file, absl::string_view sql,
                     std::initializer_list<int64_t> parameters) {
  return Prepared(file, sql, [&](SqliteStatement& statement) {
    for (const int64_t parameter : parameters) statement.Bind(parameter);
    return statement.Run();
  });
}

// Where the clock of before is not known. A ban that seems to be imposed later
// than now is of an earlier boot, of a host that had been up for longer: by its
// times it would last longer by all of that. Of one that was imported nothing
// is left that says when it ends: it is dropped.
void BeginAtLatest(Instant now, std::vector<RememberedBan>& bans) {
  std::erase_if(
      bans, [](const RememberedBan& ban) { return ban.imposed == Instant(); });
  for (RememberedBan& ban : bans) {
    if (ban.imposed <= now) continue;
    ban.expires -= ban.imposed - now;
    ban.imposed = now;
  }
}

template <typename Read>
absl::Status ForEachRow(SqliteStatement& statement, Read read) {
  while (true) {
    const absl::StatusOr<bool> row = statement.Next();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
    read(statement);
  }
}

// The first column of the only row; zero without one.
absl::StatusOr<int64_t> Number(SqliteFile& file, absl::string_view sql) {
  int64_t number = 0;
  const absl::Status status = Prepared(file, sql, [&](SqliteStatement& asked) {
    return ForEachRow(asked, [&number](const SqliteStatement& row) {
      number = row.Integer(0);
    });
  });
  if (!status.ok()) return status;
  return number;
}

}  // namespace

ClockReading ClockReading::Now() {
  ClockReading now{.steady = Clock::now(), .wall = SystemClock::now()};
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), now.boot);
  return now;
}

// ---- The file ---------------------------------------------------------------

absl::StatusOr<std::unique_ptr<MemoryStore>> MemoryStore::Open(
    const std::string& path) {
  // SQLite would make a new one of it, and drop what is in the log.
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  const bool is_empty = !error && size == 0;
  const std::uintmax_t log = std::filesystem::file_size(path + "-wal", error);
  if (is_empty && !error && log > 0) {
    return absl::DataLossError(
        absl::StrCat(path, " is empty, and ", path, "-wal is not"));
  }
  // NORMAL: what was written last may be lost with the power, but never the
  // file. EXCLUSIVE: what is ours alone needs no lock for each batch.
  absl::Status status;
  for (const char* how :
       {"PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 2000;",
        "PRAGMA busy_timeout = 250; PRAGMA journal_mode = WAL;"
        "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 2000;"}) {
    absl::StatusOr<SqliteFile> file = SqliteFile::Open(path);
    if (!file.ok()) return file.status();
    std::unique_ptr<MemoryStore> store(new MemoryStore(*std::move(file)));
    status = store->file_.Run(how);
    if (status.ok()) status = store->Prepare(path);
    if (status.ok()) return store;
    if (!absl::IsAborted(status)) return status;
  }
  return status;
}

absl::StatusOr<std::unique_ptr<MemoryStore>> MemoryStore::OpenToRead(
    const std::string& path) {
  absl::StatusOr<SqliteFile> file = SqliteFile::OpenToRead(path);
  if (!file.ok()) return file.status();
  std::unique_ptr<MemoryStore> store(new MemoryStore(*std::move(file)));
  const absl::StatusOr<int64_t> version =
      Number(store->file_, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version == kVersion) return store;
  return absl::FailedPreconditionError(
      absl::StrCat(path, " is of another version"));
}

absl::Status MemoryStore::Prepare(const std::string& path) {
  const absl::StatusOr<int64_t> application =
      Number(file_, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  const absl::StatusOr<int64_t> version = Number(file_, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  const absl::StatusOr<int64_t> tables =
      Number(file_, "SELECT count(*) FROM sqlite_schema");
  if (!tables.ok()) return tables.status();
  if (*tables == 0) return MakeTables();
  if (*application != kApplication) {
    return absl::DataLossError(
        absl::StrCat(path, " was made by another program"));
  }
  if (*version < kOldestVersion || *version > kVersion) {
    strange_ = absl::DataLossError(
        absl::StrCat(path, " was made by another version of this program"));
    return absl::OkStatus();
  }
  return *version == kVersion ? absl::OkStatus() : Upgrade(*version);
}

absl::Status MemoryStore::Upgrade(int64_t version) {
  Log(Severity::kInfo, "memory-upgraded")
      .Add("from", version)
      .Add("to", kVersion);
  return Transact([&] {
    absl::Status status = absl::OkStatus();
    for (int64_t from = version; from < kVersion && status.ok(); ++from) {
      status = file_.Run(kUpgrades[static_cast<size_t>(from - kOldestVersion)]);
    }
    if (!status.ok()) return status;
    return file_.Run(absl::StrCat("PRAGMA user_version = ", kVersion).c_str());
  });
}

absl::Status MemoryStore::MakeTables() {
  is_new_ = true;
  return Transact([this] {
    return file_.Run(absl::StrCat("PRAGMA application_id = ", kApplication,
                                  "; PRAGMA user_version = ", kVersion, ";",
                                  kTables)
                         .c_str());
  });
}

absl::Status MemoryStore::Transact(absl::FunctionRef<absl::Status()> work) {
  absl::Status status = file_.Run("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = work();
  if (status.ok()) status = file_.Run("COMMIT");
  // Some errors have ended the transaction by themselves.
  if (!status.ok()) file_.Run("ROLLBACK").IgnoreError();
  return status;
}

// ---- Reading ----------------------------------------------------------------

absl::Status MemoryStore::Load(const ClockReading& now, Remembered& known) {
  absl::Status status = FindClock(now);
  if (!status.ok()) return status;
  status = strange_;
  unreadable_ = is_clock_sound_ ? 0 : 1;
  const auto load = [&]<typename Item>(std::vector<Item>& into) {
    using Row = MemoryRow<Item>;
    // What comes behind an error may be whole.
    status.Update(Prepared(file_, Row::kSelect, [&](SqliteStatement& rows) {
      return ForEachRow(rows, [&](const SqliteStatement& row) {
        if (auto item = Row::Read(row, shift_)) {
          into.push_back(*std::move(item));
        } else {
          ++unreadable_;
        }
      });
    }));
  };
  // First what a person has said.
  load(known.allowances);
  std::erase_if(known.allowances, [&](const Allowance& allowance) {
    return allowance.until <= now.steady;
  });
  load(known.liftings);
  load(known.bans);
  if (!is_clock_sound_) {
    const size_t before = known.bans.size();
    BeginAtLatest(now.steady, known.bans);
    unreadable_ += static_cast<int>(before - known.bans.size());
  }
  std::erase_if(known.bans,
                [&](const Ban& ban) { return ban.expires <= now.steady; });
  load(known.growth);
  load(known.offences);
  load(known.history);
  load(known.zones);
  load(known.proofs);
  if (unreadable_ > 0) {
    Log(Severity::kWarning, "memory-unreadable").Add("rows", unreadable_);
  }
  return status;
}

absl::Status MemoryStore::FindClock(const ClockReading& now) {
  shift_ = 0;
  int rows = 0;
  std::string boot;
  int64_t steady = 0;
  int64_t wall = 0;
  const absl::Status status =
      Prepared(file_, "SELECT boot, steady, wall FROM clock",
               [&](SqliteStatement& statement) {
                 return ForEachRow(statement, [&](const SqliteStatement& row) {
                   ++rows;
                   boot = row.Text(0);
                   steady = Milliseconds(InstantAt(row.Integer(1)));
                   wall = Milliseconds(WallAt(row.Integer(2)));
                 });
               });
  // No host is up for longer than since 1970. By a row that says so all would
  // seem to be over, and be forgotten.
  is_clock_sound_ =
      rows == 0 ? is_new_ : rows == 1 && steady > 0 && steady < wall;
  if (!status.ok() || rows == 0 || !is_clock_sound_) return status;
  const int64_t lag = Milliseconds(now.steady) - steady;
  // Where the kernel does not say which boot it is, it may be another one,
  // however far our clock has come: the wall's tells what has passed.
  if (boot == now.boot && !boot.empty()) return status;
  shift_ = lag - std::max<int64_t>(Milliseconds(now.wall) - wall, 0);
  return status;
}

absl::Status MemoryStore::MoveTimes(Instant now) {
  absl::Status status = absl::OkStatus();
  if (!is_clock_sound_) {
    // As BeginAtLatest has it.
    status = RunOnce(file_,
                     "UPDATE bans SET ends = ends - (imposed - ?1), "
                     "imposed = ?1 WHERE imposed > ?1",
                     {Milliseconds(now)});
    if (status.ok()) status = file_.Run("DELETE FROM bans WHERE imposed = 0");
  }
  if (shift_ == 0) return status;
  for (const char* sql :
       // Since when one that was imported has been in force is not known: 0.
       {"UPDATE bans SET ends = ends + ?1, "
        "imposed = CASE imposed WHEN 0 THEN 0 ELSE imposed + ?1 END",
        "UPDATE growth SET ends = ends + ?1",
        "UPDATE proofs SET since = since + ?1, proven = proven + ?1",
        "UPDATE allowances SET ends = ends + ?1",
        "UPDATE liftings SET given = given + ?1",
        "UPDATE offences SET begin = begin + ?1, last = last + ?1",
        "UPDATE history SET weighed = weighed + ?1, first = first + ?1, "
        "last = last + ?1, warned = warned + ?1"}) {
    if (status.ok()) status = RunOnce(file_, sql, {shift_});
  }
  return status;
}

absl::StatusOr<std::vector<PastEvent>> MemoryStore::History(
    absl::Span<const Network> networks, size_t most, bool with_members) {
  std::vector<HistoryRange> ranges;
  for (const Network& network : networks) {
    if (!with_members) {
      ranges.push_back(HistoryRangeOf(network));
      continue;
    }
    for (HistoryRange& range : HistoryRangesOf(network)) {
      ranges.push_back(std::move(range));
    }
  }
  std::map<int64_t, PastEvent, std::greater<>> numbered;
  const absl::Status status = Prepared(
      file_,
      "SELECT number, wall, network, kind, label, id, detail, seconds "
      "FROM events WHERE network >= ? AND network < ? AND network GLOB ? "
      "ORDER BY number DESC LIMIT ?",
      [&](SqliteStatement& statement) {
        for (const HistoryRange& range : ranges) {
          statement.Bind(range.from)
              .Bind(range.to)
              .Bind(range.glob)
              .Bind(static_cast<int64_t>(most));
          const absl::Status read =
              ForEachRow(statement, [&](const SqliteStatement& row) {
                numbered.emplace(
                    row.Integer(0),
                    PastEvent{.when = WallAt(row.Integer(1)),
                              .network = row.Text(2),
                              .kind = row.Text(3),
                              .label = row.Text(4),
                              .id = row.Text(5),
                              .detail = row.Text(6),
                              .length = std::chrono::seconds(row.Integer(7))});
              });
          if (!read.ok()) return read;
        }
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  std::vector<PastEvent> events;
  for (auto& [number, event] : numbered) {
    if (events.size() == most) break;
    events.push_back(std::move(event));
  }
  return events;
}

// ---- Writing ----------------------------------------------------------------

absl::Status MemoryStore::Write(const Batch& batch, const ClockReading& now) {
  if (!strange_.ok()) return strange_;
  // In one go: who dies in between must not find the one without the other.
  const absl::Status status = Transact([&] {
    const absl::Status moved = MoveTimes(now.steady);
    return moved.ok() ? WriteAll(batch, now) : moved;
  });
  if (status.ok()) {
    shift_ = 0;
    is_clock_sound_ = true;
  }
  return status;
}

absl::Status MemoryStore::DropNetworks() {
  if (!strange_.ok()) return strange_;
  return Transact([this] {
    absl::Status status = absl::OkStatus();
    for (const Table& table : kOfNetworks) {
      if (!status.ok()) break;
      status = file_.Run(absl::StrCat("DELETE FROM ", table.name).c_str());
    }
    return status;
  });
}

absl::Status MemoryStore::WriteAll(const Batch& batch,
                                   const ClockReading& now) {
  absl::Status status = WriteClock(now);
  for (const Table& table : kOfNetworks) {
    if (!status.ok()) return status;
    status = RunForEach(
        file_, absl::StrCat("DELETE FROM ", table.name, " WHERE network = ?"),
        batch.changed, [](SqliteStatement& row, const Network& network) {
          row.Bind(network.ToString());
        });
  }
  const auto insert = [&]<typename Item>(const std::vector<Item>& items) {
    using Row = MemoryRow<Item>;
    if (status.ok()) {
      status = RunForEach(file_, Row::kInsert, items, &Row::Bind);
    }
  };
  insert(batch.known.bans);
  insert(batch.known.growth);
  insert(batch.known.offences);
  insert(batch.known.history);
  insert(batch.known.allowances);
  insert(batch.known.liftings);
  insert(batch.known.zones);
  insert(batch.known.proofs);
  insert(batch.events);
  return status;
}

absl::Status MemoryStore::WriteClock(const ClockReading& now) {
  absl::Status status = file_.Run("DELETE FROM clock");
  if (!status.ok()) return status;
  return Prepared(file_, "INSERT INTO clock VALUES (?,?,?)",
                  [&](SqliteStatement& row) {
                    return row.Bind(now.boot)
                        .Bind(Milliseconds(now.steady))
                        .Bind(Milliseconds(now.wall))
                        .Run();
                  });
}

absl::Status MemoryStore::Prune(const Retention& retention,
                                const ClockReading& now) {
  return Transact([&] {
    const int64_t ended = Milliseconds(now.steady);
    const int64_t too_old = ended - retention.keep.count();
    absl::Status status = absl::OkStatus();
    const auto run = [&](absl::string_view sql,
                         std::initializer_list<int64_t> parameters) {
      if (status.ok()) status = RunOnce(file_, sql, parameters);
    };
    run("DELETE FROM bans WHERE ends <= ?", {ended});
    run("DELETE FROM allowances WHERE ends <= ?", {ended});
    run("DELETE FROM proofs WHERE coalesce(proven, since) <= ?", {too_old});
    run("DELETE FROM zones WHERE day < ?",
        {std::chrono::floor<std::chrono::days>(now.wall - retention.keep)
             .time_since_epoch()
             .count()});
    for (const Table& table : kOfNetworks) {
      run(absl::StrCat("DELETE FROM ", table.name, " WHERE ", table.last,
                       " <= ?"),
          {too_old});
      if (!status.ok()) return status;
      const absl::StatusOr<int64_t> rows =
          Number(file_, absl::StrCat("SELECT count(*) FROM ", table.name));
      if (!rows.ok()) return rows.status();
      const int64_t excess = *rows - static_cast<int64_t>(retention.most_rows);
      if (excess <= 0) continue;
      // Some more go with those that are as old.
      run(absl::StrCat("DELETE FROM ", table.name, " WHERE ", table.last,
                       " <= (SELECT ", table.last, " FROM ", table.name,
                       " ORDER BY ", table.last, " LIMIT 1 OFFSET ?)"),
          {excess - 1});
    }
    run("DELETE FROM events WHERE wall <= ?",
        {Milliseconds(now.wall - retention.keep)});
    run("DELETE FROM events WHERE number <= (SELECT max(number) FROM events) "
        "- ?",
        {static_cast<int64_t>(retention.most_events)});
    return status;
  });
}

}  // namespace breakwater
