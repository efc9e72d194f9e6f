#include "core/bans/ban_widening.h"

#include <algorithm>
#include <functional>
#include <iterator>

namespace breakwater {

Instant BanWidening::EndOfNth(const std::vector<Member>& members, size_t n) {
  std::vector<Instant> ends;
  for (const Member& member : members) ends.push_back(member.ends);
  const auto nth = ends.begin() + static_cast<ptrdiff_t>(n - 1);
  std::ranges::nth_element(ends, nth, std::greater<>());
  return *nth;
}

void BanWidening::SetRules(const WideningRules& rules) {
  rules_ = rules;
  for (auto group = groups_.begin(); group != groups_.end();) {
    const auto next = std::next(group);
    if (!rules_.Allows(*WidthOf(group->network))) Drop(group);
    group = next;
  }
}

std::vector<BanWidening::Reached> BanWidening::Note(const Network& client,
                                                    Instant ends, Instant now) {
  DropWhatIsOver(now);
  std::vector<Reached> reached;
  for (const Width width : WidthsOf(client.address)) {
    if (!rules_.Allows(width)) continue;
    Group& group = GroupOf(Widened(client.address, width));
    DropEnded(group, now);
    std::vector<Member>& members = group.members;
    auto place = std::ranges::find(members, client, &Member::client);
    if (place == members.end()) {
      // Of more than enough it takes the place of whose ban ends first.
      if (members.size() >= 2 * rules_.Members(width)) {
        place = std::ranges::min_element(members, {}, &Member::ends);
        if (place->ends < ends) *place = {client, ends};
      } else {
        members.push_back({client, ends});
        ++members_;
      }
    } else {
      place->ends = std::max(place->ends, ends);
    }
    if (members.size() < rules_.Members(width)) continue;
    reached.push_back({.network = group.network,
                       .members = static_cast<uint32_t>(members.size()),
                       .ends = EndOfNth(members, rules_.Members(width))});
  }
  while (places_.size() > kMostNetworks || members_ > kMostMembers) {
    Drop(std::prev(groups_.end()));
  }
  std::ranges::reverse(reached);
  return reached;
}

void BanWidening::Forget(const Network& network) {
  if (const auto whole = places_.find(network); whole != places_.end()) {
    return Drop(whole->second);
  }
  for (const Width width : WidthsOf(network.address)) {
    const auto place = places_.find(Widened(network.address, width));
    if (place == places_.end()) continue;
    std::vector<Member>& members = place->second->members;
    members_ -= std::erase_if(members, [&network](const Member& member) {
      return member.client == network;
    });
    if (members.empty()) Drop(place->second);
  }
}

void BanWidening::ForgetReached(absl::FunctionRef<bool(const Network&)> but,
                                Instant now) {
  for (auto group = groups_.begin(); group != groups_.end();) {
    const auto next = std::next(group);
    const Network& network = group->network;
    const std::optional<Width> width = WidthOf(network);
    if (width && Count(network, now) >= rules_.Members(*width) &&
        !but(network)) {
      Drop(group);
    }
    group = next;
  }
}

uint32_t BanWidening::Count(const Network& network, Instant now) const {
  const auto place = places_.find(network);
  if (place == places_.end()) return 0;
  return static_cast<uint32_t>(std::ranges::count_if(
      place->second->members,
      [now](const Member& member) { return member.ends > now; }));
}

BanWidening::Group& BanWidening::GroupOf(const Network& network) {
  const auto [place, is_new] = places_.try_emplace(network);
  if (is_new) {
    groups_.push_front({.network = network, .members = {}});
  } else {
    groups_.splice(groups_.begin(), groups_, place->second);
  }
  place->second = groups_.begin();
  return groups_.front();
}

void BanWidening::Drop(Groups::iterator group) {
  members_ -= group->members.size();
  places_.erase(group->network);
  groups_.erase(group);
}

void BanWidening::DropEnded(Group& group, Instant now) {
  members_ -= std::erase_if(group.members, [now](const Member& member) {
    return member.ends <= now;
  });
}

void BanWidening::DropWhatIsOver(Instant now) {
  constexpr int kAtATime = 4;  // two come with each client
  for (int i = 0; i < kAtATime && !groups_.empty(); ++i) {
    const auto oldest = std::prev(groups_.end());
    DropEnded(*oldest, now);
    if (!oldest->members.empty()) return;
    Drop(oldest);
  }
}

}  // namespace breakwater
