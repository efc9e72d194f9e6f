#include "daemon/memory_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "core/offence.h"

namespace breakwater {

using std::chrono::milliseconds;
using SystemClock = std::chrono::system_clock;
using nlohmann::json;

namespace {

constexpr int64_t kLastDay = 376'200;  // since 1970: in the year 2999

// As JSON, each array in the order of what it counts by.
std::string WriteTally(const Tally& tally) {
  return json{{"asked", tally.asked},
              {"saved", tally.saved},
              {"outcomes", tally.outcomes}}
      .dump();
}

std::optional<Tally> ReadTally(const std::string& text) {
  const json read = json::parse(text, nullptr, /*allow_exceptions=*/false);
  Tally tally;
  const auto counts = [&read](const char* name, auto& into) {
    const json array = read.is_object() ? read.value(name, json()) : json();
    if (!array.is_array() || array.size() != into.size()) return false;
    for (size_t i = 0; i < into.size(); ++i) {
      if (!array[i].is_number_unsigned()) return false;
      into[i] = array[i].get<uint64_t>();
    }
    return true;
  };
  const bool sound = counts("asked", tally.asked) &&
                     counts("saved", tally.saved) &&
                     counts("outcomes", tally.outcomes);
  return sound ? std::optional(tally) : std::nullopt;
}

}  // namespace

int64_t Milliseconds(Instant instant) {
  return std::chrono::floor<milliseconds>(instant.time_since_epoch()).count();
}

int64_t Milliseconds(SystemClock::time_point wall) {
  return std::chrono::floor<milliseconds>(wall.time_since_epoch()).count();
}

Instant InstantAt(int64_t count) {
  constexpr int64_t kFar = 4'000'000'000'000;
  return Instant(milliseconds(std::clamp(count, -kFar, kFar)));
}

SystemClock::time_point WallAt(int64_t count) {
  return SystemClock::time_point(milliseconds(count));
}

// ---- Bans -------------------------------------------------------------------

std::optional<Ban> MemoryRow<Ban>::Read(const SqliteStatement& row) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  const std::optional<IpAddress> client = IpAddress::Parse(row.Text(1));
  const std::optional<Origin> origin = ParseOrigin(row.Text(4));
  if (!network.ok() || !client || !origin) return std::nullopt;
  return Ban{.network = *network,
             .client = *client,
             .expires = InstantAt(row.Integer(2)),
             .origin = *origin,
             .count = static_cast<uint32_t>(row.Integer(5)),
             .members = static_cast<uint32_t>(row.Integer(6)),
             .code = static_cast<int>(row.Integer(7)),
             .id = row.Text(8),
             .label = row.Text(9),
             .text = row.Text(10),
             .imposed = InstantAt(row.Integer(3))};
}

void MemoryRow<Ban>::Bind(SqliteStatement& row, const Ban& ban) {
  row.Bind(ban.network.ToString())
      .Bind(ban.client.ToString())
      .Bind(Milliseconds(ban.expires))
      .Bind(Milliseconds(ban.imposed))
      .Bind(OriginName(ban.origin))
      .Bind(int64_t{ban.count})
      .Bind(int64_t{ban.members})
      .Bind(int64_t{ban.code})
      .Bind(ban.id)
      .Bind(ban.label)
      .Bind(ban.text);
}

std::optional<BanGrowth::Entry> MemoryRow<BanGrowth::Entry>::Read(
    const SqliteStatement& row) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  if (!network.ok()) return std::nullopt;
  return BanGrowth::Entry{.who = *network,
                          .times = static_cast<uint32_t>(row.Integer(1)),
                          .ends = InstantAt(row.Integer(2))};
}

void MemoryRow<BanGrowth::Entry>::Bind(SqliteStatement& row,
                                       const BanGrowth::Entry& entry) {
  row.Bind(entry.who.ToString())
      .Bind(int64_t{entry.times})
      .Bind(Milliseconds(entry.ends));
}

// ---- What clients did -------------------------------------------------------

