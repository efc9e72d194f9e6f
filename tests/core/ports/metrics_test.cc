#include "core/ports/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace breakwater {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(MetricsTest, CountsVerdictsByFrontActionAndReason) {
  Metrics metrics;
  const Verdict listed{.action = Action::kReject, .reason = Reason::kListed};
  metrics.Verdicts(Front::kPolicy, listed).Increment();
  metrics.Verdicts(Front::kPolicy, listed).Increment();
  metrics.Verdicts(Front::kMilter, {}).Increment();
  const std::string text = metrics.Render();
  EXPECT_THAT(text, HasSubstr("breakwater_verdicts_total{action=\"reject\","
                              "front=\"policy\",reason=\"listed\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("breakwater_verdicts_total{action=\"pass\","
                              "front=\"milter\",reason=\"clean\"} 1\n"));
}

TEST(MetricsTest, EqualLabelsAreOneCounter) {
  Metrics metrics;
  EXPECT_EQ(&metrics.Verdicts(Front::kMilter, {}),
            &metrics.Verdicts(Front::kMilter, {}));
  EXPECT_NE(&metrics.Verdicts(Front::kMilter, {}),
            &metrics.Verdicts(Front::kPolicy, {}));
  EXPECT_EQ(&metrics.CacheHits("list"), &metrics.CacheHits("list"));
}

TEST(MetricsTest, NamesEachThingThatIsCounted) {
  Metrics metrics;
  metrics.DnsQueries("list", "txt", "timeout").Increment();
  metrics.DnsQueries("list", "probe", "listed").Increment();
  metrics.DnsSaved("list", "joined").Increment(4);
  metrics.DnsSeconds("list").Observe(0.002);
  metrics.QueriesToday("list").Set(12);
  metrics.DailyBudget("list").Set(300'000);
  metrics.CacheHits("list").Increment(3);
  metrics.Bans("operator").Increment();
  metrics.BadInput("policy").Increment();
  metrics.verdict_seconds.Observe(0.02);
  metrics.ban_applied_seconds.Observe(0.0007);
  metrics.bans_in_force.Set(7);
  const std::string text = metrics.Render();
  for (const char* line : {
           "breakwater_dns_queries_total{outcome=\"timeout\",type=\"txt\","
           "zone=\"list\"} 1\n",
           "breakwater_dns_queries_total{outcome=\"listed\",type=\"probe\","
           "zone=\"list\"} 1\n",
           "breakwater_dns_saved_total{by=\"joined\",zone=\"list\"} 4\n",
           "breakwater_dns_seconds_bucket{zone=\"list\",le=\"0.0025\"} 1\n",
           "breakwater_zone_queries_today{zone=\"list\"} 12\n",
           "breakwater_zone_daily_budget{zone=\"list\"} 300000\n",
           "breakwater_dns_cache_hits_total{zone=\"list\"} 3\n",
           "breakwater_bans_total{origin=\"operator\"} 1\n",
           "breakwater_bad_input_total{front=\"policy\"} 1\n",
           "breakwater_verdict_seconds_bucket{le=\"0.025\"} 1\n",
           "breakwater_verdict_seconds_bucket{le=\"0.01\"} 0\n",
           "breakwater_ban_applied_seconds_bucket{le=\"0.001\"} 1\n",
           "breakwater_bans 7\n",
           "breakwater_cached_clients 0\n",
           "breakwater_dns_queries_in_flight 0\n",
           "breakwater_screenings_waiting 0\n",
           "breakwater_milter_sessions 0\n",
           "breakwater_enforcer_up 0\n",
           "breakwater_build_info{version=\"" BREAKWATER_VERSION "\"} 1\n",
           "# TYPE breakwater_verdict_seconds histogram\n",
           "# HELP breakwater_bans Bans that are in force.\n",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(MetricsTest, TheEnforcersCountsGoOnWhenItIsRestarted) {
  Metrics metrics;
  metrics.SetEnforcerCount("added", 10);
  metrics.SetEnforcerCount("added", 12);
  metrics.SetEnforcerCount("added", 3);  // began again
  metrics.SetEnforcerCount("added", 3);
  EXPECT_THAT(
      metrics.Render(),
      HasSubstr("breakwater_enforcer_events_total{event=\"added\"} 15\n"));
}

TEST(MetricsTest, AnyThreadMayCount) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        metrics.Verdicts(Front::kPolicy, {}).Increment();
        metrics.BadInput("milter").Increment();
      }
      metrics.Render();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics.Verdicts(Front::kPolicy, {}).Value(), 4000);
  EXPECT_EQ(metrics.BadInput("milter").Value(), 4000);
}

}  // namespace
}  // namespace breakwater
