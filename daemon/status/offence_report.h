#pragma once

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/screener/screener.h"
#include "daemon/reports/report_outcome.h"

namespace breakwater {

// What the operator is told of a client's offences: those on record, the rule
// that would strike next, how often it was banned and for how long it would be
// next. Null for "next" if no rule is waiting for more.
//
//   {"on_record": [{"kind": "relay", "count": 2, "after": 3, "last": ...}],
//    "next": {"kind": "relay", "missing": 1},
//    "banned": 1, "next_ban_seconds": 1200}
nlohmann::json DescribeConduct(const Screener& screener, const Rules& rules,
                               const IpAddress& client, Instant now);

// What came of a report, as the control socket answers.
nlohmann::json DescribeReport(const absl::StatusOr<ReportOutcome>& outcome,
                              const IpAddress& client, Instant now);

}  // namespace breakwater
