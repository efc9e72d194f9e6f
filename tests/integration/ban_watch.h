#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "tests/integration/harness/network.h"

namespace breakwater::testing {

// Looks at all that the kernel's sets hold, again and again, and holds it to
// what was seen before: what was in once stays in until its time is over, and
// its time never grows. One thread.
class BanWatch {
 public:
  using Clock = std::chrono::steady_clock;

  enum class Kind { kIpset, kNftables };

  BanWatch(const Namespace& where, Kind kind) : where_(where), kind_(kind) {}

  // Whoever is in the sets now, and what is wrong with that.
  void Look();
  // That address must be in for so long from now, give or take `slack`, for
  // somebody was told so; by the next look but that of `by` at the latest.
  void Expect(const std::string& address, std::chrono::seconds length,
              Clock::time_point by);
  // It was let in again.
  void Forget(const std::string& address) { known_.erase(address); }

  // In sentences; the first few.
  const std::vector<std::string>& faults() const { return faults_; }
  size_t seen() const { return seen_; }          // different ones, ever
  size_t in_force() const { return in_force_; }  // at the last look
  // At the last look, with more than that left.
  size_t LastingLongerThan(std::chrono::seconds left) const;
  Clock::time_point latest_end() const { return latest_end_; }

 private:
  // An entry's end, as exactly as the tool tells it.
  struct End {
    Clock::time_point earliest;
    Clock::time_point latest;
  };
  struct Known {
    End end;
    Clock::time_point must_be_in_from{};  // before, it may not be in yet
  };
  using Entries = std::map<std::string, End>;

  Entries ReadIpset();
  Entries ReadNft();
  // Asks for that one alone: while elements end, a list of many may lack some
  // that are in (the kernel goes on behind as many as it has shown).
  bool IsIn(const std::string& address);
  void Compare(const Entries& now_in, Clock::time_point before);
  void Fault(const std::string& what);

  const Namespace& where_;
  const Kind kind_;
  std::map<std::string, Known> known_;
  Entries last_;
  std::vector<std::string> faults_;
  size_t seen_ = 0;
  size_t in_force_ = 0;
  Clock::time_point latest_end_{};
};

}  // namespace breakwater::testing
