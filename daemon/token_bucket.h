#pragma once

#include <algorithm>
#include <chrono>

#include "core/clock.h"

namespace breakwater {

// Lets `burst` things happen at once and `per_second` for ever.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst, Instant now)
      : per_second_(per_second), burst_(burst), tokens_(burst), filled_(now) {}

  bool Take(Instant now) {
    const std::chrono::duration<double> passed = now - filled_;
    filled_ = now;
    tokens_ = std::min(burst_, tokens_ + per_second_ * passed.count());
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  double per_second_;
  double burst_;
  double tokens_;
  Instant filled_;
};

}  // namespace breakwater
