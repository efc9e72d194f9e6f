#include "core/screener/screening.h"

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
  if (withheld_ && verdict.ban) {
    verdict.ban.reset();
    verdict.withheld = withheld_;
  }
  {
    const std::lock_guard lock(mutex_);
    if (verdict_) return;
    verdict_ = verdict;
  }
  completed_.notify_all();
  for (auto& done : std::exchange(when_complete_, {})) done(verdict);
}

void Screening::WhenComplete(absl::AnyInvocable<void(const Verdict&)> done) {
  if (const std::optional<Verdict> known = verdict()) {
    done(*known);
  } else {
    when_complete_.push_back(std::move(done));
  }
}

}  // namespace breakwater
