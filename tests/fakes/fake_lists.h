#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asio/awaitable.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/dnsbl/lists.h"

namespace breakwater {

// DNS lists that say what the test told them to. An address of which nothing
// was said is on no list. As with real lists, who was looked up once is cached
// until ForgetCached.
//
// What the screener calls belongs to the loop; what tests call may come from
// any thread.
class FakeLists : public Lists {
 public:
  explicit FakeLists(asio::io_context& loop) : loop_(loop) {}

  // --- What the test says ---
  void List(std::string_view address, size_t zone = 0, uint32_t filters = 1) {
    const std::lock_guard lock(mutex_);
    scripted_[Parsed(address)].listings.push_back(
        {.zone = zone, .filters = filters});
  }
  // A name, at a zone of domains.
  void ListName(std::string_view name, size_t zone = 0, uint32_t filters = 1) {
    const std::lock_guard lock(mutex_);
    scripted_names_[std::string(name)].push_back(
        {.zone = zone, .filters = filters});
  }
  // For all that is not a listing: errors, overdue, overloaded.
  void SetAnswers(std::string_view address, Answers answers) {
    const std::lock_guard lock(mutex_);
    scripted_[Parsed(address)] = std::move(answers);
  }
  // Puts the address into the cache as if it had been looked up.
  void Warm(std::string_view address) {
    const std::lock_guard lock(mutex_);
    cached_.insert(Parsed(address));
  }
  void ForgetCached() {
    const std::lock_guard lock(mutex_);
    cached_.clear();
  }
  void SetReasonText(std::string text) {
    const std::lock_guard lock(mutex_);
    reason_text_ = std::move(text);
  }

  // Lookups from now on do not end before Release.
  void Hold() {
    const std::lock_guard lock(mutex_);
    holding_ = true;
  }
  // Only those about the address.
  void Hold(std::string_view address) {
    const std::lock_guard lock(mutex_);
    held_clients_.insert(Parsed(address));
  }
  void Release() {
    {
      const std::lock_guard lock(mutex_);
      holding_ = false;
      held_clients_.clear();
    }
    asio::post(loop_, [this] {
      for (asio::steady_timer* timer : std::exchange(held_, {})) {
        timer->cancel();
      }
    });
  }

  // The zone is not trusted any more as far as a ban needs.
  void Distrust(const std::string& label) {
    const std::lock_guard lock(mutex_);
    distrusted_.insert(label);
  }
  // On the loop.
  void Lie(const ZoneLie& lie) { listener_(lie); }

  // --- What the test asks ---
  size_t lookups() const {
    const std::lock_guard lock(mutex_);
    return lookups_.size();
  }
  size_t lookups(std::string_view address) const {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(
        std::count(lookups_.begin(), lookups_.end(), Parsed(address)));
  }
  // All names that zones were asked about, in that order.
  std::vector<AskedName> asked_names() const {
    const std::lock_guard lock(mutex_);
    return asked_names_;
  }
  size_t saved(std::string_view address, Saving saving) const {
    const std::lock_guard lock(mutex_);
    const auto found = savings_.find({Parsed(address), saving});
    return found == savings_.end() ? 0 : found->second;
  }
  size_t reason_texts() const {
    const std::lock_guard lock(mutex_);
    return reason_texts_;
  }

  // --- Lists ---
  void SetRules(std::shared_ptr<const Rules> rules) override {
    const std::lock_guard lock(mutex_);
    rules_ = std::move(rules);
  }

  std::optional<Answers> Cached(const IpAddress& client) override {
    const std::lock_guard lock(mutex_);
    if (!cached_.contains(client)) return std::nullopt;
    return AnswersFor(client, rules_);
  }

  asio::awaitable<Answers> Lookup(IpAddress client) override {
    const std::shared_ptr<const Rules> rules = Asked(client);
    if (IsHolding(client)) {
      asio::steady_timer released(loop_, asio::steady_timer::time_point::max());
      held_.push_back(&released);
      co_await released.async_wait(
          asio::experimental::as_tuple(asio::use_awaitable));
    }
    const std::lock_guard lock(mutex_);
    cached_.insert(client);
    co_return AnswersFor(client, rules);
  }

