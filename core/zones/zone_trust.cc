#include "core/zones/zone_trust.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/log.h"

namespace breakwater {
namespace {

bool IsFailure(ZoneOutcome outcome) {
  return IsZoneFault(outcome) && outcome != ZoneOutcome::kOddAnswer &&
         outcome != ZoneOutcome::kRefused;
}

bool IsAnswer(ZoneOutcome outcome) {
  return outcome == ZoneOutcome::kListed || outcome == ZoneOutcome::kNotListed;
}

}  // namespace

ZoneTrust::ZoneTrust(Options options, Instant now)
    : options_(std::move(options)),
      probed_(options_.blind),
      probe_due_(options_.blind ? Instant::max() : now) {
  for (Side& side : sides_) side.proven.since = now;
  if (!options_.blind) return;
  for (const Family family : families()) {
    Side& side = Of(family);
    side.standing = side.said = ZoneStanding::kOk;
    side.since = now;
  }
}

void ZoneTrust::SetStrict(bool strict, Instant now) {
  if (std::exchange(options_.strict, strict) == strict) return;
  if (options_.blind) return;
  probe_due_ = now;
}

// ---- What comes in ---------------------------------------------------------

void ZoneTrust::Note(const ZoneAnswer& answer,
                     absl::Span<const HitRate* const> others, Instant now) {
  if (options_.blind) return;
  if (answer.outcome == ZoneOutcome::kRefused) {
    NoteOdd("refused", now);
    return;
  }
  if (answer.outcome == ZoneOutcome::kOddAnswer) {
    if (IsListsOwnWord(answer.address)) {
      Refuse(ErrorCodeHint(answer.address).value_or(""), now);
    } else {
      NoteOdd("odd-answer", now);
    }
    return;
  }
  if (IsFailure(answer.outcome)) {
    const bool was_open = breaker_.is_open();
    breaker_.Note(true, now);
    if (breaker_.is_open() && !was_open) {
      unreachable_since_ = now;
      Say();
    }
    return;
  }
  if (!IsAnswer(answer.outcome)) return;
  breaker_.Note(false, now);
  const bool listed = answer.outcome == ZoneOutcome::kListed;
  rate_.Note(listed, now);
  if (listed && ++listings_ >= kListingsForProof &&
      now >= good_asked_ + kProofLasts) {
    probe_due_ = std::min(probe_due_, now);
  }
  if (IsDoubtful(rate_, others)) Doubt("hit-rate", now);
}

void ZoneTrust::Refuse(const std::string& hint, Instant now) {
  bool news = false;
  for (Side& side : sides_) {
    if (!IsGood(side.standing)) continue;
    Set(side, {ZoneStanding::kRefused, hint}, now);
    news = true;
  }
  if (!news) return;
  ProbeAfterPause(kLongestPause, now);
  Say();
}

void ZoneTrust::NoteOdd(const char* why, Instant now) {
  if (doubt_ || now < std::max(odd_due_, good_asked_ + kProofLasts)) return;
  if (now >= odd_due_ + kProbePeriod) odd_pause_ = Duration();
  is_odd_ = true;
  Doubt(why, now);
}

void ZoneTrust::Doubt(const char* why, Instant now) {
  if (doubt_) return;
  doubt_ = true;
  probe_due_ = now;
  Log(Severity::kWarning, "zone-doubt")
      .Add("zone", options_.label)
      .Add("why", why)
      .Add("share", absl::StrFormat("%.2f", rate_.recent()))
      .Add("past", absl::StrFormat("%.2f", rate_.past()));
}

std::vector<ZoneTrust::Lie> ZoneTrust::NoteProbe(const ZoneProbe& probe,
                                                 Instant asked, Instant now) {
  probing_ = false;
  probed_ = true;
  if (probe.silent && !breaker_.is_open()) {
    breaker_.Open(now);
    unreachable_since_ = now;
  } else {
    breaker_.NoteProbe(!probe.silent, now);
  }
  if (!breaker_.is_open()) unreachable_since_.reset();

  std::vector<Lie> lies;
  bool is_good = false;
  bool is_read = false;     // it says something about some family,
  bool is_missing = false;  // but nothing about one that was believed
  for (const Family family : families()) {
    Side& side = Of(family);
    const ProbeReading& reading = probe.of(family);
    const bool is_silent = reading.standing == ZoneStanding::kUnknown ||
                           reading.standing == ZoneStanding::kUnreachable;
    const bool was_believed = IsGood(side.standing);
    is_read = is_read || !is_silent;
    is_missing = is_missing || (is_silent && was_believed);
    const Instant proven_at = side.proven.at.value_or(Instant::min());
    if (Take(side, reading, asked, now)) {
      lies.push_back({family, proven_at, was_believed});
    }
    is_good = is_good || IsGood(reading.standing);
  }
  if (is_read && !is_missing) {
    doubt_ = false;
    listings_ = 0;
    if (std::exchange(is_odd_, false) && is_good) {
      odd_pause_ =
          std::clamp<Duration>(2 * odd_pause_, kProofLasts, kLongestPause);
      odd_due_ = asked + odd_pause_;
    }
    if (is_good) {
      good_asked_ = asked;
      rate_.Accept();
    }
  }
  Plan(now);
  Say();
  return lies;
}

// Whether the zone is found to lie, and was not before.
bool ZoneTrust::Take(Side& side, const ProbeReading& reading, Instant asked,
                     Instant now) {
  switch (reading.standing) {
    case ZoneStanding::kUnknown:
    case ZoneStanding::kUnreachable:
      // That says nothing about the truth, but maybe why nothing is proven.
      if (side.standing == ZoneStanding::kUnknown) side.hint = reading.hint;
      return false;
    case ZoneStanding::kListsEverything: {
      // Whatever it was: before it refused us, or we were restarted, it may
      // have been believed.
      const bool is_news = side.standing != ZoneStanding::kListsEverything;
      side.good_since.reset();
      Set(side, reading, now);
      return is_news;
    }
    case ZoneStanding::kRefused:
      side.good_since.reset();
      // It stays a liar until it has proven the contrary.
      if (side.standing != ZoneStanding::kListsEverything) {
        Set(side, reading, now);
      }
      return false;
    case ZoneStanding::kOk:
    case ZoneStanding::kNoTestEntry:
      break;
  }
  if (side.standing == ZoneStanding::kListsEverything) {
    if (!side.good_since) side.good_since = now;
    if (now < *side.good_since + kProbation) return false;
  }
  side.good_since.reset();
  if (IsGood(reading.standing)) side.proven.at = asked;
  Set(side, reading, now);
  return false;
}

void ZoneTrust::Set(Side& side, const ProbeReading& reading, Instant now) {
  side.hint = reading.hint;
  if (std::exchange(side.standing, reading.standing) == reading.standing) {
    return;
  }
  side.since = now;
}

// When to probe next.
void ZoneTrust::Plan(Instant now) {
  const auto any = [this](auto is_so) {
    return std::ranges::any_of(
        families(), [&](Family family) { return is_so(Of(family).standing); });
  };
  if (any([](ZoneStanding standing) {
        return standing == ZoneStanding::kListsEverything;
      })) {
    ProbeAfterPause(kLongestProbationPause, now);
  } else if (doubt_ ||
             !any([this](ZoneStanding standing) { return IsGood(standing); })) {
    ProbeAfterPause(kLongestPause, now);
  } else {
    if (!good_since_) good_since_ = now;
    probe_due_ = now + std::chrono::duration_cast<Clock::duration>(
                           kProbePeriod * options_.spread);
  }
}

void ZoneTrust::ProbeAfterPause(Duration longest, Instant now) {
  // Who is in trouble again so soon goes on with the pause that it had.
  if (good_since_ && now >= *good_since_ + kCalm) pause_ = Duration();
  good_since_.reset();
  pause_ = std::clamp<Duration>(2 * pause_, kFirstPause, longest);
  probe_due_ = now + pause_;
}

// ---- What it means ---------------------------------------------------------

bool ZoneTrust::IsGood(ZoneStanding standing) const {
  return standing == ZoneStanding::kOk ||
         (standing == ZoneStanding::kNoTestEntry && !options_.strict);
}

bool ZoneTrust::MayCondemn(Family family) const {
  return IsGood(Of(family).standing);
}

bool ZoneTrust::IsAwaited(Family family, Instant now) const {
  const Side& side = Of(family);
  if (IsGood(side.standing)) return false;
  if (side.standing == ZoneStanding::kNoTestEntry && !side.proven.at) {
    return false;
  }
  const Instant last = side.proven.at.value_or(side.proven.since);
  return now < last + kAwaited;
}

bool ZoneTrust::MayBeAsked(Family family) const {
  return MayCondemn(family) && !breaker_.is_open();
}

void ZoneTrust::RestoreProof(Family family, const Proven& earlier) {
  Proven& proven = Of(family).proven;
  proven.since = std::min(proven.since, earlier.since);
  if (!proven.at) proven.at = earlier.at;
}

Instant ZoneTrust::probe_due() const {
  if (probing_) return Instant::max();
  return breaker_.is_open() ? breaker_.probe_due() : probe_due_;
}

ZoneStanding ZoneTrust::Shown(const Side& side) const {
  return breaker_.is_open() ? ZoneStanding::kUnreachable : side.standing;
}

ZoneProof ZoneTrust::Proof(Family family) const {
  const Side& side = Of(family);
  ZoneProof proof{.standing = Shown(side),
                  .since = breaker_.is_open() ? unreachable_since_ : side.since,
                  .hint = side.hint,
                  .believed = MayCondemn(family)};
  if (proof.standing == ZoneStanding::kUnreachable) {
    proof.hint = "it does not answer and is asked for a probe only";
  } else if (proof.standing == ZoneStanding::kNoTestEntry && proof.believed) {
    proof.hint =
        absl::StrCat(family == Family::kDomain ? "TEST" : "127.0.0.2",
                     " is not listed: nothing proves that it is not empty");
  } else if (side.good_since) {
    proof.hint =
        "it has listed everything; it is believed when its probes "
        "have been good for ten minutes";
  }
  return proof;
}

void ZoneTrust::Say() {
  for (const Family family : families()) {
    Side& side = Of(family);
    const ZoneStanding now = Shown(side);
    const ZoneStanding before = std::exchange(side.said, now);
    if (now == before) continue;
    // Nobody expects IPv6 of a list, nor IPv4 of one that has IPv6: only who
    // has had it can lose it.
    const auto matters = [](ZoneStanding standing) {
      return standing == ZoneStanding::kOk ||
             standing == ZoneStanding::kListsEverything;
    };
    const bool is_spare =
        family == Family::kIpv6 ||
        (family == Family::kIpv4 && now == ZoneStanding::kNoTestEntry &&
         Shown(Of(Family::kIpv6)) == ZoneStanding::kOk);
    if (is_spare && !matters(now) && !matters(before)) continue;
    Log(now == ZoneStanding::kOk ? Severity::kInfo : Severity::kWarning,
        "zone-state")
        .Add("zone", options_.label)
        .Add("family", FamilyName(family))
        .Add("state", ZoneStandingName(now))
        .Add("before", ZoneStandingName(before))
        .Add("hint", Proof(family).hint);
  }
}

}  // namespace breakwater
