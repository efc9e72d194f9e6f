#include "daemon/memory/memory_rows.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "core/judge/ban_basis.h"
#include "core/judge/reply.h"
#include "core/net/width.h"
#include "core/types/offence.h"

namespace breakwater {

using std::chrono::milliseconds;
using SystemClock = std::chrono::system_clock;
using nlohmann::json;

namespace {

constexpr int64_t kLastDay = 376'200;  // since 1970: in the year 2999
constexpr int64_t kMostCounted = 1'000'000'000;
// Of questions in one day.
constexpr uint64_t kMostAsked = 1'000'000'000'000;

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
      if (into[i] > kMostAsked) return false;
    }
    return true;
  };
  const bool sound = counts("asked", tally.asked) &&
                     counts("saved", tally.saved) &&
                     counts("outcomes", tally.outcomes);
  return sound ? std::optional(tally) : std::nullopt;
}

int64_t NotFar(int64_t count) {
  constexpr int64_t kFar = 4'000'000'000'000;
  return std::clamp(count, -kFar, kFar);
}

// What a ban can cover: a client or a network of one of the Widths.
std::optional<Network> WhoIn(const SqliteStatement& row) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  if (!network.ok() || !(IsClient(*network) || WidthOf(*network))) {
    return std::nullopt;
  }
  return *network;
}

std::optional<uint32_t> CountIn(const SqliteStatement& row, int column) {
  const int64_t number = row.Integer(column);
  if (number < 0 || number > kMostCounted) return std::nullopt;
  return static_cast<uint32_t>(number);
}

// One damaged digit makes that of a network.
bool LetsInTheWorld(const Network& network) {
  return network.length == 0 || (network.IsV4() && network.length == 96);
}

