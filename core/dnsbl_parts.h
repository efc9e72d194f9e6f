#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/dnsbl.h"

namespace breakwater {

// What a Dnsbl is made of, for its own source files.

struct Dnsbl::ZoneState {
  ZoneState(const Zone& zone, ZoneTrust::Options options, Metrics& metrics)
      : name(zone.name),
        label(zone.label),
        watch(zone.label),
        trust(std::move(options), Clock::now()),
        account(zone.label, metrics) {}

  const std::string name;
  const std::string label;
  ZoneWatch watch;
  ZoneTrust trust;
  std::array<std::optional<ZoneStanding>, 2> shown;  // by the metrics
  ZoneAccount account;
};

// Callbacks hold it together with the coroutine, which may be gone first.
struct Dnsbl::Wait {
  Wait(asio::io_context& loop, Duration deadline) : timer(loop, deadline) {}

  void End() {
    over = true;
    timer.cancel();
  }
  // Returns when End was called or the deadline has come.
  static asio::awaitable<void> Until(std::shared_ptr<Wait> wait) {
    if (!wait->over) {
      co_await wait->timer.async_wait(
          asio::experimental::as_tuple(asio::use_awaitable));
    }
    wait->over = true;
  }

  asio::steady_timer timer;
  bool over = false;
};

struct Dnsbl::Round : Wait {
  Round(asio::io_context& loop, Duration deadline)
      : Wait(loop, deadline), end(Clock::now() + deadline) {}

  bool IsSettled() const {
    return breakwater::IsSettled(*answers.rules, answers.listings, missing);
  }

  // A zone whose budget is nearly spent is asked when all others have been.
  int StageOf(size_t zone) const {
    return (*states)[zone]->account.is_free() ? answers.rules->zones[zone].after
                                              : std::numeric_limits<int>::max();
  }

  // Takes the next stage's zones out of those to be asked.
  std::vector<size_t> NextStage() {
    const auto by_stage = [this](size_t a, size_t b) {
      return StageOf(a) < StageOf(b);
    };
    const int stage = StageOf(*std::ranges::min_element(unasked, by_stage));
    std::vector<size_t> result;
    std::erase_if(unasked, [&](size_t zone) {
      if (StageOf(zone) != stage) return false;
      result.push_back(zone);
      return true;
    });
    return result;
  }

  // This stage may take its share of what is left, so that a zone that is
  // silent leaves time for the next.
  void GiveStageItsTime() {
    std::vector<int> later;
    for (const size_t zone : unasked) {
      const int stage = StageOf(zone);
      if (std::ranges::find(later, stage) == later.end()) {
        later.push_back(stage);
      }
    }
    const Instant now = Clock::now();
    over = false;
    timer.expires_at(now + (end - now) / static_cast<int>(later.size() + 1));
  }

  // `stale` is what was known before, if the answer is an error.
  void Add(size_t zone, const ZoneAnswer& read, std::optional<uint32_t> stale) {
    std::erase(asked, zone);
    // Who waited has gone; it has its answers.
    if (std::erase(missing, zone) == 0 || ended) return;
    if (read.outcome == ZoneOutcome::kListed) {
      answers.listings.push_back({.zone = zone, .filters = read.filters});
    } else if (read.outcome != ZoneOutcome::kNotListed) {
      if (stale) {
        AddStale(zone, *stale);
      } else {
        ++answers.errors;
      }
      if (read.outcome == ZoneOutcome::kOverloaded) answers.overloaded = true;
    }
    TrustAsNow();
    if (asked.empty() || IsSettled()) End();
  }

  void AddStale(size_t zone, uint32_t filters) {
    ++answers.stale;
    if (filters != 0) {
      answers.listings.push_back({.zone = zone, .filters = filters});
    }
  }

  // A zone may have lost trust since it answered.
  void TrustAsNow() {
    const Family family = FamilyOf(client);
    auto& listings = answers.listings;
    listings.erase(
        std::remove_if(listings.begin(), listings.end(),
                       [&](const Listing& listing) {
                         return !(*states)[listing.zone]->trust.MayCondemn(
                             family);
                       }),
        listings.end());
    for (Listing& listing : listings) {
      listing.may_ban = (*states)[listing.zone]->trust.MayBan(family);
    }
  }

  const Instant end;  // the deadline; the timer is for the stage
  IpAddress client;
  Answers answers;
  std::vector<size_t> missing;  // zones that are still to answer,
  std::vector<size_t> unasked;  // those of them whose stage has not come,
  std::vector<size_t> asked;    // and the others
  std::shared_ptr<const ZoneStates> states;
  bool ended = false;  // nobody waits any more
};

}  // namespace breakwater
