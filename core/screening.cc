#include "core/screening.h"

namespace breakwater {

std::optional<Verdict> Screening::Wait(Duration longest) const {
  std::unique_lock lock(mutex_);
  completed_.wait_for(lock, longest, [this] { return verdict_.has_value(); });
  return verdict_;
}

std::optional<Verdict> Screening::verdict() const {
  const std::lock_guard lock(mutex_);
  return verdict_;
}

void Screening::Complete(Verdict verdict) {
  if (ban_withheld_ && verdict.ban) {
    verdict.ban.reset();
    verdict.withheld = Withheld::kNoSocket;
  }
  {
    const std::lock_guard lock(mutex_);
    if (verdict_) return;
    verdict_ = verdict;
  }
  completed_.notify_all();
  if (when_complete_) std::exchange(when_complete_, nullptr)(verdict);
}

void Screening::WhenComplete(absl::AnyInvocable<void(const Verdict&)> done) {
  if (const std::optional<Verdict> known = verdict()) {
    done(*known);
  } else {
    when_complete_ = std::move(done);
  }
}

}  // namespace breakwater
