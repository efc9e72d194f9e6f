#include "core/dnsbl.h"

#include <algorithm>
#include <utility>

#include "core/asked_address.h"
#include "core/dnsbl_parts.h"
#include "core/log.h"

namespace breakwater {
namespace {

// How long an odd answer is taken for "not listed". A list that says "too many
// queries" must not be asked again for each connection.
constexpr auto kOddAnswerTime = std::chrono::minutes(1);

constexpr auto kBetweenComplaints = std::chrono::minutes(1);

// The client's part of the name, with a dot behind it.
std::string NamePrefix(const IpAddress& client) {
  std::string result;
  if (client.IsV4()) {
    for (int i = 15; i >= 12; --i) {
      result += std::to_string(client.bytes[i]);
      result += '.';
    }
    return result;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  result.reserve(64);
  for (int i = 15; i >= 0; --i) {
    result += kDigits[client.bytes[i] & 0xf];
    result += '.';
    result += kDigits[client.bytes[i] >> 4];
    result += '.';
  }
  return result;
}

// Whether cached answers and health of the one are those of the other.
bool SameZones(const std::vector<Zone>& a, const std::vector<Zone>& b) {
  return std::ranges::equal(a, b, [](const Zone& x, const Zone& y) {
    return x.name == y.name && x.label == y.label && x.filters == y.filters;
  });
}

// Who allows can do no harm by being empty, and some have no test entry.
bool IsStrict(const Zone& zone) {
  return zone.strict && zone.kind == ZoneKind::kBlock;
}

}  // namespace

std::string DnsblName(const IpAddress& client, std::string_view zone) {
  return NamePrefix(client).append(zone);
}

Dnsbl::Dnsbl(asio::io_context& loop, Resolver& resolver, Metrics& metrics,
             const DnsblOptions& options)
    : loop_(loop),
      resolver_(resolver),
      metrics_(metrics),
      options_(options),
      rules_(std::make_shared<const Rules>()),
      states_(std::make_shared<const ZoneStates>()),
      cache_(options.cache_capacity, 0),
      prober_(loop, resolver) {}

Dnsbl::~Dnsbl() = default;

void Dnsbl::SetRules(std::shared_ptr<const Rules> rules) {
  const std::shared_ptr<const Rules> before = std::exchange(rules_, rules);
  if (SameZones(before->zones, rules_->zones)) {
    for (size_t zone = 0; zone < states_->size(); ++zone) {
      ZoneState& state = *(*states_)[zone];
      state.trust.SetStrict(IsStrict(rules_->zones[zone]), Clock::now());
      state.account.SetBudget(rules_->zones[zone].daily_budget);
    }
    prober_.Wake();
    return;
  }
  auto states = std::make_shared<ZoneStates>();
  for (const Zone& zone : rules_->zones) {
    const auto old = std::ranges::find_if(*states_, [&](const auto& state) {
      return state->name == zone.name &&
             state->watch.health().label == zone.label;
    });
    if (old != states_->end()) {
      states->push_back(*old);
      (*old)->trust.SetStrict(IsStrict(zone), Clock::now());
      (*old)->account.SetBudget(zone.daily_budget);
      continue;
    }
    states->push_back(std::make_shared<ZoneState>(
        zone,
        ZoneTrust::Options{.label = zone.label,
                           .strict = IsStrict(zone),
                           .spread = absl::Uniform(random_, 0.9, 1.1),
                           .blind = !options_.prove_zones},
        metrics_));
    states->back()->account.SetBudget(zone.daily_budget);
    ShowTrust(*states->back());
  }
  std::vector<ZoneProber::Subject> subjects;
  for (const auto& state : *states) subjects.push_back(SubjectOf(state));
  states_ = std::move(states);
  prober_.SetSubjects(std::move(subjects));
  cache_.Clear(rules_->zones.size());
  metrics_.cached_clients.Set(0);
}

void Dnsbl::SetOptions(const DnsblOptions& options) {
  options_ = options;
  cache_.SetCapacity(options.cache_capacity);
}

std::vector<size_t> Dnsbl::FillFromCache(const IpAddress& client,
                                         Answers& answers) const {
  std::vector<size_t> missing;
  const Instant now = Clock::now();
  const Family family = FamilyOf(client);
  for (size_t zone = 0; zone < rules_->zones.size(); ++zone) {
    const ZoneTrust& trust = (*states_)[zone]->trust;
    if (!trust.MayCondemn(family)) continue;
    // What a zone said that is not asked now serves a while longer.
    const bool may_be_asked =
        trust.MayBeAsked(family) && !(*states_)[zone]->account.is_spent();
    const std::optional<uint32_t> filters = cache_.Find(
        client, zone, may_be_asked ? now : now - options_.stale_for);
    if (!filters) {
      if (may_be_asked) missing.push_back(zone);
    } else if (*filters != 0) {
      answers.listings.push_back(
          {.zone = zone, .filters = *filters, .may_ban = trust.MayBan(family)});
    }
  }
  return missing;
}

void Dnsbl::CountSaved(const IpAddress& client,
                       const std::vector<size_t>& missing) {
  const Family family = FamilyOf(client);
  const Instant now = Clock::now();
  for (size_t zone = 0; zone < states_->size(); ++zone) {
    ZoneState& state = *(*states_)[zone];
    if (!state.trust.MayBeAsked(family) ||
        std::ranges::find(missing, zone) != missing.end()) {
      continue;
    }
    const bool known =
        !state.account.is_spent() || cache_.Find(client, zone, now);
    state.account.NoteSaving(known ? Saving::kCache : Saving::kBudget);
  }
}

void Dnsbl::NoteSaving(const IpAddress& client, Saving saving) {
  Answers known{.rules = rules_};
  const std::optional<IpAddress> address = AskedAddress(client);
  if (!address) return;
  std::vector<size_t> missing = FillFromCache(*address, known);
  if (IsSettled(*rules_, known.listings, missing)) return;
  const auto stage = [this](size_t zone) { return rules_->zones[zone].after; };
  const int first = stage(*std::ranges::min_element(missing, {}, stage));
  for (const size_t zone : missing) {
    if (stage(zone) == first) (*states_)[zone]->account.NoteSaving(saving);
  }
}

std::optional<Answers> Dnsbl::Cached(const IpAddress& client) {
  if (!prober_.AllProbed()) return std::nullopt;
  Answers answers{.rules = rules_};
  const std::optional<IpAddress> asked = AskedAddress(client);
  if (!asked) return answers;
  const std::vector<size_t> missing = FillFromCache(*asked, answers);
  if (!IsSettled(*rules_, answers.listings, missing)) return std::nullopt;
  CountSaved(*asked, missing);
  return answers;
}

asio::awaitable<Answers> Dnsbl::Lookup(IpAddress client) {
  const Instant deadline = Clock::now() + options_.deadline;
  Answers known{.rules = rules_};
  const std::optional<IpAddress> address = AskedAddress(client);
  if (!address) co_return known;
  if (!prober_.AllProbed()) {
    // That takes as long as a list does, and then a wave that is under way when
    // the daemon starts is met by lists that may speak.
    known.overdue = true;
    const bool alive = co_await prober_.UntilAllProbed(options_.deadline);
    if (!alive || !prober_.AllProbed()) co_return known;
    known.rules = rules_;
    known.overdue = false;
  }
  const std::vector<size_t> missing = FillFromCache(*address, known);
  CountSaved(*address, missing);
  if (IsSettled(*rules_, known.listings, missing)) co_return known;

  const auto round = std::make_shared<Round>(
      loop_, std::chrono::ceil<Duration>(deadline - Clock::now()));
  round->client = *address;
  round->answers = std::move(known);
  round->missing = missing;
  round->unasked = missing;
  round->states = states_;
  const std::weak_ptr<Dnsbl> weak = self_;
  bool settled = false;
  while (!settled && !round->unasked.empty() && Clock::now() < round->end) {
    // While we waited, *this may have gone; nobody may hold it while we wait.
    if (const auto self = weak.lock()) {
      self->AskStage(round);
    } else {
      break;
    }
    co_await Wait::Until(round);
    settled = round->IsSettled();
  }
  if (const auto self = weak.lock()) {
    if (!settled) self->FillFromPast(*round);
    for (const size_t zone : round->unasked) {
      ZoneAccount& account = (*round->states)[zone]->account;
      if (!account.is_free()) account.NoteSaving(Saving::kBudget);
    }
  }
  round->ended = true;
  round->TrustAsNow();
  Answers answers = round->answers;  // late answers still need its rules
  answers.overdue = !round->IsSettled();
  co_return answers;
}

bool Dnsbl::AsksAbout(NameKind kind) const {
  return std::ranges::any_of(
      rules_->zones, [kind](const Zone& zone) { return zone.AsksAbout(kind); });
}

asio::awaitable<Answers> Dnsbl::LookupNames(std::vector<AskedName> /*names*/,
                                            Answers known,
                                            Instant /*deadline*/) {
  co_return known;
}

void Dnsbl::AskStage(const std::shared_ptr<Round>& round) {
  const std::vector<Zone>& zones = round->answers.rules->zones;
  const std::vector<size_t> stage = round->NextStage();
  round->asked.insert(round->asked.end(), stage.begin(), stage.end());
  round->GiveStageItsTime();
  const std::string prefix = NamePrefix(round->client);
  const Instant now = Clock::now();
  for (const size_t zone : stage) {
    resolver_.Query(prefix + zones[zone].name, DnsType::kA,
                    [weak = std::weak_ptr<Dnsbl>(self_), round, zone,
                     now](DnsAnswer answer) {
                      const ZoneAnswer read = ReadZoneAnswer(
                          round->answers.rules->zones[zone], answer);
                      std::optional<uint32_t> stale;
                      if (const auto self = weak.lock()) {
                        stale = self->Stale(*round, zone);
                        self->Count(*(*round->states)[zone], Question::kListing,
                                    read.outcome, now);
                        self->Take(*round, zone, read, answer);
                      }
                      round->Add(zone, read, stale);
                    });
  }
  metrics_.dns_queries_in_flight.Set(
      static_cast<double>(resolver_.in_flight()));
}

void Dnsbl::FillFromPast(Round& round) {
  std::erase_if(round.missing, [&](size_t zone) {
    const std::optional<uint32_t> stale = Stale(round, zone);
    if (stale) round.AddStale(zone, *stale);
    return stale.has_value();
  });
}

std::optional<uint32_t> Dnsbl::Stale(const Round& round, size_t zone) const {
  if (round.states != states_ || options_.stale_for.count() == 0) {
    return std::nullopt;
  }
  return cache_.Find(round.client, zone, Clock::now() - options_.stale_for);
}

void Dnsbl::Take(const Round& round, size_t zone, const ZoneAnswer& read,
                 const DnsAnswer& answer) {
  const Instant now = Clock::now();
  ZoneState& state = *(*round.states)[zone];
  state.watch.Note(read, now);
  NoteTrust(state, *round.states, read, now);
  if (read.outcome == ZoneOutcome::kOverloaded &&
      (!overload_said_ || now - *overload_said_ > kBetweenComplaints)) {
    overload_said_ = now;
    Log(Severity::kWarning, "dns-overloaded")
        .Add("in_flight", resolver_.in_flight());
  }
  if (round.states != states_) return;  // the cache is for other zones now
  if (!state.trust.MayCondemn(FamilyOf(round.client))) return;

  const auto keep = [&](uint32_t filters, std::chrono::seconds time) {
    cache_.Put(round.client, zone, filters, now + time);
    metrics_.cached_clients.Set(static_cast<double>(cache_.size()));
  };
  const auto believed = [&](std::chrono::seconds time) {
    return std::min(std::max(time, options_.ttl_floor), options_.ttl_ceiling);
  };
  // An error is not kept: it says nothing about the client.
  if (read.outcome == ZoneOutcome::kListed) {
    keep(read.filters, believed(answer.ttl.value_or(options_.ttl_floor)));
  } else if (read.outcome == ZoneOutcome::kNotListed) {
    keep(0, believed(answer.ttl.value_or(options_.negative_ttl)));
  } else if (read.outcome == ZoneOutcome::kOddAnswer) {
    // What it said before it was in trouble is worth more than that.
    if (!Stale(round, zone)) keep(0, kOddAnswerTime);
  }
}

void Dnsbl::Count(ZoneState& state, Question question, ZoneOutcome outcome,
                  std::optional<Instant> asked) {
  state.account.NoteQuestion(question, outcome, asked);
  metrics_.dns_queries_in_flight.Set(
      static_cast<double>(resolver_.in_flight()));
}

// ---- How far zones are believed --------------------------------------------

ZoneProber::Subject Dnsbl::SubjectOf(const std::shared_ptr<ZoneState>& state) {
  const std::weak_ptr<Dnsbl> weak = self_;
  return {.name = state->name,
          .trust = {state, &state->trust},
          .count =
              [weak, state](ZoneOutcome outcome) {
                if (const auto self = weak.lock()) {
                  self->Count(*state, Question::kProbe, outcome, std::nullopt);
                }
              },
          .probed =
              [weak, state](const std::vector<ZoneTrust::Lie>& lies) {
                const auto self = weak.lock();
                if (self == nullptr) return;
                self->ShowTrust(*state);
                for (const auto& lie : lies) self->TellLie(*state, lie);
              }};
}

void Dnsbl::NoteTrust(ZoneState& state, const ZoneStates& states,
                      const ZoneAnswer& read, Instant now) {
  absl::InlinedVector<const HitRate*, 8> others;
  for (const auto& other : states) {
    if (other.get() != &state) others.push_back(&other->trust.rate());
  }
  state.trust.Note(read, others, now);
  ShowTrust(state);
  prober_.Wake();
}

void Dnsbl::ShowTrust(ZoneState& state) {
  for (const Family family : kFamilies) {
    std::optional<ZoneStanding>& shown =
        state.shown[static_cast<size_t>(family)];
    const ZoneStanding now = state.trust.standing(family);
    if (shown == now) continue;
    shown = now;
    for (size_t i = 0; i < kZoneStandings; ++i) {
      const auto standing = static_cast<ZoneStanding>(i);
      metrics_
          .ZoneState(state.label, FamilyName(family),
                     ZoneStandingName(standing))
          .Set(standing == now ? 1 : 0);
    }
  }
}

void Dnsbl::TellLie(const ZoneState& state, const ZoneTrust::Lie& lie) {
  ZoneLie told{
      .label = state.label, .family = lie.family, .proven_at = lie.proven_at};
  for (size_t zone = 0; zone < states_->size(); ++zone) {
    if ((*states_)[zone].get() != &state) continue;
    told.listings = cache_.DropListings(zone, lie.family == Family::kIpv4);
  }
  if (lie_listener_) lie_listener_(told);
}

bool Dnsbl::MayBan(const std::string& label, const IpAddress& client) {
  const auto state = std::ranges::find_if(*states_, [&](const auto& candidate) {
    return candidate->label == label;
  });
  // A zone that is not asked any more was trusted when it was.
  return state == states_->end() || (*state)->trust.MayBan(FamilyOf(client));
}

void Dnsbl::SetLieListener(LieListener listener) {
  lie_listener_ = std::move(listener);
}

std::vector<const ZoneLedger*> Dnsbl::Ledgers() const {
  std::vector<const ZoneLedger*> result;
  for (const auto& state : *states_) {
    result.push_back(&state->account.ledger());
  }
  return result;
}

void Dnsbl::UpdateGauges() {
  for (const auto& state : *states_) state->account.UpdateGauges();
}

std::vector<ZoneHealth> Dnsbl::Health() const {
  std::vector<ZoneHealth> result;
  for (const auto& state : *states_) {
    ZoneHealth health = state->watch.health();
    health.ipv4 = state->trust.Proof(Family::kIpv4);
    health.ipv6 = state->trust.Proof(Family::kIpv6);
    health.in_doubt = state->trust.is_in_doubt();
    health.listed_share = state->trust.rate().recent();
    result.push_back(std::move(health));
  }
  return result;
}

}  // namespace breakwater
