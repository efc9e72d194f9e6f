#include "core/clients/brake.h"

#include <algorithm>
#include <map>
#include <utility>

#include "core/net/width.h"

namespace breakwater {
namespace {

constexpr int64_t kSecondsOfHour = 3600;

int64_t SecondOf(Instant instant) {
  return std::chrono::floor<std::chrono::seconds>(instant.time_since_epoch())
      .count();
}

}  // namespace

const char* BrakeCauseName(BrakeCause cause) {
  return cause == BrakeCause::kBans ? "bans" : "good-history";
}

void Brake::Condemned(const IpAddress& client, std::string_view label,
                      bool has_good_history, Instant now) {
  const Network sender = SenderAround(client);
  const auto known =
      std::ranges::find(condemned_, sender, &Condemnation::sender);
  if (known != condemned_.end()) {
    has_good_history = has_good_history || known->good;
    good_ -= known->good;
    condemned_.erase(known);
  } else if (condemned_.size() >= BrakeRules::kLastCondemned) {
    good_ -= condemned_.front().good;
    condemned_.pop_front();
  }
  condemned_.push_back({.sender = sender,
                        .good = has_good_history,
                        .when = now,
                        .label = std::string(label)});
  good_ += has_good_history;
}

void Brake::Banned(Instant now) {
  GoOnTo(now);
  ++seconds_[static_cast<size_t>(second_) % kSeconds];
  ++bans_;
}

bool Brake::Update(Instant now) {
  GoOnTo(now);
  while (!condemned_.empty() && condemned_.front().when + kRemembered <= now) {
    good_ -= condemned_.front().good;
    condemned_.pop_front();
  }
  const std::optional<BrakeCause> excess = Excess();
  if (excess) exceeded_ = now;
  if (!on_since_) {
    if (!excess) {
      // What was more than it should be is no measure for later.
      busiest_of_hour_ = std::max(busiest_of_hour_, bans_);
      return false;
    }
    on_since_ = now;
    cause_ = *excess;
    return true;
  }
  if (now - exceeded_ < rules_.release) return false;
  on_since_.reset();
  return true;
}

// Empties the seconds and hours that have passed without a ban.
void Brake::GoOnTo(Instant now) {
  const int64_t next = std::max(SecondOf(now), second_);
  const int64_t hour = next / kSecondsOfHour;
  for (int64_t h = std::max(second_ / kSecondsOfHour,
                            hour - static_cast<int64_t>(kHours));
       h < hour; ++h) {
    hours_[static_cast<size_t>(h) % kHours] =
        std::exchange(busiest_of_hour_, 0);
  }
  for (int64_t s = std::max(second_, next - static_cast<int64_t>(kSeconds)) + 1;
       s <= next; ++s) {
    bans_ -= std::exchange(seconds_[static_cast<size_t>(s) % kSeconds], 0);
  }
  second_ = next;
}

uint32_t Brake::Ceiling() const {
  const uint64_t busiest = *std::ranges::max_element(hours_);
  return static_cast<uint32_t>(std::min<uint64_t>(
      UINT32_MAX, std::max<uint64_t>(rules_.bans_per_minute,
                                     rules_.times_busiest * busiest)));
}

std::optional<BrakeCause> Brake::Excess() const {
  if (good_ >= rules_.good_clients &&
      good_ * 100 > rules_.good_percent * condemned_.size()) {
    return BrakeCause::kGoodHistory;
  }
  // The second comparison is dear, and seldom needed.
  if (bans_ > rules_.bans_per_minute && bans_ > Ceiling()) {
    return BrakeCause::kBans;
  }
  return std::nullopt;
}

Brake::State Brake::state() const {
  State state{.on_since = on_since_,
              .cause = cause_,
              .bans = bans_,
              .ceiling = Ceiling(),
              .condemned = condemned_.size(),
              .good = good_};
  std::map<std::string, size_t> lists;
  size_t most = 0;
  for (const Condemnation& condemnation : condemned_) {
    if (!condemnation.good) continue;
    const size_t count = ++lists[condemnation.label];
    if (count <= most) continue;
    most = count;
    state.label = condemnation.label;
  }
  return state;
}

}  // namespace breakwater
