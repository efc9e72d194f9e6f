#include "firewall/sets/timed_sets.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

// How many of the elements that must be in a set are looked for at each check.
// That all of them were taken out one by one is a flush, too.
constexpr size_t kWitnesses = 3;
// What ends sooner may have ended meanwhile: the kernel's clock is not ours.
constexpr Duration kWitnessMargin = std::chrono::seconds(2);

bool IsCrowded(const ElementFailure& failure) {
  return absl::IsResourceExhausted(failure.status);
}

absl::Status NotWidened(const std::string& set) {
  return absl::InvalidArgumentError(
      absl::StrCat("set ", set, ": the configuration does not widen bans so"));
}

}  // namespace

absl::Status NotCovered(const Network& network) {
  return absl::InvalidArgumentError(absl::StrCat(
      "a ban covers one IPv4 address or an IPv6 /64, or, where bans are "
      "widened, a /24, /56 or /48 around it, not ",
      network.ToString()));
}

uint8_t TimedSets::Set::Bits() const {
  return width ? BitsOf(*width) : family == AF_INET ? 32 : 64;
}

Network TimedSets::Set::ElementAt(const IpAddress& address) const {
  return width ? Widened(address, *width) : Network::OfClient(address);
}

TimedSets::TimedSets(const TimedSetsOptions& options) : options_(options) {
  const FirewallNames names(options.prefix);
  for (size_t i = 0; i < kClientSets; ++i) {
    sets_[i] = {.name = names.sets[i],
                .family = static_cast<uint8_t>(i % 2 == 0 ? AF_INET : AF_INET6),
                .extends = i >= kClientSets / 2,
                .most_entries = options.most_entries};
  }
  for (const Width width : kAllWidths) {
    const auto i = static_cast<size_t>(width);
    Set& set = sets_[kClientSets + i];
    set = {.name = names.wide[i],
           .family = static_cast<uint8_t>(IsV4(width) ? AF_INET : AF_INET6),
           .width = width,
           .most_entries = MostWideEntries(options.most_entries),
           .endings = SetEndings(width)};
  }
  for (Set& set : sets_) set.in_use = IsWanted(set);
}

// ---- The sets ---------------------------------------------------------------

bool TimedSets::IsWanted(const Set& set) const {
  if (set.width) return options_.widening.Allows(*set.width);
  return !set.extends || options_.extend;
}

void TimedSets::SetWidening(const WideningRules& rules) {
  options_.widening = rules;
  SetsCheck ignored;  // what is wrong the next Check says again
  for (Set& set : sets_) {
    if (set.width && !set.in_use && IsWanted(set)) CheckOne(set, ignored);
  }
}

SetsCheck TimedSets::Check() {
  SetsCheck check;
  for (Set& set : sets_) CheckOne(set, check);
  return check;
}

absl::StatusOr<SetNumbers> TimedSets::WithoutRule(bool& restored) {
  // What is not as it must be Check says.
  SetNumbers wanted;
  for (size_t i = 0; i < kSets; ++i) {
    wanted[i] = IsWanted(sets_[i]) && sets_[i].trouble.ok();
  }
  const absl::StatusOr<SetNumbers> with = WithRule(wanted, restored);
  if (!with.ok()) return with.status();
  return wanted & ~*with;
}

void TimedSets::CheckOne(Set& set, SetsCheck& check) {
  const absl::StatusOr<Look> look = LookFor(set);
  if (!look.ok()) {
    check.wrong.push_back(look.status());
    return;
  }
  const bool first = !std::exchange(set.seen, true);
  if (*look == Look::kMissing) {
    if (set.endings.size() > 0) set.endings.Clear();
    set.in_use = IsWanted(set);
    if (!set.in_use) return;
    set.trouble = Create(set);
    if (set.trouble.ok()) {
      ++check.made;
    } else {
      check.wrong.push_back(set.trouble);
    }
    return;
  }
  // Sets of an earlier configuration may still hold bans. One that nobody
  // missed, and that somebody has made, has lost none.
  const bool was_in_use = std::exchange(set.in_use, true);
  bool lost = !first && was_in_use && !set.trouble.ok();
  if (set.trouble.ok() && IsFlushed(set)) {
    set.endings.Clear();
    lost = true;
  }
  // It may have been replaced by another one.
  if (first || lost || !was_in_use || *look == Look::kUnclear || set.suspect) {
    set.suspect = false;
    set.trouble = Inspect(set);
    if (!set.trouble.ok()) {
      set.endings.Clear();
      check.wrong.push_back(set.trouble);
      return;
    }
  }
  if (lost) ++check.flushed;
}

