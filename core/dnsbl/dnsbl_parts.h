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
#include "core/dnsbl/dnsbl.h"

namespace breakwater {

// What a Dnsbl is made of, for its own source files.

struct Dnsbl::ZoneState {
  ZoneState(const Zone& zone, ZoneTrust::Options options, Metrics& metrics)
      : name(zone.name),
        label(zone.label),
        type(zone.type),
        watch(zone.label),
        trust(std::move(options), Clock::now()),
        account(zone.label, metrics) {}

  const std::string name;
  const std::string label;
  const ZoneType type;
  ZoneWatch watch;
  ZoneTrust trust;
  std::array<std::optional<ZoneStanding>, kFamilies> shown;  // by the metrics
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

// Puts a listing to the others. Of a zone of domains there is one only, however
// many of the client's names it lists.
inline void AddListing(Answers& answers, const Listing& listing) {
  const auto same =
      std::ranges::find(answers.listings, listing.zone, &Listing::zone);
  if (!listing.name || same == answers.listings.end()) {
    answers.listings.push_back(listing);
    return;
  }
  same->filters |= listing.filters;
  same->name = std::min(same->name.value_or(*listing.name), *listing.name);
}

struct Dnsbl::Round : Wait {
  Round(asio::io_context& loop, Instant end)
      : Wait(loop, std::chrono::ceil<Duration>(end - Clock::now())), end(end) {}

  // Whether nothing is missing any more that could change what is done.
  bool IsSettled() const { return IsSettled(answers, missing, zones_to_come); }
  static bool IsSettled(const Answers& answers, const ZoneQuestions& missing,
                        std::vector<size_t> outstanding) {
    if (missing.empty()) return true;
    for (const ZoneQuestion& question : missing) {
      if (outstanding.empty() || outstanding.back() != question.zone) {
        outstanding.push_back(question.zone);
      }
    }
    return breakwater::IsSettled(*answers.rules, answers.listings, outstanding);
  }

  // A zone whose budget is nearly spent is asked when all others have been.
  int StageOf(size_t zone) const {
    return (*states)[zone]->account.is_free() ? answers.rules->zones[zone].after
                                              : std::numeric_limits<int>::max();
  }

  // Takes the next stage's questions out of those to be asked.
  ZoneQuestions NextStage() {
    int stage = std::numeric_limits<int>::max();
    for (const ZoneQuestion& question : unasked) {
      stage = std::min(stage, StageOf(question.zone));
    }
    ZoneQuestions result;
    std::erase_if(unasked, [&](const ZoneQuestion& question) {
      if (StageOf(question.zone) != stage) return false;
      result.push_back(question);
      return true;
    });
    return result;
  }

  // This stage may take its share of what is left, so that a zone that is
  // silent leaves time for the next.
  void GiveStageItsTime() {
    std::vector<int> later;
    for (const ZoneQuestion& question : unasked) {
      const int stage = StageOf(question.zone);
      if (std::ranges::find(later, stage) == later.end()) {
        later.push_back(stage);
      }
    }
    const Instant now = Clock::now();
    over = false;
    timer.expires_at(now + (end - now) / static_cast<int>(later.size() + 1));
  }

  // `stale` is what was known before, if the answer is an error.
  void Add(const ZoneQuestion& question, const ZoneAnswer& read,
           std::optional<uint32_t> stale) {
    std::erase(asked, question);
    // Who waited has gone; it has its answers.
    if (std::erase(missing, question) == 0 || ended) return;
    if (read.outcome == ZoneOutcome::kListed) {
      AddFilters(question, read.filters);
    } else if (read.outcome != ZoneOutcome::kNotListed) {
      if (stale) {
        AddStale(question, *stale);
      } else {
        ++answers.errors;
      }
      if (read.outcome == ZoneOutcome::kOverloaded) answers.overloaded = true;
    }
    TrustAsNow();
    if (asked.empty() || IsSettled()) End();
  }

  void AddStale(const ZoneQuestion& question, uint32_t filters) {
    ++answers.stale;
    AddFilters(question, filters);
  }

  void AddFilters(const ZoneQuestion& question, uint32_t filters) {
    if (filters == 0) return;
    AddListing(answers, {.zone = question.zone,
                         .filters = filters,
                         .name = targets[question.target].kind});
  }

  // A zone may have lost trust since it answered.
  void TrustAsNow() {
    auto& listings = answers.listings;
    const auto is_worthless = [this](const Listing& listing) {
      return !IsTrusted(listing, &ZoneTrust::MayCondemn);
    };
    listings.erase(
        std::remove_if(listings.begin(), listings.end(), is_worthless),
        listings.end());
    for (Listing& listing : listings) {
      listing.may_ban = IsTrusted(listing, &ZoneTrust::MayBan);
    }
  }

  bool IsTrusted(const Listing& listing,
                 bool (ZoneTrust::*may)(Family) const) const {
    const ZoneState& state = *(*states)[listing.zone];
    const Family family = FamilyOf(targets.front().subject);
    const auto families = FamiliesOf(state.type);
    if (std::ranges::find(families, family) != families.end()) {
      return (state.trust.*may)(family);
    }
    // It is about the client's address, and this lookup about its names.
    return std::ranges::any_of(families, [&](Family candidate) {
      return (state.trust.*may)(candidate);
    });
  }

  const Instant began = Clock::now();
  const Instant end;            // the deadline; the timer is for the stage
  IpAddress who;                // the client, or the address it is asked by
  std::vector<Target> targets;  // never empty
  Answers answers;
  ZoneQuestions questions;            // all there are,
  ZoneQuestions missing;              // what is still to be answered,
  ZoneQuestions unasked;              // that of it whose stage has not come,
  ZoneQuestions asked;                // and the rest
  std::vector<size_t> zones_to_come;  // not asked here, but may yet speak
  std::shared_ptr<const ZoneStates> states;
  bool ended = false;  // nobody waits any more
};

}  // namespace breakwater
