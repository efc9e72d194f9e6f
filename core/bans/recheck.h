#pragma once

#include <cstddef>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/types/ban.h"

namespace breakwater {

// Bans that are to be looked at again when half of their time is over: those
// that lists alone have imposed, and that are long. Bounded: one that finds no
// room ends when it says. Loop thread only.
class Recheck {
 public:
  // By network and id: the ban may have been lifted and another imposed.
  struct Due {
    Network network;
    std::string id;
  };
  static constexpr size_t kMost = 100'000;

  // `least` is the shortest that is looked at again; zero: none is.
  void SetLeast(Duration least) { least_ = least; }
  void Add(const Ban& ban, Instant now);
  // One whose time has come.
  std::optional<Due> Take(Instant now);

  size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    Instant when;
    Due due;
    bool operator>(const Waiting& other) const { return when > other.when; }
  };

  Duration least_{};
  std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting_;
};

}  // namespace breakwater
