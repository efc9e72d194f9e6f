#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "core/base/clock.h"
#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// A verdict on its way, shared by the one who asked and the loop. It is
// completed once, on the loop, and never changes afterwards.
class Screening {
 public:
  explicit Screening(Client client) : client_(std::move(client)) {}

  const Client& client() const { return client_; }

  // Any thread but the loop. Nothing if the verdict did not come in time.
  std::optional<Verdict> Wait(Duration longest) const;
  // Any thread.
  std::optional<Verdict> verdict() const;

  // Before it is shared. Whatever the verdict will be, it bans nobody, for that
  // reason.
  void Withhold(Withheld why) { withheld_ = why; }
  std::optional<Withheld> withheld() const { return withheld_; }
  // Loop thread. A list that could condemn its names was not heard, though the
  // verdict may say that the client was cleared.
  void NotCleared() { cleared_ = false; }
  bool cleared() const { return cleared_; }
  // Loop thread. Does nothing if there is a verdict already.
  void Complete(Verdict verdict);
  // Loop thread. `done` is called on the loop, at once if there is a verdict.
  void WhenComplete(absl::AnyInvocable<void(const Verdict&)> done);

 private:
  const Client client_;
  std::optional<Withheld> withheld_;
  mutable std::mutex mutex_;
  mutable std::condition_variable completed_;
  std::optional<Verdict> verdict_;  // by mutex_
  // Loop only.
  bool cleared_ = true;
  std::vector<absl::AnyInvocable<void(const Verdict&)>> when_complete_;
};

}  // namespace breakwater
