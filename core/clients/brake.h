#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/rules/rules.h"

namespace breakwater {

enum class BrakeCause : uint8_t {
  kBans,         // more in a minute than ever
  kGoodHistory,  // clients that never did any harm
};

const char* BrakeCauseName(BrakeCause cause);  // "bans", "good-history"

// Notices that what bans is more likely a list's mistake than a wave. While it
// is on, whoever is condemned by lists is refused and not banned. There is one
// for lists and one for offences, so that nobody can stop the lists' bans by
// what he does.
//
// Who has many addresses is one sender here (SenderAround).
//
// Pure: it does nothing but count, and knows no clock. Not thread-safe; the
// screener's is the loop's. About 50 KiB when full.
class Brake {
 public:
  explicit Brake(BrakeRules rules = {}) : rules_(rules) {}
  void SetRules(BrakeRules rules) { rules_ = rules; }

  // A list, `label`, has a client condemned to a ban, whether it is imposed or
  // not. Who was among the last already is counted once; its first good client
  // counts for it.
  void Condemned(const IpAddress& client, std::string_view label,
                 bool has_good_history, Instant now);
  // A ban of a list's was imposed, or would have been but for the brake.
  void Banned(Instant now);
  // Brings it up to date. Whether it went on or off by that.
  bool Update(Instant now);

  bool is_on() const { return on_since_.has_value(); }
  std::optional<Instant> on_since() const { return on_since_; }

  // The numbers, as of the last update.
  struct State {
    std::optional<Instant> on_since;
    BrakeCause cause = BrakeCause::kBans;  // why it went on
    uint32_t bans = 0;                     // in the last minute
    uint32_t ceiling = 0;                  // of bans
    size_t condemned = 0;                  // senders, among the last
    size_t good = 0;                       // of them, with a good history
    std::string label;  // the list that condemned most of those
  };
  State state() const;

  // Who was condemned longer ago says nothing of the lists as they are now.
  static constexpr Duration kRemembered = std::chrono::hours(1);

 private:
  struct Condemnation {
    Network sender;
    bool good = false;
    Instant when;
    std::string label;
  };
  static constexpr size_t kSeconds = 60;
  static constexpr size_t kHours = 7 * 24;

  void GoOnTo(Instant now);
  uint32_t Ceiling() const;
  std::optional<BrakeCause> Excess() const;

  BrakeRules rules_;
  std::deque<Condemnation> condemned_;  // the last at the back
  size_t good_ = 0;                     // of them
  // Bans of each second of the last minute, and of the busiest minute of each
  // hour of the last week. The hour that runs does not count yet: a wave is
  // compared with what was before it.
  std::array<uint32_t, kSeconds> seconds_{};
  std::array<uint32_t, kHours> hours_{};
  uint32_t bans_ = 0;  // sum of seconds_
  uint32_t busiest_of_hour_ = 0;
  int64_t second_ = 0;  // up to which seconds_ goes
  std::optional<Instant> on_since_;
  Instant exceeded_;  // when last
  BrakeCause cause_ = BrakeCause::kBans;
};

}  // namespace breakwater
