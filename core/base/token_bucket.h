#pragma once

#include <algorithm>
#include <chrono>

#include "core/base/clock.h"

namespace breakwater {

// Lets `burst` things happen at once and `per_second` for ever.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst, Instant now)
      : per_second_(per_second), burst_(burst), tokens_(burst), filled_(now) {}

  // So many more, outside of the count, until then. They do not add up.
  void Grant(double extra, Instant until) {
    extra_ = std::max(extra_, extra);
    extra_until_ = until;
  }

  // From now on at that rate. Neither does it fill the bucket, nor does it end
  // a grant: who may order it at will gains nothing.
  void SetRate(double per_second, double burst, Instant now) {
    Fill(now);
    per_second_ = per_second;
    burst_ = burst;
    tokens_ = std::min(burst_, tokens_);
  }

  bool Take(Instant now) {
    if (now >= extra_until_) extra_ = 0;
    if (extra_ >= 1) {
      extra_ -= 1;
      return true;
    }
    Fill(now);
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  void Fill(Instant now) {
    const std::chrono::duration<double> passed = now - filled_;
    filled_ = now;
    tokens_ = std::min(burst_, tokens_ + per_second_ * passed.count());
  }

  double per_second_;
  double burst_;
  double tokens_;
  Instant filled_;
  double extra_ = 0;
  Instant extra_until_{};
};

}  // namespace breakwater
