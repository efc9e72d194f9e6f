#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/ports/memory.h"
#include "core/screener/remembered.h"
#include "daemon/memory/memory_store.h"
#include "daemon/memory/sqlite.h"

namespace breakwater {

// Times are written in milliseconds: those of our own clock, and those of the
// wall's since 1970.
int64_t Milliseconds(Instant instant);
int64_t Milliseconds(std::chrono::system_clock::time_point wall);
// Within a century or so, whatever a damaged row says: both clocks count in
// nanoseconds. `shift` is added, and is no larger than their difference.
Instant InstantAt(int64_t milliseconds, int64_t shift = 0);
std::chrono::system_clock::time_point WallAt(int64_t milliseconds);

// How an item stands in its table of the memory (memory_store.h). kSelect tells
// the columns that Read takes, kInsert has the parameters that Bind gives.
// Times are read `shift` milliseconds later than they stand there.
//
// A file can be damaged, so that rows are checked as if a stranger had sent
// them: of one that says what is not sound, or what is never written, nothing
// is read.
template <typename Item>
struct MemoryRow;

template <>
struct MemoryRow<RememberedBan> {
  static constexpr char kSelect[] =
      "SELECT network, client, ends, imposed, origin, count, members, code, "
      "id, label, text, basis FROM bans";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO bans VALUES (?,?,?,?,?,?,?,?,?,?,?,?)";
  static std::optional<RememberedBan> Read(const SqliteStatement& row,
                                           int64_t shift);
  static void Bind(SqliteStatement& row, const RememberedBan& ban);
};

template <>
struct MemoryRow<BanGrowth::Entry> {
  static constexpr char kSelect[] =
      "SELECT network, times, ends FROM growth ORDER BY ends DESC";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO growth VALUES (?,?,?)";
  static std::optional<BanGrowth::Entry> Read(const SqliteStatement& row,
                                              int64_t shift);
  static void Bind(SqliteStatement& row, const BanGrowth::Entry& entry);
};

template <>
struct MemoryRow<OffenceBook::Entry> {
  static constexpr char kSelect[] =
      "SELECT network, kind, count, before, begin, last FROM offences "
      "ORDER BY last DESC";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO offences VALUES (?,?,?,?,?,?)";
  static std::optional<OffenceBook::Entry> Read(const SqliteStatement& row,
                                                int64_t shift);
  static void Bind(SqliteStatement& row, const OffenceBook::Entry& entry);
};

template <>
struct MemoryRow<GoodHistory::Entry> {
  static constexpr char kSelect[] =
      "SELECT network, good, weight, weighed, first, last, warned "
      "FROM history ORDER BY last DESC";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO history VALUES (?,?,?,?,?,?,?)";
  static std::optional<GoodHistory::Entry> Read(const SqliteStatement& row,
                                                int64_t shift);
  static void Bind(SqliteStatement& row, const GoodHistory::Entry& entry);
};

template <>
struct MemoryRow<Allowance> {
  static constexpr char kSelect[] =
      "SELECT network, ends, reason, forced FROM allowances";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO allowances VALUES (?,?,?,?)";
  static std::optional<Allowance> Read(const SqliteStatement& row,
                                       int64_t shift);
  static void Bind(SqliteStatement& row, const Allowance& allowance);
};

template <>
struct MemoryRow<Lifting> {
  static constexpr char kSelect[] = "SELECT network, given FROM liftings";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO liftings VALUES (?,?)";
  static std::optional<Lifting> Read(const SqliteStatement& row, int64_t shift);
  static void Bind(SqliteStatement& row, const Lifting& lifting);
};

template <>
struct MemoryRow<ZoneDay> {
  static constexpr char kSelect[] = "SELECT label, day, tally FROM zones";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO zones VALUES (?,?,?)";
  static std::optional<ZoneDay> Read(const SqliteStatement& row, int64_t shift);
  static void Bind(SqliteStatement& row, const ZoneDay& zone);
};

template <>
struct MemoryRow<ZoneProven> {
  static constexpr char kSelect[] =
      "SELECT label, family, since, proven FROM proofs";
  static constexpr char kInsert[] =
      "INSERT OR REPLACE INTO proofs VALUES (?,?,?,?)";
  static std::optional<ZoneProven> Read(const SqliteStatement& row,
                                        int64_t shift);
  static void Bind(SqliteStatement& row, const ZoneProven& proof);
};

template <>
struct MemoryRow<DatedEvent> {
  static constexpr char kInsert[] =
      "INSERT INTO events VALUES (NULL,?,?,?,?,?,?,?)";
  static void Bind(SqliteStatement& row, const DatedEvent& dated);
};

}  // namespace breakwater
