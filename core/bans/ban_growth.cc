#include "core/bans/ban_growth.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace breakwater {

void BanGrowth::SetRules(GrowthRules rules) {
  rules_ = rules;
  while (entries_.size() > rules_.clients) DropLast();
}

Duration BanGrowth::Next(const Network& who, Duration base, double chance,
                         Instant now) const {
  if (rules_.exact_first && Times(who, now) == 0) return base;
  const auto milliseconds = static_cast<double>(base.count());
  const double grown = milliseconds * std::pow(rules_.factor, Times(who, now));
  const double ceiling =
      std::max(milliseconds, static_cast<double>(rules_.ceiling.count()));
  const double length =
      std::min(grown, ceiling) * (1 + rules_.jitter_percent * chance / 100);
  return Duration(std::llround(length));
}

void BanGrowth::Note(const Network& who, Instant ends, Instant now) {
  if (rules_.factor <= 1) return;
  Put({.who = who, .times = Times(who, now) + 1, .ends = ends});
}

std::optional<BanGrowth::Entry> BanGrowth::Find(const Network& who) const {
  const auto place = places_.find(who);
  if (place == places_.end()) return std::nullopt;
  return *place->second;
}

void BanGrowth::Restore(const Entry& entry) {
  if (const auto known = places_.find(entry.who); known != places_.end()) {
    known->second->times += entry.times;
    known->second->ends = std::max(known->second->ends, entry.ends);
    return;
  }
  if (entries_.size() >= rules_.clients) return;
  entries_.push_back(entry);
  places_.emplace(entry.who, std::prev(entries_.end()));
}

void BanGrowth::Put(const Entry& entry) {
  if (rules_.clients == 0) return;
  Forget(entry.who);
  if (entries_.size() >= rules_.clients) DropLast();
  entries_.push_front(entry);
  places_.emplace(entry.who, entries_.begin());
}

std::vector<Network> BanGrowth::Networks() const {
  std::vector<Network> networks;
  networks.reserve(places_.size());
  for (const auto& [who, entry] : places_) networks.push_back(who);
  return networks;
}

uint32_t BanGrowth::Times(const Network& who, Instant now) const {
  const auto place = places_.find(who);
  if (place == places_.end()) return 0;
  const Entry& entry = *place->second;
  return now < entry.ends + rules_.forget ? entry.times : 0;
}

void BanGrowth::Forget(const Network& who) {
  const auto place = places_.find(who);
  if (place == places_.end()) return;
  entries_.erase(place->second);
  places_.erase(place);
}

void BanGrowth::TakeBack(const Network& who, Instant imposed, Instant at_most) {
  const auto place = places_.find(who);
  if (place == places_.end() || place->second->ends <= imposed) return;
  Entry& entry = *place->second;
  if (entry.times <= 1) return Forget(who);
  --entry.times;
  entry.ends = std::min(entry.ends, at_most);
}

void BanGrowth::DropLast() {
  places_.erase(entries_.back().who);
  entries_.pop_back();
}

}  // namespace breakwater
