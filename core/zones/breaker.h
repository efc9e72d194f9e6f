#pragma once

#include "core/base/clock.h"

namespace breakwater {

// Keeps a zone that does not answer from costing every client the deadline. It
// opens after several failures in a row, or when most of the last answers were
// failures; then the zone is not asked but for a probe now and then, after
// pauses that grow, and the first one that is answered closes it.
//
// Pure: the time is the caller's.
class Breaker {
 public:
  static constexpr int kInARow = 10;
  static constexpr int kLookedAt = 32;  // answers, of which most failed
  static constexpr Duration kFirstPause = std::chrono::seconds(1);
  static constexpr Duration kLongestPause = std::chrono::seconds(30);
  // One that opens again sooner goes on with the pause that it had.
  static constexpr Duration kCalm = std::chrono::minutes(1);

  // What came of a client's question. While it is open, what is still on its
  // way from before says nothing.
  void Note(bool failed, Instant now);
  // Without waiting for more.
  void Open(Instant now);
  // What came of the probe that was due; of any probe.
  void NoteProbe(bool answered, Instant now);

  bool is_open() const { return open_; }
  // When to probe, while it is open.
  Instant probe_due() const { return probe_due_; }

 private:
  void Lengthen(Instant now);

  bool open_ = false;
  int in_a_row_ = 0;
  int seen_ = 0;             // since it closed, up to kLookedAt
  double failed_share_ = 0;  // of about the last kLookedAt
  Duration pause_{};         // the last one
  Instant probe_due_;
  Instant closed_ = Instant::min();
};

}  // namespace breakwater
