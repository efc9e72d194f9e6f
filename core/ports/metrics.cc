#include "core/ports/metrics.h"

#include <prometheus/text_serializer.h>

#include <utility>

namespace breakwater {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using prometheus::Registry;

Family<Counter>& Counters(Registry& registry, const char* name,
                          const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

Family<Gauge>& Gauges(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

Gauge& OneGauge(Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

Counter& OneCounter(Registry& registry, const char* name, const char* help) {
  return Counters(registry, name, help).Add({});
}

Histogram& OneHistogram(Registry& registry, const char* name, const char* help,
                        const Histogram::BucketBoundaries& boundaries) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add({}, boundaries);
}

}  // namespace

Metrics::Metrics() : Metrics(std::make_shared<Registry>()) {}

Metrics::Metrics(std::shared_ptr<Registry> registry)
    : verdict_seconds(OneHistogram(
          *registry, "breakwater_verdict_seconds",
          "From a front's question to the verdict, where lists were asked.",
          {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
           1.5, 2.5})),
      ban_applied_seconds(OneHistogram(
          *registry, "breakwater_ban_applied_seconds",
          "From the answer handed to the MTA to the address in the kernel.",
          {0.0001, 0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01,
           0.025, 0.1, 0.5, 2.5})),
      bans_in_force(
          OneGauge(*registry, "breakwater_bans", "Bans that are in force.")),
      brake_on(OneGauge(*registry, "breakwater_brake_on",
                        "Whether lists may ban nobody: 1 or 0.")),
      proxy_suspected(OneGauge(*registry, "breakwater_proxy_suspected",
                               "1 while all clients seem to come through a "
                               "proxy.")),
      good_clients(OneGauge(*registry, "breakwater_good_clients",
                            "Clients that have a good history.")),
      offenders(OneGauge(*registry, "breakwater_offenders",
                         "Clients that have offences on record.")),
      cached_clients(OneGauge(*registry, "breakwater_cached_clients",
                              "Clients about whom answers of lists are kept.")),
      cached_names(OneGauge(*registry, "breakwater_cached_names",
                            "Names about which answers of lists are kept.")),
      dns_queries_in_flight(OneGauge(*registry,
                                     "breakwater_dns_queries_in_flight",
                                     "DNS questions not answered yet.")),
      screenings_waiting(OneGauge(*registry, "breakwater_screenings_waiting",
                                  "Clients whose verdict is awaited.")),
      sessions(OneGauge(*registry, "breakwater_milter_sessions",
                        "SMTP sessions that the milter knows to be open.")),
      enforcer_up(OneGauge(*registry, "breakwater_enforcer_up",
                           "Whether the enforcer is there: 1 or 0.")),
      sets_without_rule(OneGauge(*registry, "breakwater_sets_without_rule",
                                 "Sets of bans whose clients no rule of the "
                                 "firewall drops.")),
      memory_up(OneGauge(*registry, "breakwater_memory_up",
                         "Whether what is known can be written: 1 or 0.")),
      memory_lost_events(OneCounter(
          *registry, "breakwater_memory_lost_events_total",
          "Events that could not be written, and are in no history.")),
      registry_(std::move(registry)),
      verdicts_(Counters(*registry_, "breakwater_verdicts_total",
                         "Verdicts given to a front.")),
      dns_queries_(Counters(*registry_, "breakwater_dns_queries_total",
                            "Questions to a DNS list, by what came of them.")),
      cache_hits_(Counters(*registry_, "breakwater_dns_cache_hits_total",
                           "Answers of a DNS list taken from the cache.")),
      dns_saved_(Counters(*registry_, "breakwater_dns_saved_total",
                          "Questions to a DNS list that were not needed.")),
      dns_seconds_(prometheus::BuildHistogram()
                       .Name("breakwater_dns_seconds")
                       .Help("From a question to a DNS list to its end.")
                       .Register(*registry_)),
      queries_today_(Gauges(*registry_, "breakwater_zone_queries_today",
                            "Questions to a DNS list since midnight, UTC.")),
      daily_budget_(Gauges(*registry_, "breakwater_zone_daily_budget",
                           "Questions that a DNS list may be asked a day.")),
      zone_states_(prometheus::BuildGauge()
                       .Name("breakwater_zone_state")
                       .Help("What a DNS list was found to be: 1 or 0.")
                       .Register(*registry_)),
      bans_(Counters(*registry_, "breakwater_bans_total", "Bans imposed.")),
      bans_withheld_(Counters(*registry_, "breakwater_bans_withheld_total",
                              "Condemned clients that were refused only.")),
      bad_input_(Counters(*registry_, "breakwater_bad_input_total",
                          "Input that no front could read.")),
      offences_(Counters(*registry_, "breakwater_offences_total",
                         "What clients did, by what came of it.")),
      enforcer_events_(Counters(*registry_, "breakwater_enforcer_events_total",
                                "What the enforcer says that it has done.")) {
  prometheus::BuildGauge()
      .Name("breakwater_build_info")
      .Help("Which program this is; always 1.")
      .Register(*registry_)
      .Add({{"version", BREAKWATER_VERSION}})
      .Set(1);
}

Counter& Metrics::Verdicts(Front front, const Verdict& verdict) {
  const size_t action = verdict.would
                            ? kActions + static_cast<size_t>(*verdict.would)
                            : static_cast<size_t>(verdict.action);
  const size_t index =
      (static_cast<size_t>(front) * 2 * kActions + action) * kReasons +
      static_cast<size_t>(verdict.reason);
  std::atomic<Counter*>& place = verdict_counters_[index];
  Counter* counter = place.load(std::memory_order_acquire);
  if (counter == nullptr) {
    // Two threads that come here at once are given the same counter.
    counter =
        &verdicts_.Add({{"front", FrontName(front)},
                        {"action", verdict.would ? WouldName(*verdict.would)
                                                 : ActionName(verdict.action)},
                        {"reason", ReasonName(verdict.reason)}});
    place.store(counter, std::memory_order_release);
  }
  return *counter;
}

Counter& Metrics::DnsQueries(const std::string& label, const char* type,
                             const char* outcome) {
  return dns_queries_.Add(
      {{"zone", label}, {"type", type}, {"outcome", outcome}});
}

Gauge& Metrics::ZoneState(const std::string& label, const char* family,
                          const char* state) {
  return zone_states_.Add(
      {{"zone", label}, {"family", family}, {"state", state}});
}

Counter& Metrics::CacheHits(const std::string& label) {
  return cache_hits_.Add({{"zone", label}});
}

Counter& Metrics::DnsSaved(const std::string& label, const char* by) {
  return dns_saved_.Add({{"zone", label}, {"by", by}});
}

Histogram& Metrics::DnsSeconds(const std::string& label) {
  static const Histogram::BucketBoundaries kBoundaries = {
      0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
  return dns_seconds_.Add({{"zone", label}}, kBoundaries);
}

Gauge& Metrics::QueriesToday(const std::string& label) {
  return queries_today_.Add({{"zone", label}});
}

Gauge& Metrics::DailyBudget(const std::string& label) {
  return daily_budget_.Add({{"zone", label}});
}

Counter& Metrics::Bans(const char* origin) {
  return bans_.Add({{"origin", origin}});
}

Counter& Metrics::BansWithheld(const char* why) {
  return bans_withheld_.Add({{"why", why}});
}

Counter& Metrics::BadInput(const char* front) {
  return bad_input_.Add({{"front", front}});
}

Counter& Metrics::Offences(const char* kind, const char* effect) {
  return offences_.Add({{"kind", kind}, {"effect", effect}});
}

void Metrics::SetEnforcerCount(const std::string& what, double value) {
  const std::lock_guard lock(mutex_);
  double& last = enforcer_counts_[what];
  const double more = value >= last ? value - last : value;
  last = value;
  enforcer_events_.Add({{"event", what}}).Increment(more);
}

std::string Metrics::Render() const {
  return prometheus::TextSerializer().Serialize(registry_->Collect());
}

}  // namespace breakwater