bool TimedSets::IsFlushed(Set& set) {
  const std::vector<Network> witnesses =
      set.endings.Witnesses(kWitnesses, kWitnessMargin, Clock::now());
  for (const Network& witness : witnesses) {
    const absl::StatusOr<bool> held = Holds(set, witness);
    // What cannot be told is no reason to do it all again.
    if (!held.ok() || *held) return false;
  }
  return !witnesses.empty();
}

// ---- The elements -----------------------------------------------------------

size_t TimedSets::SetFor(const TimedNetwork& element) const {
  if (const std::optional<Width> width = WidthOf(element.network)) {
    return kClientSets + static_cast<size_t>(*width);
  }
  const bool extends =
      options_.extend && ToSeconds(element.left) == options_.usual_seconds;
  return (extends ? 2 : 0) + (element.network.IsV4() ? 0 : 1);
}

std::vector<ElementFailure> TimedSets::Add(
    absl::Span<const TimedNetwork> elements) {
  // Most come alone.
  if (elements.size() == 1 && IsCovered(elements[0].network)) {
    return AddTo(sets_[SetFor(elements[0])], elements);
  }
  std::vector<ElementFailure> failures;
  std::array<Share, kSets> shares;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!IsCovered(elements[i].network)) {
      failures.push_back({i, NotCovered(elements[i].network)});
      continue;
    }
    Share& share = shares[SetFor(elements[i])];
    share.indices.push_back(i);
    share.elements.push_back(elements[i]);
  }
  for (size_t i = 0; i < kSets; ++i) {
    if (shares[i].elements.empty()) continue;
    for (ElementFailure& failure : AddTo(sets_[i], shares[i].elements)) {
      failure.index = shares[i].indices[failure.index];
      failures.push_back(std::move(failure));
    }
  }
  return failures;
}

std::vector<ElementFailure> TimedSets::AddTo(
    Set& set, absl::Span<const TimedNetwork> elements) {
  if (!set.in_use || !set.trouble.ok()) {
    std::vector<ElementFailure> failures;
    for (size_t i = 0; i < elements.size(); ++i) {
      failures.push_back({i, set.in_use ? set.trouble : NotWidened(set.name)});
    }
    return failures;
  }
  const Instant now = Clock::now();
  const Share wanted = NotYetIn(set, elements, now);
  std::vector<ElementFailure> failures =
      PutMakingRoom(set, wanted.elements, now);
  for (ElementFailure& failure : failures) {
    failure.index = wanted.indices[failure.index];
  }
  return failures;
}

// What stays as long anyway is left alone: put in anew it would end later or
// earlier, by up to a second each time that it is said. But if somebody has
// taken it out, it goes in again.
TimedSets::Share TimedSets::NotYetIn(Set& set,
                                     absl::Span<const TimedNetwork> elements,
                                     Instant now) {
  const Duration unit = capabilities().resolution;
  Share wanted;
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto& [network, left] = elements[i];
    const Duration in = set.endings.Left(network, now);
    if (in >= left && Holds(set, network).value_or(false)) continue;
    wanted.indices.push_back(i);
    wanted.elements.push_back(
        {network,
         std::max((left + unit - Duration(1)) / unit, in / unit) * unit});
  }
  return wanted;
}

std::vector<ElementFailure> TimedSets::PutMakingRoom(
    Set& set, absl::Span<const TimedNetwork> elements, Instant now) {
  std::vector<ElementFailure> failures = PutAndNote(set, elements, now);
  for (const ElementFailure& failure : failures) {
    set.suspect |= !IsCrowded(failure) && !absl::IsNotFound(failure.status);
  }
  // One out is not always room for one: a large hash of ipset is counted in
  // parts, and while one part has had its share others may have let in more
  // than the whole was to hold.
  for (size_t out = 1;; out *= 2) {
    const Share crowded = CrowdedOf(failures, elements);
    if (crowded.elements.empty()) return failures;
    const size_t wanted = std::max(out, crowded.elements.size());
    const size_t made = MakeRoom(set, wanted);
    if (made == 0) return failures;
    std::erase_if(failures, &IsCrowded);
    for (ElementFailure& failure : PutAndNote(set, crowded.elements, now)) {
      failure.index = crowded.indices[failure.index];
      failures.push_back(std::move(failure));
    }
    if (made < wanted) return failures;
  }
}

