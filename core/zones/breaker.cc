#include "core/zones/breaker.h"

#include <algorithm>

namespace breakwater {

void Breaker::Note(bool failed, Instant now) {
  if (open_) return;
  in_a_row_ = failed ? in_a_row_ + 1 : 0;
  seen_ = std::min(seen_ + 1, kLookedAt);
  failed_share_ += ((failed ? 1.0 : 0.0) - failed_share_) / seen_;
  if (in_a_row_ >= kInARow || (seen_ == kLookedAt && failed_share_ > 0.5)) {
    Open(now);
  }
}

void Breaker::Open(Instant now) {
  if (open_) return;
  open_ = true;
  if (closed_ == Instant::min() || now - closed_ >= kCalm) pause_ = Duration();
  Lengthen(now);
}

void Breaker::NoteProbe(bool answered, Instant now) {
  if (!open_) return;
  if (!answered) {
    Lengthen(now);
    return;
  }
  open_ = false;
  closed_ = now;
  in_a_row_ = 0;
  seen_ = 0;
  failed_share_ = 0;
}

void Breaker::Lengthen(Instant now) {
  pause_ = std::clamp<Duration>(2 * pause_, kFirstPause, kLongestPause);
  probe_due_ = now + pause_;
}

}  // namespace breakwater
