#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/width.h"
#include "core/rules/conduct_rules.h"
#include "core/rules/zone.h"
#include "core/types/offence.h"

namespace breakwater {

inline constexpr char kDefaultReplyTemplate[] =
    "Client {client} is listed by {list}{reason} [id {id}]";
inline constexpr char kDefaultNameReplyTemplate[] =
    "The name {name} is listed by {list}{reason} [id {id}]";

// How bans of the same client grow. Without a factor they all have one length.
struct GrowthRules {
  int factor = 1;                                // of each to the one before
  Duration ceiling = std::chrono::hours(24);     // no ban grows beyond it
  Duration forget = std::chrono::hours(7 * 24);  // since the last one ended
  // A ban may be up to so much longer, by chance, so that those of one wave do
  // not all end together.
  int jitter_percent = 0;
  // But the first of a client is exactly as long as asked for: only such bans
  // can be extended by a hit (ip_sets.h).
  bool exact_first = false;
  size_t clients = 200'000;  // remembered at most
};

// Beyond what lists are no longer believed with a ban.
struct BrakeRules {
  static constexpr size_t kLastCondemned = 200;

  // Bans in a minute: whichever of the two is more. The floor is for waves: a
  // thousand new addresses in a second are 60,000 in a minute, and what
  // Breakwater is for. Lists that suddenly hold everybody show in the other
  // ceiling long before.
  uint32_t bans_per_minute = 100'000;
  uint32_t times_busiest = 4;  // of the past week's minutes
  // Of the kLastCondemned clients that were condemned last, those with a good
  // history: more than this share, and at least that many.
  uint32_t good_percent = 5;
  uint32_t good_clients = 10;
  // How long it must have been less, until bans are imposed again.
  Duration release = std::chrono::minutes(5);
};

// Whose mail is remembered, for how long, and what it is good for.
struct HistoryRules {
  size_t clients = 100'000;  // at most, a quarter of them on probation
  // How long a client must have been known before it counts as good: longer
  // than lists take to learn of a new zombie.
  Duration probation = std::chrono::hours(6);
  Duration half_life = std::chrono::hours(3 * 24);
  Duration keep = std::chrono::hours(14 * 24);  // since its last mail
  // After a rejection without a ban, how long the next one bans.
  Duration window = std::chrono::hours(24);
};

// From when on clients seem to be one proxy's.
struct ProxyRules {
  uint32_t addresses = 2;  // from which all come; 0: nobody is suspected
  uint32_t connections = 50;
  Duration after = std::chrono::minutes(10);

  bool operator==(const ProxyRules&) const = default;
};

// What the operator has decided. Read-only once made; a reload makes another.
struct Rules {
  bool observe = false;  // judge and log, touch nothing
  std::vector<Zone> zones;
  // What the weights must add up to. Both are at least 1.
  int reject_score = 1;
  int ban_score = 1;
  ReplyForm reply = {.code = 521, .text_template = kDefaultReplyTemplate};
  // For zones of domains.
  ReplyForm name_reply = {.code = 521,
                          .text_template = kDefaultNameReplyTemplate};
  Duration ban_duration = std::chrono::minutes(10);
  // A list's ban that is at least so long is lifted half-way if no list holds
  // the client any more; zero: none is looked at again.
  Duration recheck_from{};
  // Whoever has no socket on this host is refused and not banned: see Sockets.
  bool ban_needs_socket = true;
  HistoryRules history;
  BrakeRules brake;
  // What else condemns a client, and how it is found.
  OffenceRules offences;
  ConductRules conduct;
  SpareRules spare;
  GrowthRules growth;
  WideningRules widening;
  // For what is looked up while the client waits.
  Duration deadline = std::chrono::milliseconds(1500);
  // How long a rejected client may wait before it says MAIL.
  Duration patience = std::chrono::seconds(5);
  std::vector<uint16_t> submission_ports = {465, 587};
  ProxyRules proxy;
  // Never judged: from the configuration, and what the enforcer derived.
  NetworkSet protected_networks;
  // Of these, what the operator has named: known not to be many in one.
  NetworkSet named_networks;
  // Whether all of these are known that the operator has asked for. Until the
  // enforcer has told them nobody is judged: any client may be one of them.
  bool protection_known = true;
  // Not judged for a while, by the operator's word.
  NetworkSet allowed_networks;
};

}  // namespace breakwater
