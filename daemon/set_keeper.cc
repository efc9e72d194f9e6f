#include "daemon/set_keeper.h"

#include <algorithm>

#include "core/log.h"

namespace breakwater {

std::vector<ElementFailure> SetKeeper::Add(
    const std::vector<TimedNetwork>& elements) {
  if (elements.empty()) return {};
  std::vector<ElementFailure> failures = sets_->Add(elements);
  const bool vanished =
      std::ranges::any_of(failures, [](const ElementFailure& failure) {
        return absl::IsNotFound(failure.status);
      });
  if (vanished && Check()) failures = sets_->Add(elements);
  for (const ElementFailure& failure : failures) {
    errors_.Report(failure.status);
  }
  return failures;
}

std::vector<ElementFailure> SetKeeper::Remove(
    const std::vector<Network>& networks) {
  if (networks.empty()) return {};
  std::vector<ElementFailure> failures = sets_->Remove(networks);
  // What is in no set is out.
  std::erase_if(failures, [](const ElementFailure& failure) {
    return absl::IsNotFound(failure.status);
  });
  for (const ElementFailure& failure : failures) {
    errors_.Report(failure.status);
  }
  return failures;
}

std::vector<TimedNetwork> SetKeeper::List() {
  absl::StatusOr<std::vector<TimedNetwork>> elements = sets_->List();
  if (elements.ok()) return *std::move(elements);
  errors_.Report(elements.status());
  return {};
}

bool SetKeeper::Check() {
  const absl::StatusOr<int> made = sets_->MakeMissing();
  if (!made.ok()) {
    errors_.Report(made.status());
    return false;
  }
  if (*made == 0) return true;
  news_ = true;
  ++times_made_;
  Log(Severity::kWarning, "sets-made").Add("count", *made);
  return true;
}

void SetKeeper::RemoveProtected(const Protection& protection) {
  std::vector<Network> removes;
  for (const TimedNetwork& element : List()) {
    if (!protection.Holds(element.network)) continue;
    removes.push_back(element.network);
    Log(Severity::kWarning, "unbanned-protected")
        .Add("network", element.network.ToString());
  }
  Remove(removes);
}

}  // namespace breakwater
