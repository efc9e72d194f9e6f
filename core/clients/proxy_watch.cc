#include "core/clients/proxy_watch.h"

#include <algorithm>

#include "core/net/width.h"

namespace breakwater {
namespace {

// It is over when that many of so many connections are others'.
constexpr uint32_t kMostStrays = 5;
constexpr uint32_t kOf = 50;

// Of the last connections a proxy has at least a tenth, and not by one alone.
constexpr size_t kLatest = 50;
constexpr size_t kShare = 10;

// Of how many others it is known when they came last, and what their silence
// is measured by.
constexpr size_t kOthers = 8;
constexpr int kTimesTheirGap = 10;
constexpr Duration kLongestSilence = std::chrono::hours(24);

}  // namespace

void ProxyWatch::SetRules(const ProxyRules& rules) {
  if (rules == rules_) return;
  *this = ProxyWatch(rules);
}

void ProxyWatch::Knows(const Network& client, Instant at) {
  if (rules_.addresses == 0 || seen_.size() >= rules_.addresses + kOthers ||
      std::ranges::find(seen_, client, &Seen::client) != seen_.end()) {
    return;
  }
  seen_.push_back({.client = client, .at = at});
}

bool ProxyWatch::Connected(const IpAddress& address, Instant now) {
  if (rules_.addresses == 0) return false;
  const Network client = Network::OfClient(address);
  Note(client, now);
  return is_on() ? GoesOff(client) : GoesOn(now);
}

bool ProxyWatch::Suspects(const IpAddress& client) const {
  return is_on() && std::ranges::any_of(state_.suspects,
                                        [&client](const Network& suspect) {
                                          return suspect.Contains(client);
                                        });
}

// As the latest.
ProxyWatch::Seen& ProxyWatch::SeenAs(const Network& client) {
  const auto known = std::ranges::find(seen_, client, &Seen::client);
  if (known != seen_.end()) {
    std::rotate(seen_.begin(), known, known + 1);
  } else {
    seen_.insert(seen_.begin(), {.client = client});
    if (seen_.size() > rules_.addresses + kOthers) seen_.pop_back();
  }
  return seen_.front();
}

void ProxyWatch::Note(const Network& client, Instant now) {
  if (connections_ == 0) first_ = now;
  ++connections_;
  Seen& seen = SeenAs(client);
  seen.last = connections_;
  seen.at = now;
  latest_.push_back(client);
  if (latest_.size() > kLatest) latest_.pop_front();
}

Clock::duration ProxyWatch::Silence() const {
  if (seen_.size() < rules_.addresses + 2) return rules_.after;
  // Who has many addresses does not come more often by that.
  std::vector<Network> senders;
  for (size_t i = rules_.addresses; i < seen_.size(); ++i) {
    const Network sender = SenderAround(seen_[i].client.address);
    if (std::ranges::find(senders, sender) == senders.end()) {
      senders.push_back(sender);
    }
  }
  const auto span = seen_[rules_.addresses].at - seen_.back().at;
  const auto gap =
      span / static_cast<int>(std::max<size_t>(senders.size() - 1, 1));
  return std::max<Clock::duration>(
      rules_.after,
      std::min<Clock::duration>(kTimesTheirGap * gap, kLongestSilence));
}

bool ProxyWatch::HasAShare(const Network& client) const {
  const auto own = static_cast<size_t>(std::ranges::count(latest_, client));
  return own * kShare >= latest_.size();
}

bool ProxyWatch::GoesOn(Instant now) {
  const bool others = seen_.size() > rules_.addresses;
  const uint64_t in_a_row =
      connections_ - (others ? seen_[rules_.addresses].last : 0);
  const Instant since =
      others ? std::max(seen_[rules_.addresses].at, first_) : first_;
  if (in_a_row < rules_.connections || now - since < Silence()) return false;
  state_ = {.on_since = now, .connections = in_a_row, .since = since};
  for (const Seen& seen : seen_) {
    if (state_.suspects.size() < rules_.addresses && HasAShare(seen.client)) {
      state_.suspects.push_back(seen.client);
    }
  }
  strays_ = counted_ = candidates_ = 0;
  candidate_.reset();
  return true;
}

bool ProxyWatch::GoesOff(const Network& client) {
  if (++counted_ > kOf) strays_ = counted_ = 0;
  if (std::ranges::find(state_.suspects, client) != state_.suspects.end()) {
    return false;
  }
  if (state_.suspects.size() < rules_.addresses) {
    if (!candidate_) candidate_ = client;
    if (candidate_ == client) {
      if (++candidates_ >= kMostStrays) state_.suspects.push_back(client);
      return false;
    }
  }
  if (++strays_ < kMostStrays) return false;
  state_ = {};
  return true;
}

}  // namespace breakwater
