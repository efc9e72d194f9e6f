#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "core/bans/ban_table.h"
#include "core/base/clock.h"
#include "core/screener/screener.h"
#include "core/types/ban.h"
#include "core/types/offence.h"
#include "daemon/protocol/report_request.h"

namespace breakwater {

// What came of a report.
struct ReportOutcome {
  enum class Effect : uint8_t {
    kCounted,   // on record, and not yet enough
    kObserved,  // enough, were the offence or the mode not "observe"
    kStruck,    // enough; banned, if a ban is in force now
    kWithheld,  // enough, and yet not banned: `withheld` says why
    kBanned,    // a ban was in force already; not counted
  };
  Effect effect = Effect::kCounted;
  OffenceKind kind = OffenceKind::kReported;
  // How many of the kind count, that one among them, and from how many on they
  // strike.
  uint32_t count = 0;
  uint32_t after = 0;
  const char* withheld = "";  // as WithheldName has it
  std::string id;             // empty if nothing was decided
  std::optional<Ban> ban;     // in force now
};

const char* EffectName(ReportOutcome::Effect effect);  // "counted", ...

// Tells the screener. An error if the kind is off or the client is not judged.
// Loop thread; what it refers to must outlive it.
asio::awaitable<absl::StatusOr<ReportOutcome>> TakeReport(
    Screener& screener, const BanTable& bans, ReportRequest request);

// As the report socket answers, without a newline: "ok ..." or "error ...".
std::string ReportAnswer(const absl::StatusOr<ReportOutcome>& outcome,
                         Instant now);

}  // namespace breakwater
