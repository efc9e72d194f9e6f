#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "core/base/clock.h"

namespace breakwater {

// Which share of the clients a zone lists, lately and in the long run. To be
// told each answer that came over the network: those of the cache are not
// counted, so that it is a share of clients and not of connections.
//
// Both fade by clients, not by time: a wave shows within two dozen clients
// whether they come in a second or in an hour. Pure.
class HitRate {
 public:
  static constexpr int kRecent = 16;  // clients, as an average fades
  static constexpr int kPast = 1000;
  static constexpr int kNewcomer = 50;  // clients without which is no past

  void Note(bool listed, Instant now);
  // What it is lately is what is to be expected of it from now on.
  void Accept() { past_ = recent_; }

  double recent() const { return recent_; }
  double past() const { return past_; }
  double rise() const { return recent_ - past_; }
  Instant last() const { return last_; }

  // Many more than ever: three in ten of the clients more, or of those that it
  // used not to list three in four.
  bool HasLeftItsPast() const;

 private:
  double recent_ = 0;
  double past_ = 0;
  int clients_ = 0;  // up to kPast
  Instant last_ = Instant::min();
};

// Whether a zone's rate is a reason for doubt: it has left its past, and the
// others, as far as they were asked in the same time, have not risen with it.
// In a wave each zone lists seven to nine in ten of the clients, and that is as
// it should be; a zone that has begun to list the world is alone with it. One
// without others is compared with its own past only.
bool IsDoubtful(const HitRate& zone, absl::Span<const HitRate* const> others);

}  // namespace breakwater
