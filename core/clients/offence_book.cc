#include "core/clients/offence_book.h"

#include <algorithm>
#include <iterator>

namespace breakwater {

void OffenceBook::SetCapacity(size_t capacity) {
  capacity_ = capacity;
  while (pages_.size() > capacity_) DropLast();
}

uint32_t OffenceBook::Note(const Network& who, OffenceKind kind,
                           Duration window, Instant now) {
  if (capacity_ == 0) return 1;
  auto& tallies = FrontPageOf(who).tallies;
  auto tally = std::ranges::find(tallies, kind, &Tally::kind);
  const int64_t at = Elapsed(now);
  if (tally == tallies.end()) {
    tallies.push_back({.kind = kind, .begin = at});
    tally = tallies.end() - 1;
  } else if (at >= tally->begin + window.count()) {
    // The window is over; the next began where it ended, if anything of this
    // one can still count.
    const bool is_next = at < tally->begin + 2 * window.count();
    tally->before = is_next ? tally->count : 0;
    tally->begin = is_next ? tally->begin + window.count() : at;
    tally->count = 0;
  }
  ++tally->count;
  tally->last = at;
  return CountOf(*tally, window, at);
}

uint32_t OffenceBook::Count(const Network& who, OffenceKind kind,
                            Duration window, Instant now) const {
  const Page* page = PageOf(who);
  if (page == nullptr) return 0;
  for (const Tally& tally : page->tallies) {
    if (tally.kind == kind) return CountOf(tally, window, Elapsed(now));
  }
  return 0;
}

OffenceKinds OffenceBook::Standing(const Network& who,
                                   const OffenceRules& rules,
                                   Instant now) const {
  OffenceKinds kinds;
  const Page* page = PageOf(who);
  if (page == nullptr) return kinds;
  for (const Tally& tally : page->tallies) {
    const OffenceRule& rule = rules[tally.kind];
    if (rule.mode == OffenceMode::kOn &&
        CountOf(tally, rule.window, Elapsed(now)) >= rule.after) {
      kinds.push_back(tally.kind);
    }
  }
  return kinds;
}

void OffenceBook::Forget(const Network& who) {
  const auto place = places_.find(who);
  if (place == places_.end()) return;
  pages_.erase(place->second);
  places_.erase(place);
}

std::vector<OffenceBook::Record> OffenceBook::Find(const Network& who,
                                                   const OffenceRules& rules,
                                                   Instant now) const {
  std::vector<Record> records;
  const Page* page = PageOf(who);
  if (page == nullptr) return records;
  for (const Tally& tally : page->tallies) {
    const OffenceRule& rule = rules[tally.kind];
    const uint32_t count = CountOf(tally, rule.window, Elapsed(now));
    if (count == 0) continue;
    records.push_back(
        {.kind = tally.kind, .count = count, .last = InstantOf(tally.last)});
  }
  return records;
}

std::vector<OffenceBook::Entry> OffenceBook::Entries(const Network& who) const {
  std::vector<Entry> entries;
  const Page* page = PageOf(who);
  if (page == nullptr) return entries;
  for (const Tally& tally : page->tallies) {
    entries.push_back({.who = who,
                       .kind = tally.kind,
                       .count = tally.count,
                       .before = tally.before,
                       .begin = InstantOf(tally.begin),
                       .last = InstantOf(tally.last)});
  }
  return entries;
}

void OffenceBook::Restore(const Entry& entry) {
  if (!places_.contains(entry.who)) {
    if (pages_.size() >= capacity_) return;
    pages_.emplace_back().who = entry.who;
    places_.emplace(entry.who, std::prev(pages_.end()));
  }
  auto& tallies = places_.at(entry.who)->tallies;
  if (std::ranges::find(tallies, entry.kind, &Tally::kind) != tallies.end()) {
    return;
  }
  tallies.push_back({.kind = entry.kind,
                     .count = entry.count,
                     .before = entry.before,
                     .begin = Elapsed(entry.begin),
                     .last = Elapsed(entry.last)});
}

std::vector<Network> OffenceBook::Networks() const {
  std::vector<Network> networks;
  networks.reserve(places_.size());
  for (const auto& [who, page] : places_) networks.push_back(who);
  return networks;
}

size_t OffenceBook::bytes() const {
  constexpr size_t kLinks = 2 * sizeof(void*);
  constexpr size_t kMalloc = 16;
  return pages_.size() * (sizeof(Page) + kLinks + kMalloc) +
         places_.capacity() * (sizeof(Network) + sizeof(void*) + 1);
}

int64_t OffenceBook::Elapsed(Instant now) const {
  return std::chrono::floor<std::chrono::milliseconds>(now - start_).count();
}

Instant OffenceBook::InstantOf(int64_t elapsed) const {
  return start_ + std::chrono::milliseconds(elapsed);
}

uint32_t OffenceBook::CountOf(const Tally& tally, Duration window,
                              int64_t now) {
  const int64_t length = std::max<int64_t>(window.count(), 1);
  const int64_t into = now - tally.begin;
  // What is left of `count` when `elapsed` of the window after its own is over.
  const auto left = [length](uint32_t count, int64_t elapsed) {
    if (elapsed >= length) return uint32_t{0};
    const double part = 1 - static_cast<double>(std::max<int64_t>(elapsed, 0)) /
                                static_cast<double>(length);
    return static_cast<uint32_t>(count * part);
  };
  if (into >= length) return left(tally.count, into - length);
  return tally.count + left(tally.before, into);
}

const OffenceBook::Page* OffenceBook::PageOf(const Network& who) const {
  const auto place = places_.find(who);
  return place == places_.end() ? nullptr : &*place->second;
}

OffenceBook::Page& OffenceBook::FrontPageOf(const Network& who) {
  const auto place = places_.find(who);
  if (place == places_.end()) {
    if (pages_.size() >= capacity_) DropLast();
    pages_.emplace_front().who = who;
    places_.emplace(who, pages_.begin());
  } else {
    pages_.splice(pages_.begin(), pages_, place->second);
  }
  return pages_.front();
}

void OffenceBook::DropLast() {
  places_.erase(pages_.back().who);
  pages_.pop_back();
}

}  // namespace breakwater
