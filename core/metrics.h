#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "core/client.h"
#include "core/dns_answer.h"
#include "core/verdict.h"

namespace breakwater {

// What is counted, by the conventions of Prometheus: base units, `_total` on
// counters, never an address as a label. Any thread may count.
class Metrics {
 public:
  Metrics();

  prometheus::Counter& Verdicts(Front front, const Verdict& verdict);
  prometheus::Counter& DnsQueries(const std::string& label, DnsOutcome outcome);
  prometheus::Counter& CacheHits(const std::string& label);
  prometheus::Counter& Bans(const char* origin);
  prometheus::Counter& BadInput(const char* front);

  prometheus::Histogram& verdict_seconds;      // asked to known, when asked
  prometheus::Histogram& ban_applied_seconds;  // answered to in the kernel
  prometheus::Gauge& bans_in_force;
  prometheus::Gauge& cached_clients;
  prometheus::Gauge& dns_queries_in_flight;
  prometheus::Gauge& screenings_waiting;
  prometheus::Gauge& sessions;  // open ones that the milter knows
  prometheus::Gauge& enforcer_up;
  // The enforcer's own counts, as it reports them: "added", "destroyed" ...
  void SetEnforcerCount(const std::string& what, double value);

  // The text exposition format, version 0.0.4.
  std::string Render() const;

 private:
  explicit Metrics(std::shared_ptr<prometheus::Registry> registry);

  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& verdicts_;
  prometheus::Family<prometheus::Counter>& dns_queries_;
  prometheus::Family<prometheus::Counter>& cache_hits_;
  prometheus::Family<prometheus::Counter>& bans_;
  prometheus::Family<prometheus::Counter>& bad_input_;
  prometheus::Family<prometheus::Gauge>& enforcer_counts_;
};

}  // namespace breakwater