// As our own texts are, which go into replies.
bool IsSafe(const std::string& text) {
  return text.size() <= kLongestReplyText &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

int64_t Milliseconds(Instant instant) {
  return std::chrono::floor<milliseconds>(instant.time_since_epoch()).count();
}

int64_t Milliseconds(SystemClock::time_point wall) {
  return std::chrono::floor<milliseconds>(wall.time_since_epoch()).count();
}

Instant InstantAt(int64_t count, int64_t shift) {
  return Instant(milliseconds(NotFar(NotFar(count) + NotFar(shift))));
}

SystemClock::time_point WallAt(int64_t count) {
  return SystemClock::time_point(milliseconds(NotFar(count)));
}

// ---- Bans -------------------------------------------------------------------

std::optional<RememberedBan> MemoryRow<RememberedBan>::Read(
    const SqliteStatement& row, int64_t shift) {
  const std::optional<Network> network = WhoIn(row);
  const std::optional<IpAddress> client = IpAddress::Parse(row.Text(1));
  const std::optional<Origin> origin = ParseOrigin(row.Text(4));
  const std::optional<uint32_t> count = CountIn(row, 5);
  const std::optional<uint32_t> members = CountIn(row, 6);
  const int64_t code = row.Integer(7);
  Ban ban{.expires = InstantAt(row.Integer(2), shift),
          .id = row.Text(8),
          .label = row.Text(9),
          .text = row.Text(10),
          .imposed = row.Integer(3) == 0 ? Instant()  // not known
                                         : InstantAt(row.Integer(3), shift)};
  if (!network || !client || !origin || !count || !members || code < 400 ||
      code > 599 || !(client->IsUnspecified() || network->Contains(*client)) ||
      !IsSafe(ban.id) || !IsSafe(ban.label) || !IsSafe(ban.text)) {
    return std::nullopt;
  }
  ban.network = *network;
  ban.client = *client;
  ban.origin = *origin;
  ban.count = *count;
  ban.members = *members;
  ban.code = static_cast<int>(code);
  // What nobody can have written says nothing of what it rests on.
  std::string basis = row.Text(11);
  if (basis.size() > kLongestBasis) basis.clear();
  return RememberedBan(std::move(ban), std::move(basis));
}

void MemoryRow<RememberedBan>::Bind(SqliteStatement& row,
                                    const RememberedBan& ban) {
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
      .Bind(ban.text)
      .Bind(ban.basis);
}

std::optional<BanGrowth::Entry> MemoryRow<BanGrowth::Entry>::Read(
    const SqliteStatement& row, int64_t shift) {
  const std::optional<Network> network = WhoIn(row);
  const std::optional<uint32_t> times = CountIn(row, 1);
  if (!network || !times) return std::nullopt;
  return BanGrowth::Entry{.who = *network,
                          .times = *times,
                          .ends = InstantAt(row.Integer(2), shift)};
}

void MemoryRow<BanGrowth::Entry>::Bind(SqliteStatement& row,
                                       const BanGrowth::Entry& entry) {
  row.Bind(entry.who.ToString())
      .Bind(int64_t{entry.times})
      .Bind(Milliseconds(entry.ends));
}

// ---- What clients did -------------------------------------------------------

std::optional<OffenceBook::Entry> MemoryRow<OffenceBook::Entry>::Read(
    const SqliteStatement& row, int64_t shift) {
  const std::optional<Network> network = WhoIn(row);
  const std::optional<OffenceKind> kind = ParseOffence(row.Text(1));
  const std::optional<uint32_t> count = CountIn(row, 2);
  const std::optional<uint32_t> before = CountIn(row, 3);
  if (!network || !kind || !count || !before) return std::nullopt;
  return OffenceBook::Entry{.who = *network,
                            .kind = *kind,
                            .count = *count,
                            .before = *before,
                            .begin = InstantAt(row.Integer(4), shift),
                            .last = InstantAt(row.Integer(5), shift)};
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
    const SqliteStatement& row, int64_t shift) {
  const std::optional<Network> network = WhoIn(row);
  const double weight = row.Real(2);
  // Not a number is neither.
  const bool is_sound = weight >= 0 && weight <= GoodHistory::kHeaviest;
  if (!network || !IsClient(*network) || !is_sound) return std::nullopt;
  GoodHistory::Entry entry{.client = *network,
                           .good = row.Integer(1) != 0,
                           .weight = static_cast<float>(weight),
                           .weighed = InstantAt(row.Integer(3), shift),
                           .first = InstantAt(row.Integer(4), shift),
                           .last = InstantAt(row.Integer(5), shift)};
  if (!row.IsNull(6)) entry.warned = InstantAt(row.Integer(6), shift);
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

std::optional<Allowance> MemoryRow<Allowance>::Read(const SqliteStatement& row,
                                                    int64_t shift) {
  const absl::StatusOr<Network> network = Network::Parse(row.Text(0));
  const bool forced = row.Integer(3) == 1;
  if (!network.ok() || (LetsInTheWorld(*network) && !forced)) {
    return std::nullopt;
  }
  Allowance allowance{.network = *network,
                      .until = InstantAt(row.Integer(1), shift),
                      .reason = row.Text(2),
                      .forced = forced};
  if (!IsSafe(allowance.reason)) return std::nullopt;
  return allowance;
}

void MemoryRow<Allowance>::Bind(SqliteStatement& row,
                                const Allowance& allowance) {
  row.Bind(allowance.network.ToString())
      .Bind(Milliseconds(allowance.until))
      .Bind(allowance.reason)
      .Bind(int64_t{allowance.forced});
}

// ---- Liftings ---------------------------------------------------------------

std::optional<Lifting> MemoryRow<Lifting>::Read(const SqliteStatement& row,
                                                int64_t shift) {
  const std::optional<Network> network = WhoIn(row);
  if (!network) return std::nullopt;
  return Lifting{.network = *network,
                 .given = InstantAt(row.Integer(1), shift)};
}

void MemoryRow<Lifting>::Bind(SqliteStatement& row, const Lifting& lifting) {
  row.Bind(lifting.network.ToString()).Bind(Milliseconds(lifting.given));
}

// ---- What lists were asked --------------------------------------------------

std::optional<ZoneDay> MemoryRow<ZoneDay>::Read(const SqliteStatement& row,
                                                int64_t) {
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

std::optional<ZoneProven> MemoryRow<ZoneProven>::Read(
    const SqliteStatement& row, int64_t shift) {
  const std::string name = row.Text(1);
  for (const Family family : {Family::kIpv4, Family::kIpv6, Family::kDomain}) {
    if (name != FamilyName(family)) continue;
    ZoneProven proof{.label = row.Text(0),
                     .family = family,
                     .since = InstantAt(row.Integer(2), shift)};
    if (!row.IsNull(3)) proof.at = InstantAt(row.Integer(3), shift);
    return proof;
  }
  return std::nullopt;
}

void MemoryRow<ZoneProven>::Bind(SqliteStatement& row,
                                 const ZoneProven& proof) {
  row.Bind(proof.label)
      .Bind(FamilyName(proof.family))
      .Bind(Milliseconds(proof.since));
  proof.at ? row.Bind(Milliseconds(*proof.at)) : row.BindNull();
}

}  // namespace breakwater