  // As real lists do it: what no zone is for is not asked. Hold() holds these
  // too.
  asio::awaitable<Answers> LookupNames(IpAddress, std::vector<AskedName> names,
                                       Answers known, Instant) override {
    if (IsHoldingAll()) {
      asio::steady_timer released(loop_, asio::steady_timer::time_point::max());
      held_.push_back(&released);
      co_await released.async_wait(
          asio::experimental::as_tuple(asio::use_awaitable));
    }
    const std::lock_guard lock(mutex_);
    if (known.rules == nullptr) known.rules = rules_;
    for (const AskedName& name : names) AddName(name, known);
    co_return known;
  }

  asio::awaitable<std::string> ReasonText(IpAddress, std::string) override {
    co_return NextReasonText();
  }
  asio::awaitable<std::string> ReasonText(IpAddress, std::string,
                                          std::string) override {
    co_return NextReasonText();
  }

  bool MayBan(const std::string& label, const IpAddress&) override {
    const std::lock_guard lock(mutex_);
    return !distrusted_.contains(label);
  }
  void SetLieListener(LieListener listener) override {
    listener_ = std::move(listener);
  }

  void NoteSaving(const IpAddress& client, Saving saving) override {
    const std::lock_guard lock(mutex_);
    ++savings_[{client, saving}];
  }

 private:
  // A mistake in the test throws, and so fails it.
  static IpAddress Parsed(std::string_view address) {
    return IpAddress::Parse(address).value();
  }
  std::shared_ptr<const Rules> Asked(const IpAddress& client) {
    const std::lock_guard lock(mutex_);
    lookups_.push_back(client);
    return rules_;
  }
  std::string NextReasonText() {
    const std::lock_guard lock(mutex_);
    ++reason_texts_;
    return reason_text_;
  }
  // Under the lock.
  void AddName(const AskedName& name, Answers& answers) {
    if (std::ranges::none_of(answers.rules->zones, [&](const Zone& zone) {
          return zone.AsksAbout(name.kind);
        })) {
      return;
    }
    asked_names_.push_back(name);
    for (Listing listing : scripted_names_[name.name]) {
      if (!answers.rules->zones[listing.zone].AsksAbout(name.kind)) continue;
      if (std::ranges::any_of(answers.listings, [&](const Listing& earlier) {
            return earlier.zone == listing.zone;
          })) {
        continue;
      }
      listing.name = name.kind;
      answers.listings.push_back(listing);
    }
  }
  bool IsHoldingAll() const {
    const std::lock_guard lock(mutex_);
    return holding_;
  }
  bool IsHolding(const IpAddress& client) const {
    const std::lock_guard lock(mutex_);
    return holding_ || held_clients_.contains(client);
  }
  Answers AnswersFor(const IpAddress& client,
                     const std::shared_ptr<const Rules>& rules) const {
    const auto found = scripted_.find(client);
    Answers answers = found == scripted_.end() ? Answers{} : found->second;
    answers.rules = rules;
    return answers;
  }

  asio::io_context& loop_;
  std::vector<asio::steady_timer*> held_;  // loop only
  LieListener listener_;                   // loop only
  mutable std::mutex mutex_;               // guards all below
  std::shared_ptr<const Rules> rules_;
  std::map<IpAddress, Answers> scripted_;
  std::map<std::string, std::vector<Listing>> scripted_names_;
  std::vector<AskedName> asked_names_;
  std::set<IpAddress> cached_;
  std::vector<IpAddress> lookups_;
  std::map<std::pair<IpAddress, Saving>, size_t> savings_;
  size_t reason_texts_ = 0;
  std::string reason_text_;
  bool holding_ = false;
  std::set<IpAddress> held_clients_;
  std::set<std::string> distrusted_;
};

}  // namespace breakwater
