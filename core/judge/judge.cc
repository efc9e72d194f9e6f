#include "core/judge/judge.h"

#include <algorithm>
#include <limits>

#include "core/net/asked_address.h"

namespace breakwater {
namespace {

Action ActionOf(const Rules& rules, const Zone& zone) {
  return ReplyFormOf(rules, zone).code >= 500 ? Action::kReject
                                              : Action::kDefer;
}

// What filters add up to.
struct Sum {
  int score = 0;
  int ban = 0;           // the same without what may not ban
  bool for_ban = false;  // some that may ban is against the client

  void Add(const Sum& other) {
    score += other.score;
    ban += other.ban;
  }
};

Sum SumOf(const Zone& zone, uint32_t filters, bool may_ban) {
  Sum sum;
  for (size_t i = 0; i < zone.filters.size(); ++i) {
    if ((filters >> i & 1) == 0) continue;
    const ZoneFilter& filter = zone.filters[i];
    const bool bans = filter.weight > 0 && may_ban && zone.ban && filter.ban;
    sum.score += filter.weight;
    // What speaks for the client counts here too.
    if (bans || filter.weight < 0) sum.ban += filter.weight;
    if (bans) sum.for_ban = true;
  }
  return sum;
}

// A zone or an offence that speaks against the client.
struct Accuser {
  std::optional<size_t> zone;
  std::optional<OffenceKind> offence;
  Action action;
  bool bans;
  int adds;  // to what decides: the score, or the sum for a ban
};

// Orders accusers by how much they ask for.
bool IsStronger(const Accuser& a, const Accuser& b) {
  if (a.action != b.action) return a.action > b.action;
  if (a.bans != b.bans) return a.bans;
  if (a.adds != b.adds) return a.adds > b.adds;
  if (a.offence.has_value() != b.offence.has_value()) {
    return a.offence.has_value();
  }
  return a.zone < b.zone;
}

Sum SumOf(const OffenceRule& rule) {
  return {.score = rule.weight,
          .ban = rule.ban ? rule.weight : 0,
          .for_ban = rule.ban};
}

bool Allows(const Rules& rules, const Listing& listing) {
  return rules.zones[listing.zone].kind == ZoneKind::kAllow;
}

// The most and the least that zones which are still to answer and offences may
// add, and whether there is one that could decide.
struct Bounds {
  explicit Bounds(const Rules& rules) : rules(rules) {}

  // `listing` is what the zone has said so far, if it has.
  void Add(const Zone& zone, const Listing* listing) {
    if (zone.kind == ZoneKind::kAllow) {
      allow = true;
      return;
    }
    const Action action = ActionOf(rules, zone);
    for (size_t i = 0; i < zone.filters.size(); ++i) {
      const ZoneFilter& filter = zone.filters[i];
      if (listing != nullptr && (listing->filters >> i & 1) != 0) continue;
      if (filter.weight <= 0) {
        least += filter.weight;
        if (listing != nullptr && filter.weight < 0) retreat = true;
        continue;
      }
      most += filter.weight;
      if (action == Action::kReject) reject = true;
      if (!zone.ban || !filter.ban) continue;
      if (listing != nullptr && !listing->may_ban) continue;
      most_for_ban += filter.weight;
      (action == Action::kReject ? reject_and_ban : defer_and_ban) = true;
    }
  }

  // It may be on record, or come before the session ends.
  void Add(const OffenceRule& rule) {
    if (rule.mode != OffenceMode::kOn) return;
    offences = true;
    if (rule.weight == 0) return;
    most += rule.weight;
    reject = true;
    if (!rule.ban) return;
    most_for_ban += rule.weight;
    reject_and_ban = true;
  }

