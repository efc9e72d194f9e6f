#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/zones/zone_answer.h"
#include "core/zones/zone_trust.h"

namespace breakwater {

// Of whom a zone is not asked any more on that day, though it may be of others.
struct HeldShare {
  Network network;
  uint64_t share = 0;     // the questions that it has had
  uint64_t withheld = 0;  // and those that it has not, of all such networks
  Instant last;
};

// How a zone has answered since the start, for `breakwater status`.
struct ZoneHealth {
  std::string label;
  std::array<uint64_t, kZoneOutcomes> counts{};  // by ZoneOutcome
  ZoneOutcome last = ZoneOutcome::kNotListed;
  // Since when each answer has been an error; nothing while it answers.
  std::optional<Instant> failing_since;
  uint64_t errors_in_a_row = 0;
  // How far it is believed; not ZoneWatch's to fill. Of a type's families.
  ZoneType type = ZoneType::kAddress;
  ZoneProof ipv4;
  ZoneProof ipv6;
  ZoneProof domain;
  bool in_doubt = false;    // its listings do not ban until a probe is in
  double listed_share = 0;  // of the clients, lately
  // Questions a day; nor are these ZoneWatch's. 0: no limit.
  uint64_t daily_budget = 0;
  bool is_spent = false;
  std::optional<HeldShare> held;

  uint64_t count(ZoneOutcome outcome) const {
    return counts[static_cast<size_t>(outcome)];
  }
  // A list has IPv4, unless all that it has is IPv6.
  bool has_only_ipv6() const {
    return ipv4.standing == ZoneStanding::kNoTestEntry &&
           ipv6.standing == ZoneStanding::kOk;
  }
  // Of the family for which it is there.
  const ZoneProof& proof() const {
    if (type == ZoneType::kDomain) return domain;
    return has_only_ipv6() ? ipv6 : ipv4;
  }
  uint64_t queries() const;
  uint64_t errors() const;  // the zone's own faults
};

// Keeps a zone's health and says in the log when it changes:
//
//   event=zone-error zone=LABEL outcome=timeout in_a_row=3
//   event=zone-odd-answer zone=LABEL answer=127.255.255.254
//   event=zone-ok zone=LABEL errors=17
//
// A zone that fails says so once in a while only, not for each client. Loop
// thread only.
class ZoneWatch {
 public:
  explicit ZoneWatch(std::string label) { health_.label = std::move(label); }

  void Note(const ZoneAnswer& answer, Instant now);
  const ZoneHealth& health() const { return health_; }

 private:
  void Complain(const ZoneAnswer& answer);

  ZoneHealth health_;
  std::optional<Instant> complained_;
  std::optional<Instant> complained_odd_;  // of an odd answer about a client
  bool owes_ok_ = false;  // the log's last word was a complaint
};

}  // namespace breakwater
