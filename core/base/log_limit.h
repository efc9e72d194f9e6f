#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "core/base/clock.h"

namespace breakwater {

// Keeps events that a peer can cause at will from filling the log: at most
// `burst` lines in each period.
//
//   if (const auto held_back = limit.Admit()) {
//     Log(...).Add("held_back", *held_back);
//   }
//
// Any thread.
class LogLimit {
 public:
  LogLimit(uint32_t burst, Duration period) : burst_(burst), period_(period) {}

  // Whether a line may be written now, and how many were not since the last
  // one that was.
  std::optional<uint64_t> Admit() {
    const std::lock_guard lock(mutex_);
    const Instant now = Clock::now();
    if (now >= period_ends_) {
      period_ends_ = now + period_;
      written_ = 0;
    }
    if (written_ >= burst_) {
      ++held_back_;
      return std::nullopt;
    }
    ++written_;
    return std::exchange(held_back_, 0);
  }

 private:
  const uint32_t burst_;
  const Duration period_;
  std::mutex mutex_;  // guards all below
  Instant period_ends_;
  uint32_t written_ = 0;
  uint64_t held_back_ = 0;
};

}  // namespace breakwater