  const Rules& rules;
  int most = 0;
  int least = 0;  // for a ban too
  int most_for_ban = 0;
  bool offences = false;  // some rule is on
  bool allow = false;
  bool retreat = false;  // one that speaks against the client may cease to
  bool reject = false;
  bool reject_and_ban = false;
  bool defer_and_ban = false;
};

}  // namespace

const ReplyForm& ReplyFormOf(const Rules& rules, const Zone& zone) {
  if (zone.reply) return *zone.reply;
  return zone.type == ZoneType::kDomain ? rules.name_reply : rules.reply;
}

std::optional<Shield> ShieldOf(const Rules& rules, const Network& network) {
  if (const auto always = AlwaysProtected().FindOverlap(network)) {
    return Shield{*always, "protected"};
  }
  if (const auto held = rules.protected_networks.FindOverlap(network)) {
    return Shield{*held, "protected"};
  }
  if (const auto held = rules.allowed_networks.FindOverlap(network)) {
    return Shield{*held, "allowed"};
  }
  if (const auto many = SharedRanges().FindOverlap(network)) {
    return Shield{*many, "shared"};
  }
  // The host of a 6to4 address has an IPv4 one.
  const std::optional<Network> carried = CarriedNetwork(network);
  return carried ? ShieldOf(rules, *carried) : std::nullopt;
}

namespace {

// By what is known of the client.
std::optional<Reason> KnownExemption(const Rules& rules, const Client& client) {
  if (client.address().IsUnspecified()) return Reason::kNotAsked;
  if (client.authenticated) return Reason::kAuthenticated;
  if (std::ranges::find(rules.submission_ports,
                        client.connection.server_port) !=
      rules.submission_ports.end()) {
    return Reason::kSubmission;
  }
  if (AlwaysProtected().Find(client.address()) ||
      rules.protected_networks.Find(client.address())) {
    return Reason::kProtected;
  }
  if (rules.allowed_networks.Find(client.address())) return Reason::kAllowed;
  if (!rules.spare.judged && IsSpared(rules.spare, client)) {
    return Reason::kSpared;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Reason> Exemption(const Rules& rules, const Client& client) {
  const std::optional<Reason> known = KnownExemption(rules, client);
  if (!known && !rules.protection_known) return Reason::kMayBeProtected;
  return known;
}

bool MayBeProxy(const Rules& rules, const Client& client) {
  const IpAddress& address = client.address();
  const std::optional<Reason> exempt = KnownExemption(rules, client);
  if (!exempt) return !IsSpared(rules.spare, client);
  return exempt == Reason::kProtected && !AlwaysProtected().Find(address) &&
         !rules.named_networks.Find(address) &&
         !rules.allowed_networks.Find(address);
}

Judgement Judge(const Rules& rules, absl::Span<const Listing> listings,
                absl::Span<const OffenceKind> offences) {
  const bool allowed = std::ranges::any_of(
      listings,
      [&rules](const Listing& listing) { return Allows(rules, listing); });
  Sum total;
  if (!allowed) {
    for (const Listing& listing : listings) {
      total.Add(
          SumOf(rules.zones[listing.zone], listing.filters, listing.may_ban));
    }
    for (const OffenceKind offence : offences) {
      total.Add(SumOf(rules.offences[offence]));
    }
  }
  Judgement result{.score = total.score};
  std::optional<Accuser> decides;
  const auto accuse = [&decides](const Accuser& accuser) {
    if (!decides || IsStronger(accuser, *decides)) decides = accuser;
  };
  for (const OffenceKind offence : offences) {
    const OffenceRule& rule = rules.offences[offence];
    if (rule.weight != 0) continue;
    accuse({.offence = offence,
            .action = Action::kReject,
            .bans = rule.ban && !allowed,
            .adds = std::numeric_limits<int>::max()});
  }
  if (total.score >= rules.reject_score) {
    const bool bannable = total.ban >= rules.ban_score;
    const auto accuse_with = [&](Accuser accuser, const Sum& sum) {
      if (sum.score <= 0) return;
      accuser.bans = bannable && sum.for_ban;
      accuser.adds = accuser.bans ? sum.ban : sum.score;
      accuse(accuser);
    };
    for (const Listing& listing : listings) {
      const Zone& zone = rules.zones[listing.zone];
      accuse_with({.zone = listing.zone, .action = ActionOf(rules, zone)},
                  SumOf(zone, listing.filters, listing.may_ban));
    }
    for (const OffenceKind offence : offences) {
      accuse_with({.offence = offence, .action = Action::kReject},
                  SumOf(rules.offences[offence]));
    }
  }
  if (!decides) return result;
  result.action = decides->action;
  result.zone = decides->zone;
  result.offence = decides->offence;
  if (decides->bans) {
    const std::optional<Duration>& own =
        decides->zone ? rules.zones[*decides->zone].ban_duration
                      : rules.offences[*decides->offence].ban_duration;
    result.ban = own.value_or(rules.ban_duration);
  }
  return result;
}

bool DropListings(Evidence& evidence,
                  absl::FunctionRef<bool(const Zone&)> is_worthless) {
  if (evidence.rules == nullptr) return false;
  auto& listings = evidence.listings;
  const size_t dropped = std::erase_if(listings, [&](const Listing& listing) {
    return is_worthless(evidence.rules->zones[listing.zone]);
  });
  return dropped > 0 &&
         !Judge(*evidence.rules, listings, evidence.offences).ban;
}

bool BansByAddress(const Evidence& evidence) {
  if (evidence.rules == nullptr) return false;
  std::vector<Listing> listings = evidence.listings;
  std::erase_if(listings, [&](const Listing& listing) {
    return evidence.rules->zones[listing.zone].type == ZoneType::kDomain;
  });
  return Judge(*evidence.rules, listings).ban.has_value();
}

const std::string& LabelOf(const Rules& rules,
                           absl::Span<const Listing> listings, size_t index) {
  const Zone& zone = rules.zones[index];
  const ZoneFilter* weightiest = nullptr;
  for (const Listing& listing : listings) {
    if (listing.zone != index) continue;
    for (size_t i = 0; i < zone.filters.size(); ++i) {
      const ZoneFilter& filter = zone.filters[i];
      if ((listing.filters >> i & 1) == 0) continue;
      if (weightiest == nullptr || filter.weight > weightiest->weight) {
        weightiest = &filter;
      }
    }
  }
  return weightiest == nullptr || weightiest->label.empty() ? zone.label
                                                            : weightiest->label;
}

bool IsSettled(const Rules& rules, absl::Span<const Listing> listings,
               absl::Span<const size_t> outstanding) {
  if (outstanding.empty()) return true;
  Bounds bounds(rules);
  for (const size_t zone : outstanding) {
    const auto listing = std::ranges::find(listings, zone, &Listing::zone);
    bounds.Add(rules.zones[zone],
               listing == listings.end() ? nullptr : &*listing);
  }
  for (const OffenceRule& rule : rules.offences) bounds.Add(rule);
  Sum now;
  for (const Listing& listing : listings) {
    if (Allows(rules, listing)) return true;
    const Zone& zone = rules.zones[listing.zone];
    const Sum sum = SumOf(zone, listing.filters, listing.may_ban);
    now.Add(sum);
    if (sum.score <= 0 || !sum.for_ban) continue;
    const bool rejects = ActionOf(rules, zone) == Action::kReject;
    (rejects ? bounds.reject_and_ban : bounds.defer_and_ban) = true;
  }
  if (now.score + bounds.most < rules.reject_score) {
    // Whoever is on a list that allows is not banned for an offence either.
    return !bounds.allow || !bounds.offences;
  }

  const Judgement judgement = Judge(rules, listings);
  if (judgement.action == Action::kPass || bounds.allow || bounds.retreat ||
      now.score + bounds.least < rules.reject_score) {
    return false;
  }
  if (judgement.action == Action::kDefer && bounds.reject) return false;
  if (judgement.ban) return now.ban + bounds.least >= rules.ban_score;
  // Whether a ban could still come of it.
  const bool accused = judgement.action == Action::kReject
                           ? bounds.reject_and_ban
                           : bounds.defer_and_ban;
  return !accused || now.ban + bounds.most_for_ban < rules.ban_score;
}

}  // namespace breakwater
