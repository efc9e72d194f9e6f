#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/types/record.h"
#include "daemon/enforcer/kernel_errors.h"
#include "daemon/protection/protection.h"
#include "firewall/sets/ban_sets.h"

namespace breakwater {

// Keeps the sets of all backends as they must be: there, filled, and free of
// protected addresses. Sets that somebody has destroyed, emptied or replaced
// are noticed, at the latest by the next Check; that the bans in them are lost
// the daemon must be told (TakeNews). One thread.
class SetKeeper {
 public:
  // No backend at all: bans take effect nowhere but in the daemon's answers.
  SetKeeper(std::vector<std::unique_ptr<BanSets>> backends,
            KernelErrors& errors);

  // As BanSets has them, in every backend: a failure in one stops no other.
  // Networks are no matter of backends that hold clients only.
  // All failures are reported; those returned are about what has taken effect
  // in no backend.
  std::vector<ElementFailure> Add(const std::vector<TimedNetwork>& elements);
  // Those returned are about what may still be in one.
  std::vector<ElementFailure> Remove(const std::vector<Network>& networks);
  // As BanSets has it.
  void SetWidening(const WideningRules& rules);
  // What the backends that tell it hold; see lists().
  std::vector<TimedNetwork> List();
  // Whether List tells all that is in.
  bool lists() const;

  // Looks after all sets.
  void Check(Instant now);
  // Whether rules of the firewall look into them, into those of the families
  // of which clients can come; for every second. It has to be so for a moment
  // to count, since a firewall that is loaded anew has no rules meanwhile.
  void LookForRules(Instant now, bool v4, bool v6);
  // By an enforcer whose daemon only observes it is told once, as no fault.
  void SetObserving(bool observes) { observes_ = observes; }
  // What no rule looks into.
  struct Unseen {
    SetsOf backend;
    SetNumbers sets;

    bool operator==(const Unseen&) const = default;
  };
  std::vector<Unseen> without_rule() const;
  // Takes out what has become protected since the last call.
  void RemoveProtected(const Protection& protection);

  // Whether bans were found missing since the last call.
  bool TakeNews() { return std::exchange(news_, false); }
  uint64_t times_made() const { return times_made_; }
  uint64_t times_flushed() const { return times_flushed_; }
  uint64_t evicted() const;
  // Sets that are not as they must be, as of the last Check.
  uint64_t wrong() const;

 private:
  struct Backend {
    std::unique_ptr<BanSets> sets;
    uint64_t wrong = 0;
    std::string trouble;  // the first one's
    Instant told;         // when the log had it
    uint64_t evicted_told = 0;
    std::optional<SetsOf> id;  // none: there are no rules for it
    SetNumbers unseen;         // by any rule, for long enough
    SetNumbers unseen_now;
    Instant unseen_since;  // these
    Instant unseen_told;
  };

  void Check(Backend& backend, Instant now);
  void ReportTrouble(Backend& backend, const SetsCheck& check, Instant now);
  void ReportEvictions(Backend& backend);
  void ReportRules(Backend& backend, Instant now);
  std::vector<ElementFailure> AddTo(Backend& backend,
                                    absl::Span<const TimedNetwork> elements);

  std::vector<Backend> backends_;
  NetworkSet taken_out_;  // was protected at the last call
  KernelErrors& errors_;
  bool news_ = false;
  bool observes_ = false;
  uint64_t times_made_ = 0;
  uint64_t times_flushed_ = 0;
};

}  // namespace breakwater
