#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "tests/bench/wave_connection.h"

namespace breakwater {

// Milliseconds, of all there were and of those since the last interval.
class Delays {
 public:
  void Add(WaveClock::duration delay);
  void StartInterval() { interval_.clear(); }

  void Add(const Delays& others);
  // 0 when there were none.
  double All(double part) const { return Percentile(all_, part); }
  double Interval(double part) const { return Percentile(interval_, part); }

 private:
  static double Percentile(std::vector<float> delays, double part);

  std::vector<float> all_;
  std::vector<float> interval_;
};

// What the clients saw, told as one line of JSON: flat, so that a shell can
// read it too.
struct Report {
  // Zombies. Each session that was begun ends in one of the others.
  uint64_t zombies_begun = 0;
  uint64_t zombies_connected = 0;
  uint64_t zombies_rejected = 0;         // were told a 5xx
  uint64_t zombies_closed = 0;           // the server closed
  uint64_t zombies_reset = 0;            // the socket was destroyed
  uint64_t zombies_left = 0;             // sat to the end of their time
  uint64_t zombies_connect_timeout = 0;  // their SYN got no answer
  uint64_t zombies_refused = 0;
  uint64_t zombies_skipped = 0;  // there were too many already
  uint64_t zombies_open = 0;     // now, as the client sees it
  uint64_t zombies_waiting = 0;  // now, for a connection
  uint64_t open_peak = 0;
  Delays connect_to_closed;

  // Honest mail. Each one sent is delivered, failed or waiting.
  uint64_t honest_sent = 0;
  uint64_t honest_delivered = 0;
  uint64_t honest_failed = 0;
  uint64_t honest_retries = 0;
  uint64_t honest_open = 0;
  Delays honest_delay;  // of the delivered
  Delays honest_given_up;
  std::multiset<WaveClock::time_point> honest_waiting_since;

  // The first 5xx that a zombie got, and who that was.
  std::string reply;
  std::string reply_to;

  std::string IntervalLine(double seconds);
  std::string SummaryLine(double seconds) const;

 private:
  // Of all mail that was sent: how long it took, or has taken so far.
  Delays HonestAges() const;
};

}  // namespace breakwater
