#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/kernel_errors.h"
#include "daemon/protection.h"
#include "firewall/ban_sets.h"

namespace breakwater {

// Keeps the sets as they must be: there, and free of protected addresses. A
// set that somebody has destroyed is made again, at the latest by the next
// Check; that the bans in it are lost the daemon must be told (TakeNews). One
// thread.
class SetKeeper {
 public:
  SetKeeper(std::unique_ptr<BanSets> sets, KernelErrors& errors)
      : sets_(std::move(sets)), errors_(errors) {}

  // As BanSets has them; failures are reported as well as returned.
  std::vector<ElementFailure> Add(const std::vector<TimedNetwork>& elements);
  std::vector<ElementFailure> Remove(const std::vector<Network>& networks);
  // Nothing if the kernel does not tell.
  std::vector<TimedNetwork> List();

  // Makes what is missing; whether all sets are there now.
  bool Check();
  // Takes out what has become protected.
  void RemoveProtected(const Protection& protection);

  // Whether sets were made again since the last call.
  bool TakeNews() { return std::exchange(news_, false); }
  uint64_t times_made() const { return times_made_; }

 private:
  const std::unique_ptr<BanSets> sets_;
  KernelErrors& errors_;
  bool news_ = false;
  uint64_t times_made_ = 0;
};

}  // namespace breakwater
