#include "core/proxy_watch.h"

#include <algorithm>

namespace breakwater {
namespace {

// It is over when that many of so many connections are others'.
constexpr uint32_t kMostStrays = 5;
constexpr uint32_t kOf = 50;

}  // namespace

void ProxyWatch::SetRules(const ProxyRules& rules) {
  if (rules == rules_) return;
  *this = ProxyWatch(rules);
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

void ProxyWatch::Note(const Network& client, Instant now) {
  if (connections_ == 0) first_ = now;
  ++connections_;
  const auto known = std::ranges::find(seen_, client, &Seen::client);
  if (known != seen_.end()) {
    std::rotate(seen_.begin(), known, known + 1);
  } else {
    seen_.insert(seen_.begin(), {.client = client});
    if (seen_.size() > rules_.addresses + 1) seen_.pop_back();
  }
  seen_.front().last = connections_;
  seen_.front().at = now;
}

bool ProxyWatch::GoesOn(Instant now) {
  const bool others = seen_.size() > rules_.addresses;
  const uint64_t in_a_row = connections_ - (others ? seen_.back().last : 0);
  const Instant since = others ? seen_.back().at : first_;
  if (in_a_row < rules_.connections || now - since < rules_.after) return false;
  state_ = {.on_since = now, .connections = in_a_row, .since = since};
  for (const Seen& seen : seen_) {
    if (state_.suspects.size() < rules_.addresses) {
      state_.suspects.push_back(seen.client);
    }
  }
  strays_ = counted_ = 0;
  return true;
}

bool ProxyWatch::GoesOff(const Network& client) {
  if (++counted_ > kOf) strays_ = counted_ = 0;
  if (std::ranges::find(state_.suspects, client) != state_.suspects.end()) {
    return false;
  }
  if (state_.suspects.size() < rules_.addresses) {
    state_.suspects.push_back(client);
    return false;
  }
  if (++strays_ < kMostStrays) return false;
  state_ = {};
  return true;
}

}  // namespace breakwater
