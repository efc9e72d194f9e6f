#include "core/bans/ban_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/log.h"
#include "core/judge/ban_basis.h"
#include "core/net/asked_address.h"
#include "core/types/record.h"

namespace breakwater {
namespace {

using std::chrono::seconds;

// A ban that would end this little later is not worth telling the kernel.
constexpr Duration kSameEnd = seconds(2);

// So that nobody waits for an answer because bans are looked through.
constexpr Duration kLongestAtOnce = std::chrono::milliseconds(1);
constexpr size_t kLookedAtOnce = 512;

// Why bans end where the mode becomes observe.
constexpr char kObserve[] = "observe";

// Breakwater's own, not a person's; whose those are that it has found in the
// kernel it does not know.
bool IsJudgement(Origin origin) {
  return origin == Origin::kList || origin == Origin::kOffence ||
         origin == Origin::kNeighbours;
}

// By then a ban is in the kernel, and sessions that were open have ended.
constexpr Duration kOnItsWay = seconds(5);
constexpr Duration kSaidAgainAfter = seconds(30);
// So many within that time: where no rule drops anybody all are at the door.
constexpr size_t kMostSaidAgain = 300;

// What is known of it is that the kernel holds it.
bool IsAdopted(const Ban& ban) {
  return ban.origin == Origin::kBeforeRestart ||
         (ban.origin == Origin::kNeighbours && ban.members == 0);
}

// Only a network has some.
void AddMembers(Log& line, const Ban& ban) {
  if (ban.members > 0) line.Add("members", ban.members);
}

// What must not be banned by `next` and might by `before`: few, where the bans
// may be a million.
NetworkSet ShieldsAdded(const Rules& before, const Rules& next) {
  NetworkSet added = next.protected_networks.Without(before.protected_networks);
  added.Add(next.allowed_networks.Without(before.allowed_networks).networks());
  return added;
}

// The host of a 6to4 address has an IPv4 one (ShieldOf).
bool Covers(const NetworkSet& shields, const Network& network) {
  if (shields.FindOverlap(network)) return true;
  const std::optional<Network> carried = CarriedNetwork(network);
  return carried && shields.FindOverlap(*carried);
}

}  // namespace

BanKeeper::BanKeeper(BanTable& bans, Enforcer& enforcer, Metrics& metrics,
                     const GoodHistory& history)
    : bans_(bans),
      enforcer_(enforcer),
      metrics_(metrics),
      history_(history),
      rules_(std::make_shared<const Rules>()) {}

void BanKeeper::SetRules(std::shared_ptr<const Rules> rules) {
  const NetworkSet added = ShieldsAdded(*rules_, *rules);
  const bool from_now_observes = rules->observe && !rules_->observe;
  rules_ = std::move(rules);
  growth_.SetRules(rules_->growth);
  recheck_.SetLeast(rules_->recheck_from);
  widening_.SetRules(rules_->widening);
  Begin({.which =
             [this, added, from_now_observes](const BanTable::Glance& ban) {
               return (from_now_observes && IsJudgement(ban.origin)) ||
                      Covers(added, ban.network) ||
                      (WidthOf(ban.network) && Against(ban.network) != nullptr);
             },
         .lifted =
             [this](const Ban& ban) {
               ++lifted_by_rules_;
               const char* against = Against(ban.network);
               if (ShieldIn(ban.network)) TakeBackGrowth(ban);
               Lifted(ban.network, ban.id, against ? against : kObserve);
             }});
}

void BanKeeper::Begin(Sweep sweep) {
  sweeps_.push_back(std::move(sweep));
  Continue();
}

void BanKeeper::Continue() {
  const Instant end = Clock::now() + kLongestAtOnce;
  do {
    if (sweeps_.empty()) break;
    Sweep& sweep = sweeps_.front();
    std::vector<Ban> lifted;
    const bool more =
        bans_.Look(sweep.cursor, kLookedAtOnce, sweep.which, &lifted);
    for (const Ban& ban : lifted) sweep.lifted(ban);
    if (more) continue;
    const Sweep done = std::move(sweep);
    sweeps_.pop_front();
    done.ended();
  } while (Clock::now() < end);
  ShowSize();
}

const char* BanKeeper::AgainstWide(const Network& network) const {
  if (const char* against = Against(network)) return against;
  if (history_.HasGoodIn(network)) {
    return WithheldName(Withheld::kGoodHistory);
  }
  return objection_ ? objection_(network) : nullptr;
}

const char* BanKeeper::Against(const Network& network) const {
  if (const auto shield = ShieldIn(network)) return shield->why;
  const std::optional<Width> width = WidthOf(network);
  if (!width) return nullptr;
  if (!rules_->widening.Allows(*width)) return "not-widened";
  if (rules_->spare.networks.FindOverlap(network)) return "spared";
  return nullptr;
}

std::string BanKeeper::NewId() {
  return absl::StrFormat("%08x", absl::Uniform<uint32_t>(random_));
}

std::optional<BanKeeper::InForce> BanKeeper::Impose(const Client& client,
                                                    const Verdict& verdict,
                                                    Evidence evidence) {
  const Instant now = Clock::now();
  const Network network = Network::OfClient(client.address());
  Duration length = *verdict.ban;
  if (!bans_.Find(network, now)) {
    length =
        growth_.Next(network, length, absl::Uniform(random_, 0.0, 1.0), now);
  }
  return Put({.network = network,
              .client = client.address(),
              .expires = now + length,
              .origin = verdict.reason == Reason::kOffence ? Origin::kOffence
                                                           : Origin::kList,
              .code = verdict.code,
              .id = verdict.id,
              .label = verdict.label,
              .text = verdict.text,
              .imposed = now,
              .evidence = std::move(evidence)});
}

std::optional<BanKeeper::InForce> BanKeeper::Put(const Ban& ban, bool is_news) {
  if (const auto shield = ShieldIn(ban.network)) {
    Log(Severity::kWarning, "ban-refused")
        .Add("client", ban.network.ToString())
        .Add("why", shield->why)
        .Add("id", ban.id);
    return std::nullopt;
  }
  const Instant now = Clock::now();
  const std::optional<Ban> before = bans_.Find(ban.network, now);
  // What is told again, as an import does, is no further ban, nor evidence; but
  // of one that the kernel alone has told of it says who imposed it, and why.
  const bool explains =
      !is_news && before && IsAdopted(*before) && !IsAdopted(ban);
  if (!is_news && before && !explains &&
      ban.expires <= before->expires + kSameEnd) {
    return InForce{.ban = *before};
  }
  Ban given = is_news ? ban : WithItsList(ban);
  // The kernel is not told of so little: nor may the table have it, for that is
  // said to the kernel at its next start.
  if (before && ban.expires <= before->expires + kSameEnd) {
    given.expires = before->expires;
  }
  if (explains) bans_.Remove(ban.network);
  InForce result{.ban = bans_.Add(given, now, is_news), .began = !before};
  const Ban& after = result.ban;
  ShowSize();
  memory_->Changed(after.network);
  result.prolonged = before && after.expires > before->expires;
  if (!result.began && !result.prolonged) return result;
  const auto length = std::chrono::duration_cast<Duration>(after.expires - now);
  enforcer_.Ban(after.network, length);
  if (is_news && result.began && ban.evidence.rules) {
    growth_.Note(after.network, after.expires, now);
    recheck_.Add(after, now);
  }
  metrics_.Bans(OriginName(ban.origin)).Increment();
  AddMembers(Log(Severity::kInfo, "ban")
                 .Add("client", after.network.ToString())
                 .Add("for_s", std::chrono::round<seconds>(length).count())
                 .Add("origin", OriginName(ban.origin))
                 .Add("zone", after.label)
                 .Add("id", after.id),
             after);
  if (is_news) {
    memory_->Happened({.who = after.network,
                       .kind = EventKind::kBan,
                       .label = after.label,
                       .id = after.id,
                       .detail = ban.text,
                       .length = length});
  }
  // The operator has said whom to ban, and whom not.
  if (ban.origin == Origin::kList || ban.origin == Origin::kOffence) {
    result.wide = Widen(after);
  }
  return result;
}

Ban BanKeeper::WithItsList(Ban told) const {
  told.evidence = EvidenceFrom("", told, rules_);
  return told;
}

std::optional<Ban> BanKeeper::Widen(const Ban& member) {
  const Instant now = Clock::now();
  for (const BanWidening::Reached& reached :
       widening_.Note(member.network, member.expires, now)) {
    const Network& network = reached.network;
    if (const char* against = AgainstWide(network)) {
      if (const auto held_back = refusals_.Admit()) {
        Log(Severity::kInfo, "ban-refused")
            .Add("client", network.ToString())
            .Add("why", against)
            .Add("zone", member.label)
            .Add("id", member.id)
            .Add("held_back", *held_back);
      }
      continue;
    }
    const std::string id = NewId();
    const int code = rules_->reply.code;
    std::optional<InForce> wide =
        Put({.network = network,
             .expires = reached.ends,
             .origin = Origin::kNeighbours,
             .members = reached.members,
             .code = code >= 500 ? code : Ban().code,
             .id = id,
             .text = absl::StrCat("Client network ", network.ToString(),
                                  " is refused: ", reached.members,
                                  " of its addresses are banned [id ", id, "]"),
             .imposed = now});
    if (wide && wide->began) return std::move(wide->ban);
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<Ban> BanKeeper::Lift(const Network& network,
                                   std::string_view why) {
  std::optional<Ban> ban = bans_.Remove(network);
  Lifted(network, ban ? ban->id : "", why);
  LiftTheWideAround(network);
  ShowSize();
  return ban;
}

void BanKeeper::LiftTheWideAround(const Network& member) {
  if (!IsClient(member)) return;
  const Instant now = Clock::now();
  for (const Width width : WidthsOf(member.address)) {
    const Network network = Widened(member.address, width);
    const std::optional<Ban> wide = bans_.Find(network, now);
    if (!wide || wide->origin != Origin::kNeighbours ||
        widening_.Count(network, now) >= rules_->widening.Members(width)) {
      continue;
    }
    bans_.Remove(network);
    Lifted(network, wide->id, OriginName(Origin::kNeighbours));
  }
}

void BanKeeper::LiftThoseOf(const ZoneLie& lie) {
  // The networks' bans that may fall with them are few: each with one member
  // by which to look at it at the end.
  struct Fallen {
    size_t bans = 0;
    absl::flat_hash_map<Network, Network> around;
  };
  const auto fallen = std::make_shared<Fallen>();
  Begin(
      {.which =
           [this, lie](BanTable::Glance& ban) {
             if (ban.imposed < lie.proven_at ||
                 (lie.family != Family::kDomain &&
                  FamilyOf(AskedAddress(ban.network.address)
                               .value_or(ban.network.address)) != lie.family)) {
               return false;
             }
             Evidence left = ban.evidence;
             const bool falls = DropListings(left, [&lie](const Zone& zone) {
               return zone.label == lie.label;
             });
             if (!falls &&
                 left.listings.size() < ban.evidence.listings.size()) {
               ban.instead = std::move(left);
               memory_->Changed(ban.network);
             }
             return falls;
           },
       .lifted =
           [this, fallen](const Ban& ban) {
             growth_.Forget(ban.network);
             Lifted(ban.network, ban.id, "zone-lied");
             ++fallen->bans;
             if (!IsClient(ban.network)) return;
             for (const Width width : WidthsOf(ban.network.address)) {
               const Network wide = Widened(ban.network.address, width);
               if (bans_.Find(wide, Clock::now())) {
                 fallen->around.emplace(wide, ban.network);
               }
             }
           },
       .ended =
           [this, lie, fallen] {
             // Of a list that never was believed there is nothing to be
             // told.
             if (lie.was_believed || lie.listings > 0 || fallen->bans > 0) {
               Log(Severity::kError, "zone-lied")
                   .Add("zone", lie.label)
                   .Add("family", FamilyName(lie.family))
                   .Add("listings", lie.listings)
                   .Add("bans", fallen->bans);
             }
             for (const auto& [wide, member] : fallen->around) {
               LiftTheWideAround(member);
             }
           }});
}

void BanKeeper::LiftThoseOf(const std::vector<Network>& suspects) {
  Begin({.which =
             [suspects](const BanTable::Glance& ban) {
               return ban.origin != Origin::kOperator &&
                      std::ranges::any_of(
                          suspects,
                          [&ban](const Network& suspect) {
                            return suspect.Overlaps(ban.network);
                          }) &&
                      !(ban.origin == Origin::kList &&
                        BansByAddress(ban.evidence));
             },
         .lifted =
             [this](const Ban& ban) { Lifted(ban.network, ban.id, "proxy"); }});
}

void BanKeeper::Adopt(const Ban& ban) {
  if (const char* against = Against(ban.network)) {
    return Lifted(ban.network, "", against);
  }
  const Instant now = Clock::now();
  if (bans_.Find(ban.network, now)) return;
  bans_.Add(ban, now);
  if (IsClient(ban.network)) widening_.Note(ban.network, ban.expires, now);
  ShowSize();
}

void BanKeeper::IsAtTheDoor(const IpAddress& client) {
  const Instant now = Clock::now();
  const std::optional<Ban> ban = bans_.Find(client, now);
  if (!ban || ban->imposed + kOnItsWay > now ||
      !MaySayAgain(ban->network, now)) {
    return;
  }
  enforcer_.Ban(ban->network,
                std::chrono::duration_cast<Duration>(ban->expires - now));
}

bool BanKeeper::MaySayAgain(const Network& network, Instant now) {
  const auto is_past = [now](const auto& said) {
    return said.second + kSaidAgainAfter <= now;
  };
  const auto said = said_again_.find(network);
  if (said != said_again_.end() && !is_past(*said)) return false;
  if (said_again_.size() >= kMostSaidAgain) {
    absl::erase_if(said_again_, is_past);
    if (said_again_.size() >= kMostSaidAgain) return false;
  }
  said_again_[network] = now;
  return true;
}

void BanKeeper::Restore(RememberedBan remembered) {
  Ban& ban = remembered;
  const Instant now = Clock::now();
  if (ban.expires <= now) return;
  if (Against(ban.network) || (rules_->observe && IsJudgement(ban.origin))) {
    memory_->Changed(ban.network);
    if (ShieldIn(ban.network)) TakeBackGrowth(ban);
    // What the kernel told of is this one: else it would be sent back.
    const std::optional<Ban> adopted = bans_.Find(ban.network, now);
    if (adopted && IsAdopted(*adopted)) {
      bans_.Remove(ban.network);
      widening_.Forget(ban.network);
      ShowSize();
    }
    // The kernel may hold it, and not tell.
    if (!bans_.Find(ban.network, now)) enforcer_.Unban(ban.network);
    return;
  }
  // Whatever the file says.
  ban.expires = std::min(ban.expires, now + seconds(kLongestBanSeconds));
  ban.evidence = EvidenceFrom(remembered.basis, ban, rules_);
  const std::optional<Ban> known = bans_.Find(ban.network, now);
  if (known && IsAdopted(*known)) {
    ban.expires = std::max(ban.expires, known->expires);
    bans_.Remove(ban.network);
  }
  bans_.Add(ban, now);
  if (known) memory_->Changed(ban.network);
  // An enforcer that is not there yet will be asked what it holds.
  if (!known || known->expires + kSameEnd < ban.expires) {
    enforcer_.Ban(ban.network,
                  std::chrono::duration_cast<Duration>(ban.expires - now));
  }
  recheck_.Add(ban, now);
  if (IsClient(ban.network) && ban.origin != Origin::kOperator) {
    widening_.Note(ban.network, ban.expires, now);
  }
  ShowSize();
}

void BanKeeper::TakeBack(const Ban& unknown) { TakeBackGrowth(unknown); }

void BanKeeper::Restore(const Lifting& lifting) {
  const std::optional<Ban> known = bans_.Find(lifting.network, Clock::now());
  if (known && !IsAdopted(*known)) return;
  if (known) {
    bans_.Remove(lifting.network);
    widening_.Forget(lifting.network);
    ShowSize();
  }
  enforcer_.Unban(lifting.network);
}

void BanKeeper::Withdraw(const Network& network) {
  if (const std::optional<Ban> ban = bans_.Remove(network)) {
    TakeBackGrowth(*ban);
  }
  memory_->Changed(network);
  widening_.Forget(network);
  ShowSize();
}

std::optional<Ban> BanKeeper::Find(const Recheck::Due& due) const {
  std::optional<Ban> ban = bans_.Find(due.network, Clock::now());
  if (ban && ban->id != due.id) return std::nullopt;
  return ban;
}

void BanKeeper::Restored() {
  const Instant now = Clock::now();
  widening_.ForgetReached(
      [&](const Network& network) {
        return bans_.Find(network, now).has_value();
      },
      now);
}

void BanKeeper::Lifted(const Network& network, const std::string& id,
                       std::string_view why) {
  enforcer_.Unban(network);
  widening_.Forget(network);
  Log(Severity::kInfo, "unban")
      .Add("client", network.ToString())
      .Add("why", why)
      .Add("id", id);
  memory_->Changed(network);
  memory_->Happened({.who = network,
                     .kind = EventKind::kUnban,
                     .label = std::string(why),
                     .id = id});
}

void BanKeeper::ShowSize() {
  metrics_.bans_in_force.Set(static_cast<double>(bans_.size()));
}

}  // namespace breakwater
