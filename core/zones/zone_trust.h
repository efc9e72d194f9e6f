#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/clock.h"
#include "core/zones/breaker.h"
#include "core/zones/hit_rate.h"
#include "core/zones/subject.h"
#include "core/zones/zone_answer.h"
#include "core/zones/zone_probe.h"

namespace breakwater {

// How far a zone is believed, for one family.
struct ZoneProof {
  ZoneStanding standing = ZoneStanding::kUnknown;
  std::optional<Instant> since;  // nothing while it is unknown
  std::string hint;              // what is wrong; empty when all is well
  bool believed = false;         // its listings count
};

// How far a zone is believed: only as long as it is proven to tell the truth.
//
// A probe proves it (zone_probe.h): at the start, every half an hour, and at
// once when there is doubt: an answer that no list can give, or REFUSED; a
// share of listed clients that has left all bounds (hit_rate.h), a hundred
// listings since the last proof. What was answered about one client is never
// enough to end belief: lists have codes for some of them, 127.0.0.1 for those
// that they know to be good, and the name may be the client's choice. Only
// 127.255.255.x, with which a list reports an error whomever it is asked about,
// does so at once, until a probe is good again. Who was found to list
// everything must have given good probes for ten minutes before it is believed
// again. A zone that does not answer is not asked (breaker.h); but that is no
// lie, and what it said before stays true.
//
// Families are believed apart. A list without IPv6 has no test entry there and
// is simply not asked; nothing is said about that. Of a list of domains there
// is one only; nothing about it is ever believed of an address.
//
// Who is not believed is not asked. Says in the log what changes:
//
//   event=zone-state zone=L family=ipv4 state=refused before=ok hint="..."
//   event=zone-doubt zone=L why=hit-rate share=0.97 past=0.81
//
// Pure but for that. Loop thread only.
class ZoneTrust {
 public:
  static constexpr Duration kProbePeriod = std::chrono::minutes(30);
  static constexpr Duration kProbation = std::chrono::minutes(10);
  // Who has not been believed for so long is not waited for any more.
  static constexpr Duration kAwaited = std::chrono::hours(14 * 24);
  // Between a probe that was not good and the next: it doubles.
  static constexpr Duration kFirstPause = std::chrono::seconds(1);
  static constexpr Duration kLongestPause = std::chrono::minutes(5);
  // Who is in trouble again sooner goes on with the pause that it had.
  static constexpr Duration kCalm = std::chrono::minutes(1);
  // While a zone that lied is on probation.
  static constexpr Duration kLongestProbationPause = std::chrono::minutes(1);
  // Between a good probe and one for an odd answer or for many listings. A hit
  // rate is no reason for doubt twice by itself: HitRate::Accept.
  static constexpr Duration kProofLasts = std::chrono::seconds(1);
  // It doubles, up to kLongestPause, each time that a probe was good after an
  // odd answer, so that a list which always answers some clients oddly is not
  // tested, and unable to ban, for each of them; until there was none for
  // kProbePeriod. An odd answer lists nobody, so that this can wait.
  static constexpr int kListingsForProof = 100;

  struct Options {
    std::string label;
    ZoneType type = ZoneType::kAddress;
    // Whether it must have a test entry. Without, a list that lists everything
    // is disbelieved all the same.
    bool strict = true;
    // Of the probes' period, so that not all hosts and zones ask at once.
    double spread = 1.0;
    // Believed without proof and whatever it does; never probed.
    bool blind = false;
  };
  // The first probe is due at once.
  ZoneTrust(Options options, Instant now);

  void SetStrict(bool strict, Instant now);

  // --- What comes in ---
  // An answer about a client. `others` are the other zones' rates.
  void Note(const ZoneAnswer& answer, absl::Span<const HitRate* const> others,
            Instant now);
  // A probe is on its way.
  void NoteProbing() { probing_ = true; }
  // It was asked at `asked`. The families for which the zone is found to list
  // everything, and was not before: what it said since `proven_at` is worth
  // nothing.
  struct Lie {
    Family family;
    Instant proven_at;
    bool was_believed;  // until now
  };
  std::vector<Lie> NoteProbe(const ZoneProbe& probe, Instant asked,
                             Instant now);

  // --- What it means ---
  bool MayBeAsked(Family family) const;
  bool MayCondemn(Family family) const;
  bool MayBan(Family family) const { return MayCondemn(family) && !doubt_; }
  // Whether it is known to list everything.
  bool IsLiar(Family family) const {
    return Of(family).standing == ZoneStanding::kListsEverything;
  }
  // Whether it is not believed, though it was not long ago, or is new: it may
  // yet be. A list without a test entry for a family has nothing to say of it.
  bool IsAwaited(Family family, Instant now) const;
  // Whether the first probe is in.
  bool is_probed() const { return probed_; }
  // When to probe; never while a probe is on its way.
  Instant probe_due() const;

  ZoneProof Proof(Family family) const;
  ZoneStanding standing(Family family) const { return Shown(Of(family)); }
  bool is_in_doubt() const { return doubt_; }
  // Since when it is in use, and when the last good probe was asked: what it
  // said since then is worth nothing should it lie now. Both as they were
  // before a restart, too.
  struct Proven {
    Instant since;
    std::optional<Instant> at;
  };
  const Proven& proven(Family family) const { return Of(family).proven; }
  void RestoreProof(Family family, const Proven& earlier);
  const HitRate& rate() const { return rate_; }

 private:
  struct Side {
    ZoneStanding standing = ZoneStanding::kUnknown;
    std::string hint;
    std::optional<Instant> since;
    Proven proven;
    std::optional<Instant> good_since;           // on probation
    ZoneStanding said = ZoneStanding::kUnknown;  // the log's last word
  };
  Side& Of(Family family) { return sides_[static_cast<size_t>(family)]; }
  const Side& Of(Family family) const {
    return sides_[static_cast<size_t>(family)];
  }
  bool IsGood(ZoneStanding standing) const;
  // What is shown: a zone that is not asked is unreachable.
  ZoneStanding Shown(const Side& side) const;

  absl::Span<const Family> families() const {
    return FamiliesOf(options_.type);
  }

  void Refuse(const std::string& hint, Instant now);
  void NoteOdd(const char* why, Instant now);
  void Doubt(const char* why, Instant now);
  bool Take(Side& side, const ProbeReading& reading, Instant asked,
            Instant now);
  void Set(Side& side, const ProbeReading& reading, Instant now);
  void Plan(Instant now);
  void ProbeAfterPause(Duration longest, Instant now);
  void Say();

  Options options_;
  std::array<Side, kFamilies> sides_;
  Breaker breaker_;
  std::optional<Instant> unreachable_since_;
  HitRate rate_;
  bool probed_ = false;
  bool probing_ = false;
  bool doubt_ = false;
  bool is_odd_ = false;  // the doubt is because of an odd answer
  Duration odd_pause_{};
  Instant odd_due_ = Instant::min();  // when such a doubt may be next
  int listings_ = 0;                  // since the last good probe
  Instant good_asked_ = Instant::min();
  Instant probe_due_;
  Duration pause_{};                   // the last one
  std::optional<Instant> good_since_;  // the last probe and those before it
};

}  // namespace breakwater
