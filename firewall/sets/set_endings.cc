#include "firewall/sets/set_endings.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace breakwater {
namespace {

// Where the eight bytes that can differ stand: no element of our sets is
// narrower than an IPv4 address or an IPv6 /64.
constexpr size_t kV4At = 8;
constexpr size_t kFewEnough = 10'000;  // to look at all of them
constexpr size_t kSampleOfTable = 16;
constexpr uint8_t kV4Mark[] = {0, 0, 0xff, 0xff};

}  // namespace

Duration SetEndings::Left(const Network& network, Instant now) const {
  const uint64_t key = KeyOf(network);
  const Table& table = tables_[PlaceOf(key)];
  const auto found = table.endings.find(key);
  if (found == table.endings.end()) return Duration::zero();
  return std::max(std::chrono::floor<Duration>(found->second - now),
                  Duration::zero());
}

void SetEndings::Note(const Network& network, Duration left, Instant now) {
  const uint64_t key = KeyOf(network);
  Table& table = tables_[PlaceOf(key)];
  if (table.endings.size() >= table.next_sweep) Sweep(table, now);
  Instant& ending = table.endings[key];
  ending = std::max(ending, now + left);
}

void SetEndings::Forget(const Network& network) {
  const uint64_t key = KeyOf(network);
  tables_[PlaceOf(key)].endings.erase(key);
}

bool SetEndings::Holds(const Network& network, Instant now) const {
  const uint64_t key = KeyOf(network);
  const Table& table = tables_[PlaceOf(key)];
  const auto found = table.endings.find(key);
  return found != table.endings.end() && found->second > now;
}

size_t SetEndings::size() const {
  size_t sum = 0;
  for (const Table& table : tables_) sum += table.endings.size();
  return sum;
}

std::vector<Network> SetEndings::Witnesses(size_t count, Duration margin,
                                           Instant now) {
  std::vector<Network> witnesses;
  for (size_t i = 0; i < kTables && witnesses.size() < count; ++i) {
    next_witness_ = (next_witness_ + 1) % kTables;
    // A table of any size begins with one that has not ended or nearly so:
    // what has ended is swept.
    for (const auto& [key, ending] : tables_[next_witness_].endings) {
      if (ending <= now + margin) continue;
      witnesses.push_back(NetworkOf(key));
      break;
    }
  }
  return witnesses;
}

std::vector<TimedNetwork> SetEndings::List(Instant now) const {
  std::vector<TimedNetwork> list;
  list.reserve(size());
  for (const Table& table : tables_) {
    for (const auto& [key, ending] : table.endings) {
      const auto left = std::chrono::floor<Duration>(ending - now);
      if (left > Duration::zero()) list.push_back({NetworkOf(key), left});
    }
  }
  return list;
}

std::vector<Network> SetEndings::Soonest(size_t count, Instant now) {
  if (size() < kFewEnough) return SoonestOfAll(count, now);
  const Instant latest = SampleSoonest(now);
  std::vector<Network> soonest;
  for (size_t i = 0; i < kTables && soonest.size() < count; ++i) {
    next_soonest_ = (next_soonest_ + 1) % kTables;
    for (const auto& [key, ending] : tables_[next_soonest_].endings) {
      if (ending > now && ending <= latest) {
        soonest.push_back(NetworkOf(key));
      }
    }
  }
  return soonest.size() < count ? SoonestOfAll(count, now) : soonest;
}

Instant SetEndings::SampleSoonest(Instant now) const {
  std::vector<Instant> sample;
  sample.reserve(kTables * kSampleOfTable);
  for (const Table& table : tables_) {
    size_t taken = 0;
    for (const auto& [key, ending] : table.endings) {
      if (taken++ == kSampleOfTable) break;
      if (ending > now) sample.push_back(ending);
    }
  }
  if (sample.empty()) return now;
  const auto hundredth =
      sample.begin() + static_cast<ptrdiff_t>(sample.size() / 100);
  std::nth_element(sample.begin(), hundredth, sample.end());
  return *hundredth;
}

std::vector<Network> SetEndings::SoonestOfAll(size_t count, Instant now) const {
  std::vector<std::pair<Instant, uint64_t>> all;
  all.reserve(size());
  for (const Table& table : tables_) {
    for (const auto& [key, ending] : table.endings) {
      if (ending > now) all.emplace_back(ending, key);
    }
  }
  count = std::min(count, all.size());
  std::nth_element(all.begin(), all.begin() + static_cast<ptrdiff_t>(count),
                   all.end());
  std::vector<Network> soonest;
  soonest.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    soonest.push_back(NetworkOf(all[i].second));
  }
  return soonest;
}

uint64_t SetEndings::KeyOf(const Network& network) {
  uint64_t key;
  const size_t at = network.IsV4() ? kV4At : 0;
  std::memcpy(&key, network.address.bytes.data() + at, sizeof key);
  return key;
}

// No IPv6 address begins as what stands before a mapped IPv4 one's last bytes.
Network SetEndings::NetworkOf(uint64_t key) const {
  IpAddress address;
  std::memcpy(address.bytes.data(), &key, sizeof key);
  if (std::memcmp(address.bytes.data(), kV4Mark, sizeof kV4Mark) == 0) {
    uint8_t v4[4];
    std::memcpy(v4, address.bytes.data() + sizeof kV4Mark, sizeof v4);
    address = IpAddress::FromV4(uint32_t{v4[0]} << 24 | uint32_t{v4[1]} << 16 |
                                uint32_t{v4[2]} << 8 | uint32_t{v4[3]});
  }
  return width_ ? Widened(address, *width_) : Network::OfClient(address);
}

void SetEndings::Sweep(Table& table, Instant now) {
  absl::erase_if(table.endings,
                 [now](const auto& entry) { return entry.second <= now; });
  table.next_sweep = std::max(kSmallest, 2 * table.endings.size());
}

}  // namespace breakwater
