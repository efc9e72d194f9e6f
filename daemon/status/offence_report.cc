#include "daemon/status/offence_report.h"

#include <chrono>
#include <cstdint>

#include "daemon/status/operator_report.h"

namespace breakwater {

using nlohmann::json;

json DescribeConduct(const Screener& screener, const Rules& rules,
                     const IpAddress& client, Instant now) {
  const Network who = Network::OfClient(client);
  json on_record = json::array();
  json next = nullptr;
  uint32_t least = UINT32_MAX;
  for (const OffenceBook::Record& record :
       screener.conduct().book().Find(who, rules.offences, now)) {
    const OffenceRule& rule = rules.offences[record.kind];
    on_record.push_back({{"kind", OffenceName(record.kind)},
                         {"count", record.count},
                         {"after", rule.after},
                         {"last", WallTime(record.last, now)}});
    if (rule.mode != OffenceMode::kOn) continue;
    // One that has struck does so again with the next.
    const uint32_t missing =
        record.count < rule.after ? rule.after - record.count : 1;
    if (missing >= least) continue;
    least = missing;
    next = {{"kind", OffenceName(record.kind)}, {"missing", missing}};
  }
  const Duration next_ban =
      screener.growth().Next(who, rules.ban_duration, 0, now);
  return {{"on_record", std::move(on_record)},
          {"next", std::move(next)},
          {"banned", screener.growth().Times(who, now)},
          {"next_ban_seconds", next_ban.count() / 1000}};
}

json DescribeReport(const absl::StatusOr<ReportOutcome>& outcome,
                    const IpAddress& client, Instant now) {
  if (!outcome.ok()) {
    return {{"ok", false}, {"error", std::string(outcome.status().message())}};
  }
  json answer = {{"ok", true},
                 {"address", client.ToString()},
                 {"offence", OffenceName(outcome->kind)},
                 {"effect", EffectName(outcome->effect)},
                 {"count", outcome->count},
                 {"after", outcome->after},
                 {"withheld", nullptr},
                 {"id", outcome->id},
                 {"ban", nullptr}};
  if (outcome->effect == ReportOutcome::Effect::kWithheld) {
    answer["withheld"] = outcome->withheld;
  }
  if (outcome->ban) answer["ban"] = DescribeBan(*outcome->ban, now);
  return answer;
}

}  // namespace breakwater