std::optional<OffenceBook::Entry> MemoryRow<OffenceBook::Entry>::Read(
    const SqliteStatement& row) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  const std::optional<OffenceKind> kind = ParseOffence(row.Text(1));
  if (!network.ok() || !kind) return std::nullopt;
  return OffenceBook::Entry{.who = *network,
                            .kind = *kind,
                            .count = static_cast<uint32_t>(row.Integer(2)),
                            .before = static_cast<uint32_t>(row.Integer(3)),
                            .begin = InstantAt(row.Integer(4)),
                            .last = InstantAt(row.Integer(5))};
}

void MemoryRow<OffenceBook::Entry>::Bind(SqliteStatement& row,
                                         const OffenceBook::Entry& entry) {
  row.Bind(entry.who.ToString())
      .Bind(OffenceName(entry.kind))
      .Bind(int64_t{entry.count})
      .Bind(int64_t{entry.before})
      .Bind(Milliseconds(entry.begin))
      .Bind(Milliseconds(entry.last));
}

std::optional<GoodHistory::Entry> MemoryRow<GoodHistory::Entry>::Read(
    const SqliteStatement& row) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  if (!network.ok()) return std::nullopt;
  GoodHistory::Entry entry{.client = *network,
                           .good = row.Integer(1) != 0,
                           .weight = static_cast<float>(row.Real(2)),
                           .weighed = InstantAt(row.Integer(3)),
                           .first = InstantAt(row.Integer(4)),
                           .last = InstantAt(row.Integer(5))};
  if (!row.IsNull(6)) entry.warned = InstantAt(row.Integer(6));
  return entry;
}

void MemoryRow<GoodHistory::Entry>::Bind(SqliteStatement& row,
                                         const GoodHistory::Entry& entry) {
  row.Bind(entry.client.ToString())
      .Bind(int64_t{entry.good})
      .Bind(double{entry.weight})
      .Bind(Milliseconds(entry.weighed))
      .Bind(Milliseconds(entry.first))
      .Bind(Milliseconds(entry.last));
  entry.warned == Instant::min() ? row.BindNull()
                                 : row.Bind(Milliseconds(entry.warned));
}

void MemoryRow<DatedEvent>::Bind(SqliteStatement& row,
                                 const DatedEvent& dated) {
  const Event& event = dated.event;
  const auto length = std::chrono::round<std::chrono::seconds>(event.length);
  row.Bind(Milliseconds(dated.when))
      .Bind(event.who.ToString())
      .Bind(EventKindName(event.kind))
      .Bind(event.label)
      .Bind(event.id)
      .Bind(event.detail)
      .Bind(int64_t{length.count()});
}

// ---- What the operator said -------------------------------------------------

std::optional<Allowance> MemoryRow<Allowance>::Read(
    const SqliteStatement& row) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  if (!network.ok()) return std::nullopt;
  return Allowance{.network = *network,
                   .until = InstantAt(row.Integer(1)),
                   .reason = row.Text(2)};
}

void MemoryRow<Allowance>::Bind(SqliteStatement& row,
                                const Allowance& allowance) {
  row.Bind(allowance.network.ToString())
      .Bind(Milliseconds(allowance.until))
      .Bind(allowance.reason);
}

// ---- What lists were asked --------------------------------------------------

std::optional<ZoneDay> MemoryRow<ZoneDay>::Read(const SqliteStatement& row) {
  const int64_t day = row.Integer(1);
  if (day < 0 || day > kLastDay) return std::nullopt;
  const std::optional<Tally> tally = ReadTally(row.Text(2));
  if (!tally) return std::nullopt;
  return ZoneDay{.label = row.Text(0),
                 .day = UtcDay(std::chrono::days(day)),
                 .tally = *tally};
}

void MemoryRow<ZoneDay>::Bind(SqliteStatement& row, const ZoneDay& zone) {
  row.Bind(zone.label)
      .Bind(int64_t{zone.day.time_since_epoch().count()})
      .Bind(WriteTally(zone.tally));
}

}  // namespace breakwater
