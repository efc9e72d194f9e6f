#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"

namespace breakwater {

// Values of which many are equal: each is kept once, for as long as somebody
// uses it, and is told by a number. Not thread-safe.
template <typename Value>
class Interned {
 public:
  Interned() : numbers_(0, Hash{this}, Equal{this}) {}
  Interned(const Interned&) = delete;
  Interned& operator=(const Interned&) = delete;

  // The number of that value, which has one user more, or one less.
  uint32_t Use(const Value& value) {
    const auto known = numbers_.find(value);
    if (known != numbers_.end()) {
      ++slots_[*known].users;
      return *known;
    }
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const uint32_t number = free_.back();
    free_.pop_back();
    slots_[number] = {.value = value, .users = 1};
    numbers_.insert(number);
    return number;
  }
  void Release(uint32_t number) {
    Slot& slot = slots_[number];
    if (--slot.users > 0) return;
    numbers_.erase(number);
    slot.value = Value();
    free_.push_back(number);
  }

  const Value& operator[](uint32_t number) const {
    return slots_[number].value;
  }
  size_t size() const { return numbers_.size(); }

 private:
  struct Slot {
    Value value;
    uint32_t users = 0;
  };
  struct Hash {
    using is_transparent = void;
    const Interned* interned;
    size_t operator()(uint32_t number) const {
      return (*this)((*interned)[number]);
    }
    size_t operator()(const Value& value) const {
      return absl::Hash<Value>()(value);
    }
  };
  struct Equal {
    using is_transparent = void;
    const Interned* interned;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, const Value& b) const {
      return (*interned)[a] == b;
    }
    bool operator()(const Value& a, uint32_t b) const {
      return (*interned)[b] == a;
    }
  };

  std::deque<Slot> slots_;
  std::vector<uint32_t> free_;
  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;
};

}  // namespace breakwater
