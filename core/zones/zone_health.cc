#include "core/zones/zone_health.h"

#include <numeric>

#include "core/base/log.h"
#include "core/net/address.h"

namespace breakwater {
namespace {

constexpr auto kBetweenComplaints = std::chrono::minutes(1);

bool IsAnswer(ZoneOutcome outcome) {
  return outcome == ZoneOutcome::kListed || outcome == ZoneOutcome::kNotListed;
}

}  // namespace

uint64_t ZoneHealth::queries() const {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

uint64_t ZoneHealth::errors() const {
  uint64_t result = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (IsZoneFault(static_cast<ZoneOutcome>(i))) result += counts[i];
  }
  return result;
}

void ZoneWatch::Note(const ZoneAnswer& answer, Instant now) {
  ++health_.counts[static_cast<size_t>(answer.outcome)];
  health_.last = answer.outcome;
  if (IsAnswer(answer.outcome)) {
    if (owes_ok_) {
      owes_ok_ = false;
      Log(Severity::kInfo, "zone-ok")
          .Add("zone", health_.label)
          .Add("errors", health_.errors_in_a_row);
    }
    health_.errors_in_a_row = 0;
    health_.failing_since.reset();
    return;
  }
  if (!IsZoneFault(answer.outcome)) return;
  if (answer.outcome == ZoneOutcome::kOddAnswer &&
      !IsListsOwnWord(answer.address)) {
    // It answers, and whether it has gone astray a probe will find out.
    if (complained_odd_ && now - *complained_odd_ < kBetweenComplaints) return;
    complained_odd_ = now;
    Complain(answer);
    return;
  }
  if (++health_.errors_in_a_row == 1) health_.failing_since = now;
  if (complained_ && now - *complained_ < kBetweenComplaints) return;
  complained_ = now;
  owes_ok_ = true;
  Complain(answer);
}

void ZoneWatch::Complain(const ZoneAnswer& answer) {
  if (answer.outcome == ZoneOutcome::kOddAnswer) {
    Log(Severity::kWarning, "zone-odd-answer")
        .Add("zone", health_.label)
        .Add("answer", IpAddress::FromV4(answer.address).ToString());
    return;
  }
  Log(Severity::kWarning, "zone-error")
      .Add("zone", health_.label)
      .Add("outcome", ZoneOutcomeName(answer.outcome))
      .Add("in_a_row", health_.errors_in_a_row);
}

}  // namespace breakwater
