#pragma once

#include <cstdint>
#include <optional>

#include "core/base/clock.h"
#include "reaper/sock_diag.h"

namespace breakwater {

// Tells from what the kernel counts whether a client has got the reply that
// was handed to the MTA a moment ago. The MTA writes it when it comes to it,
// mostly after the first look, at times before.
//
// That nothing is unacknowledged says little alone: it is as true of the
// banner before. And the age of the last data sent cannot tell the reply from
// the line before it, as the kernel counts it in ticks of 4 ms. So the reply
// is taken as sent when
//   - more has been sent than at the first look, or
//   - at the first look, our side was the last to speak: what the client said
//     has been answered, or
//   - nothing was sent for longer than an MTA takes, but something was in the
//     tick in which the reply was handed over. Only a client whose lines come
//     within that tick of ours, next door, can be misjudged here.
class AnswerWatch {
 public:
  // One look at the connection, `waited` after the reply was handed over.
  // Whether the client has acknowledged the reply.
  bool IsAnswered(const TcpSocket& socket, const Traffic& traffic,
                  Duration waited) {
    if (!first_sent_) {
      first_sent_ = traffic.bytes_sent;
      we_spoke_last_ =
          traffic.bytes_sent > 0 && traffic.since_sent < traffic.since_received;
    }
    const bool sent = traffic.bytes_sent > *first_sent_ || we_spoke_last_ ||
                      (waited >= kLongestWrite && traffic.bytes_sent > 0 &&
                       traffic.since_sent <= waited + kTick);
    return sent && socket.unacknowledged == 0;
  }

 private:
  // An MTA writes what we hand it within a millisecond.
  static constexpr Duration kLongestWrite = std::chrono::milliseconds(100);
  static constexpr Duration kTick = std::chrono::milliseconds(5);

  std::optional<uint64_t> first_sent_;
  bool we_spoke_last_ = false;
};

}  // namespace breakwater
