#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "core/address.h"
#include "core/clock.h"

namespace breakwater {

// Until when the elements of one set stay, as far as we have put them there.
//
// The kernel takes each add of an element as its new timeout, and has no cheap
// way to tell the old one. So that an add never shortens, what was put in is
// remembered here: 16 bytes an element. What has ended is dropped whenever the
// table has doubled, so its size follows that of the set.
class SetEndings {
 public:
  // The seconds to give the kernel so that the element stays at least as long
  // as it would have without this add; remembers them.
  uint32_t Prolong(const Network& network, uint32_t seconds, Instant now) {
    if (endings_.size() >= next_sweep_) Sweep(now);
    const uint32_t begin = SecondsOf(now);
    uint32_t& ending = endings_[KeyOf(network)];
    ending = std::max(ending, begin + seconds);
    return ending - begin;
  }
  void Forget(const Network& network) { endings_.erase(KeyOf(network)); }
  void Clear() { endings_.clear(); }
  size_t size() const { return endings_.size(); }

 private:
  static constexpr size_t kSmallest = 1024;

  // An element of one of our sets is an IPv4 address or an IPv6 /64, and a set
  // holds one family only: the eight bytes that can differ.
  static uint64_t KeyOf(const Network& network) {
    uint64_t key;
    const size_t at = network.IsV4() ? 8 : 0;
    std::memcpy(&key, network.address.bytes.data() + at, sizeof key);
    return key;
  }
  static uint32_t SecondsOf(Instant now) {
    return static_cast<uint32_t>(
        std::chrono::floor<std::chrono::seconds>(now.time_since_epoch())
            .count());
  }

  void Sweep(Instant now) {
    absl::erase_if(endings_, [begin = SecondsOf(now)](const auto& entry) {
      return entry.second <= begin;
    });
    next_sweep_ = std::max(kSmallest, 2 * endings_.size());
  }

  absl::flat_hash_map<uint64_t, uint32_t> endings_;
  size_t next_sweep_ = kSmallest;
};

}  // namespace breakwater
