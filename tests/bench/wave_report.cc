#include "tests/bench/wave_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace breakwater {
namespace {

using Json = nlohmann::ordered_json;

double Rounded(double value) { return std::round(value * 100) / 100; }

void AddCounts(const Report& report, Json& line) {
  line["zombies_begun"] = report.zombies_begun;
  line["zombies_connected"] = report.zombies_connected;
  line["zombies_rejected"] = report.zombies_rejected;
  line["zombies_closed"] = report.zombies_closed;
  line["zombies_reset"] = report.zombies_reset;
  line["zombies_left"] = report.zombies_left;
  line["zombies_connect_timeout"] = report.zombies_connect_timeout;
  line["zombies_refused"] = report.zombies_refused;
  line["zombies_skipped"] = report.zombies_skipped;
  line["honest_sent"] = report.honest_sent;
  line["honest_delivered"] = report.honest_delivered;
  line["honest_failed"] = report.honest_failed;
  line["honest_waiting"] = report.honest_waiting_since.size();
  line["honest_retries"] = report.honest_retries;
}

}  // namespace

void Delays::Add(WaveClock::duration delay) {
  const float milliseconds =
      std::chrono::duration<float, std::milli>(delay).count();
  all_.push_back(milliseconds);
  interval_.push_back(milliseconds);
}

void Delays::Add(const Delays& others) {
  all_.insert(all_.end(), others.all_.begin(), others.all_.end());
}

double Delays::Percentile(std::vector<float> delays, double part) {
  if (delays.empty()) return 0;
  // The smallest one that `part` of all do not exceed.
  const auto rank =
      static_cast<size_t>(std::ceil(part * static_cast<double>(delays.size())));
  const auto at = delays.begin() +
                  static_cast<std::ptrdiff_t>(std::max<size_t>(rank, 1) - 1);
  std::nth_element(delays.begin(), at, delays.end());
  return Rounded(*at);
}

std::string Report::IntervalLine(double seconds) {
  Json line;
  line["event"] = "interval";
  line["second"] = Rounded(seconds);
  line["open"] = zombies_open + honest_open;
  line["zombies_open"] = zombies_open;
  line["zombies_waiting"] = zombies_waiting;
  AddCounts(*this, line);
  line["honest_delay_p50_ms"] = honest_delay.Interval(0.5);
  line["honest_delay_p99_ms"] = honest_delay.Interval(0.99);
  line["connect_to_closed_p50_ms"] = connect_to_closed.Interval(0.5);
  line["connect_to_closed_p99_ms"] = connect_to_closed.Interval(0.99);
  honest_delay.StartInterval();
  connect_to_closed.StartInterval();
  return line.dump();
}

Delays Report::HonestAges() const {
  Delays ages = honest_delay;
  ages.Add(honest_given_up);
  const WaveClock::time_point now = WaveClock::now();
  for (const WaveClock::time_point& since : honest_waiting_since) {
    ages.Add(now - since);
  }
  return ages;
}

std::string Report::SummaryLine(double seconds) const {
  Json line;
  line["event"] = "summary";
  line["seconds"] = Rounded(seconds);
  line["open_peak"] = open_peak;
  AddCounts(*this, line);
  line["honest_delay_p50_ms"] = honest_delay.All(0.5);
  line["honest_delay_p99_ms"] = honest_delay.All(0.99);
  line["honest_delay_max_ms"] = honest_delay.All(1);
  const Delays ages = HonestAges();
  line["honest_age_p50_ms"] = ages.All(0.5);
  line["honest_age_p99_ms"] = ages.All(0.99);
  line["honest_age_max_ms"] = ages.All(1);
  line["connect_to_closed_p50_ms"] = connect_to_closed.All(0.5);
  line["connect_to_closed_p99_ms"] = connect_to_closed.All(0.99);
  line["connect_to_closed_max_ms"] = connect_to_closed.All(1);
  line["reply_to"] = reply_to;
  line["reply"] = reply;
  // What a server said may be no UTF-8.
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace breakwater