TimedSets::Share TimedSets::CrowdedOf(absl::Span<const ElementFailure> failures,
                                      absl::Span<const TimedNetwork> elements) {
  Share crowded;
  for (const ElementFailure& failure : failures) {
    if (!IsCrowded(failure)) continue;
    crowded.indices.push_back(failure.index);
    crowded.elements.push_back(elements[failure.index]);
  }
  return crowded;
}

std::vector<ElementFailure> TimedSets::PutAndNote(
    Set& set, absl::Span<const TimedNetwork> elements, Instant now) {
  std::vector<ElementFailure> failures = Put(set, elements);
  std::vector<bool> failed;
  if (!failures.empty()) failed.resize(elements.size());
  for (const ElementFailure& failure : failures) failed[failure.index] = true;
  for (size_t i = 0; i < elements.size(); ++i) {
    if (!failed.empty() && failed[i]) continue;
    set.endings.Note(elements[i].network, elements[i].left, now);
  }
  return failures;
}

size_t TimedSets::MakeRoom(Set& set, size_t wanted) {
  const std::vector<Network> soonest =
      set.endings.Soonest(wanted, Clock::now());
  if (soonest.empty()) return 0;
  const size_t stuck = TakeOut(set, soonest).size();
  for (const Network& network : soonest) set.endings.Forget(network);
  evicted_ += soonest.size() - stuck;
  return soonest.size() - stuck;
}

std::vector<ElementFailure> TimedSets::Remove(
    absl::Span<const Network> networks) {
  std::vector<ElementFailure> failures;
  std::array<std::vector<size_t>, kSets> shares;
  for (size_t i = 0; i < networks.size(); ++i) {
    if (!IsCovered(networks[i])) {
      failures.push_back({i, NotCovered(networks[i])});
      continue;
    }
    if (const std::optional<Width> width = WidthOf(networks[i])) {
      shares[kClientSets + static_cast<size_t>(*width)].push_back(i);
      continue;
    }
    // A client may be in both sets of its family.
    const size_t family = networks[i].IsV4() ? 0 : 1;
    shares[family].push_back(i);
    shares[kClientSets / 2 + family].push_back(i);
  }
  for (size_t i = 0; i < kSets; ++i) {
    Set& set = sets_[i];
    const std::vector<size_t>& indices = shares[i];
    if (indices.empty() || !set.in_use) continue;
    std::vector<Network> share;
    for (const size_t index : indices) {
      share.push_back(networks[index]);
      set.endings.Forget(networks[index]);
    }
    if (!set.trouble.ok()) {
      for (const size_t index : indices) {
        failures.push_back({index, set.trouble});
      }
      continue;
    }
    for (ElementFailure& failure : TakeOut(set, share)) {
      failure.index = indices[failure.index];
      failures.push_back(std::move(failure));
    }
  }
  return failures;
}

absl::StatusOr<std::vector<TimedNetwork>> TimedSets::ListEach(
    absl::FunctionRef<absl::StatusOr<std::vector<TimedNetwork>>(const Set&)>
        elements) {
  // The sets whose elements may be the same.
  constexpr std::pair<size_t, size_t> kTwins[] = {{0, 2}, {1, 3}};
  std::vector<TimedNetwork> result;
  const auto elements_of =
      [&](const Set& set) -> absl::StatusOr<std::vector<TimedNetwork>> {
    // One that is not as it must be is none of ours.
    if (!set.in_use || !set.trouble.ok()) return std::vector<TimedNetwork>();
    return elements(set);
  };
  const auto append = [&result](const std::vector<TimedNetwork>& more) {
    result.insert(result.end(), more.begin(), more.end());
  };
  for (const auto& [fixed, extending] : kTwins) {
    auto one = elements_of(sets_[fixed]);
    if (!one.ok()) return one.status();
    const auto other = elements_of(sets_[extending]);
    if (!other.ok()) return other.status();
    append(MergeLater(*std::move(one), *other));
  }
  for (size_t i = kClientSets; i < kSets; ++i) {
    const auto wide = elements_of(sets_[i]);
    if (!wide.ok()) return wide.status();
    append(*wide);
  }
  return result;
}

std::vector<TimedNetwork> MergeLater(std::vector<TimedNetwork> elements,
                                     absl::Span<const TimedNetwork> others) {
  if (others.empty()) return elements;
  absl::flat_hash_map<Network, Duration> rest;
  for (const auto& [network, left] : others) rest[network] = left;
  for (auto& [network, left] : elements) {
    const auto other = rest.find(network);
    if (other == rest.end()) continue;
    left = std::max(left, other->second);
    rest.erase(other);
  }
  for (const auto& [network, left] : rest) {
    elements.push_back({network, left});
  }
  return elements;
}

}  // namespace breakwater
