#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// What is counted, by the conventions of Prometheus: base units, `_total` on
// counters, never an address as a label. Any thread may count.
//
// Finding a counter by its labels takes a lock and a map of strings. Verdicts
// is cheap; who asks for one of the others often keeps the reference, which is
// good as long as this lives.
class Metrics {
 public:
  Metrics();

  prometheus::Counter& Verdicts(Front front, const Verdict& verdict);
  // `type` and `outcome` as QuestionName and ZoneOutcomeName have them.
  prometheus::Counter& DnsQueries(const std::string& label, const char* type,
                                  const char* outcome);
  prometheus::Counter& CacheHits(const std::string& label);
  // 1 for the state that the zone is in, 0 for the others.
  prometheus::Gauge& ZoneState(const std::string& label, const char* family,
                               const char* state);
  // Not for those that the cache saved; `by` as SavingName has it.
  prometheus::Counter& DnsSaved(const std::string& label, const char* by);
  prometheus::Histogram& DnsSeconds(const std::string& label);
  prometheus::Gauge& QueriesToday(const std::string& label);
  prometheus::Gauge& DailyBudget(const std::string& label);
  prometheus::Counter& Bans(const char* origin);
  prometheus::Counter& BansWithheld(const char* why);
  prometheus::Counter& BadInput(const char* front);
  // By what came of them: "counted", "strikes" or "observed".
  prometheus::Counter& Offences(const char* kind, const char* effect);

  prometheus::Histogram& verdict_seconds;      // asked to known, when asked
  prometheus::Histogram& ban_applied_seconds;  // answered to in the kernel
  prometheus::Gauge& bans_in_force;
  prometheus::Gauge& brake_on;
  prometheus::Gauge& proxy_suspected;
  prometheus::Gauge& good_clients;  // with a good history
  prometheus::Gauge& offenders;     // with offences on record
  prometheus::Gauge& cached_clients;
  prometheus::Gauge& cached_names;
  prometheus::Gauge& dns_queries_in_flight;
  prometheus::Gauge& screenings_waiting;
  prometheus::Gauge& sessions;  // open ones that the milter knows
  prometheus::Gauge& enforcer_up;
  prometheus::Gauge& sets_without_rule;
  prometheus::Gauge& memory_up;  // what is known can be written
  prometheus::Counter& memory_lost_events;
  // The enforcer's own counts, as it reports them: "added", "destroyed" ...
  // They begin at zero again when it is restarted; the metric goes on.
  void SetEnforcerCount(const std::string& what, double value);

  // The text exposition format, version 0.0.4.
  std::string Render() const;

 private:
  explicit Metrics(std::shared_ptr<prometheus::Registry> registry);

  static constexpr size_t kFronts = static_cast<size_t>(Front::kOperator) + 1;
  static constexpr size_t kActions = static_cast<size_t>(Action::kReject) + 1;
  // The same again for what observe mode would have done.
  static constexpr size_t kReasons =
      static_cast<size_t>(Reason::kMayBeProtected) + 1;

  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& verdicts_;
  prometheus::Family<prometheus::Counter>& dns_queries_;
  prometheus::Family<prometheus::Counter>& cache_hits_;
  prometheus::Family<prometheus::Counter>& dns_saved_;
  prometheus::Family<prometheus::Histogram>& dns_seconds_;
  prometheus::Family<prometheus::Gauge>& queries_today_;
  prometheus::Family<prometheus::Gauge>& daily_budget_;
  prometheus::Family<prometheus::Gauge>& zone_states_;
  prometheus::Family<prometheus::Counter>& bans_;
  prometheus::Family<prometheus::Counter>& bans_withheld_;
  prometheus::Family<prometheus::Counter>& bad_input_;
  prometheus::Family<prometheus::Counter>& offences_;
  prometheus::Family<prometheus::Counter>& enforcer_events_;

  // Filled as they are first asked for.
  std::array<std::atomic<prometheus::Counter*>,
             kFronts * 2 * kActions * kReasons>
      verdict_counters_{};

  std::mutex mutex_;
  // What the enforcer reported last; guarded by mutex_.
  std::map<std::string, double> enforcer_counts_;
};

}  // namespace breakwater
