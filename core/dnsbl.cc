#include "core/dnsbl.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/asked_address.h"
#include "core/log.h"
#include "core/text.h"

namespace breakwater {
namespace {

// How long an odd answer is taken for "not listed". A list that says "too many
// queries" must not be asked again for each connection.
constexpr auto kOddAnswerTime = std::chrono::minutes(1);

// Of an operator's tests of zones. The resolver gives up long before.
constexpr auto kTestsDeadline = std::chrono::seconds(30);

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

struct Dnsbl::ZoneState {
  ZoneState(const Zone& zone, ZoneTrust::Options options, Metrics& metrics)
      : name(zone.name),
        label(zone.label),
        watch(zone.label),
        trust(std::move(options), Clock::now()),
        account(zone.label, metrics) {}

  const std::string name;
  const std::string label;
  ZoneWatch watch;
  ZoneTrust trust;
  std::array<std::optional<ZoneStanding>, 2> shown;  // by the metrics
  ZoneAccount account;
};

// Callbacks hold it together with the coroutine, which may be gone first.
struct Dnsbl::Wait {
  Wait(asio::io_context& loop, Duration deadline) : timer(loop, deadline) {}

  void End() {
    over = true;
    timer.cancel();
  }
  // Returns when End was called or the deadline has come.
  static asio::awaitable<void> Until(std::shared_ptr<Wait> wait) {
    if (!wait->over) {
      co_await wait->timer.async_wait(
          asio::experimental::as_tuple(asio::use_awaitable));
    }
    wait->over = true;
  }

  asio::steady_timer timer;
  bool over = false;
};

struct Dnsbl::Round : Wait {
  Round(asio::io_context& loop, Duration deadline)
      : Wait(loop, deadline), end(Clock::now() + deadline) {}

  bool IsSettled() const {
    return breakwater::IsSettled(*answers.rules, answers.listings, missing);
  }

  // A zone whose budget is nearly spent is asked when all others have been.
  int StageOf(size_t zone) const {
    return (*states)[zone]->account.is_free() ? answers.rules->zones[zone].after
                                              : std::numeric_limits<int>::max();
  }

  // Takes the next stage's zones out of those to be asked.
  std::vector<size_t> NextStage() {
    const auto by_stage = [this](size_t a, size_t b) {
      return StageOf(a) < StageOf(b);
    };
    const int stage = StageOf(*std::ranges::min_element(unasked, by_stage));
    std::vector<size_t> result;
    std::erase_if(unasked, [&](size_t zone) {
      if (StageOf(zone) != stage) return false;
      result.push_back(zone);
      return true;
    });
    return result;
  }

  // This stage may take its share of what is left, so that a zone that is
  // silent leaves time for the next.
  void GiveStageItsTime() {
    std::vector<int> later;
    for (const size_t zone : unasked) {
      const int stage = StageOf(zone);
      if (std::ranges::find(later, stage) == later.end()) {
        later.push_back(stage);
      }
    }
    const Instant now = Clock::now();
    over = false;
    timer.expires_at(now + (end - now) / static_cast<int>(later.size() + 1));
  }

  // `stale` is what was known before, if the answer is an error.
  void Add(size_t zone, const ZoneAnswer& read, std::optional<uint32_t> stale) {
    std::erase(asked, zone);
    // Who waited has gone; it has its answers.
    if (std::erase(missing, zone) == 0 || ended) return;
    if (read.outcome == ZoneOutcome::kListed) {
      answers.listings.push_back({.zone = zone, .filters = read.filters});
    } else if (read.outcome != ZoneOutcome::kNotListed) {
      if (stale) {
        AddStale(zone, *stale);
      } else {
        ++answers.errors;
      }
      if (read.outcome == ZoneOutcome::kOverloaded) answers.overloaded = true;
    }
    TrustAsNow();
    if (asked.empty() || IsSettled()) End();
  }

  void AddStale(size_t zone, uint32_t filters) {
    ++answers.stale;
    if (filters != 0) {
      answers.listings.push_back({.zone = zone, .filters = filters});
    }
  }

  // A zone may have lost trust since it answered.
  void TrustAsNow() {
    const Family family = FamilyOf(client);
    auto& listings = answers.listings;
    listings.erase(
        std::remove_if(listings.begin(), listings.end(),
                       [&](const Listing& listing) {
                         return !(*states)[listing.zone]->trust.MayCondemn(
                             family);
                       }),
        listings.end());
    for (Listing& listing : listings) {
      listing.may_ban = (*states)[listing.zone]->trust.MayBan(family);
    }
  }

  const Instant end;  // the deadline; the timer is for the stage
  IpAddress client;
  Answers answers;
  std::vector<size_t> missing;  // zones that are still to answer,
  std::vector<size_t> unasked;  // those of them whose stage has not come,
  std::vector<size_t> asked;    // and the others
  std::shared_ptr<const ZoneStates> states;
  bool ended = false;  // nobody waits any more
};

struct Dnsbl::Report : Wait {
  Report(asio::io_context& loop, Duration deadline) : Wait(loop, deadline) {}

  void Finish() {
    if (--outstanding == 0) End();
  }

  std::shared_ptr<const Rules> rules;
  std::shared_ptr<const ZoneStates> states;
  Instant started = Clock::now();
  std::vector<ZoneReport> zones;
  size_t outstanding = 0;
};

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

// ---- Asking past the cache -------------------------------------------------

asio::awaitable<std::string> Dnsbl::ReasonText(IpAddress client,
                                               std::string zone_name) {
  client = AskedAddress(client).value_or(client);
  const auto state = std::ranges::find_if(*states_, [&](const auto& candidate) {
    return candidate->name == zone_name;
  });
  if (state == states_->end()) co_return std::string();
  if (!(*state)->account.is_free()) {
    (*state)->account.NoteSaving(Saving::kBudget);
    co_return std::string();
  }

  const auto wait = std::make_shared<Wait>(loop_, options_.reason_deadline);
  const auto text = std::make_shared<std::string>();
  resolver_.Query(DnsblName(client, zone_name), DnsType::kTxt,
                  [weak = std::weak_ptr<Dnsbl>(self_), state = *state, wait,
                   text, asked = Clock::now()](DnsAnswer answer) {
                    if (const auto self = weak.lock()) {
                      self->Count(*state, Question::kReason,
                                  ZoneOutcomeOf(answer.outcome), asked);
                    }
                    *text =
                        WithoutZoneName(answer.text, state->name, state->label);
                    wait->End();
                  });
  co_await Wait::Until(wait);
  co_return *text;
}

asio::awaitable<std::vector<Dnsbl::ZoneReport>> Dnsbl::Ask(IpAddress client) {
  client = AskedAddress(client).value_or(client);
  const auto report = std::make_shared<Report>(
      loop_, options_.deadline + options_.reason_deadline);
  report->rules = rules_;
  report->states = states_;
  report->outstanding = rules_->zones.size();
  report->zones.resize(rules_->zones.size());
  for (size_t zone = 0; zone < rules_->zones.size(); ++zone) {
    AskZone(client, zone, report);
  }
  if (report->outstanding > 0) co_await Wait::Until(report);
  co_return report->zones;
}

void Dnsbl::AskZone(const IpAddress& client, size_t zone,
                    const std::shared_ptr<Report>& report) {
  const std::string name = DnsblName(client, rules_->zones[zone].name);
  const ZoneTrust& trust = (*states_)[zone]->trust;
  report->zones[zone].zone = zone;
  report->zones[zone].believed = trust.MayCondemn(FamilyOf(client));
  report->zones[zone].may_ban = trust.MayBan(FamilyOf(client));
  const auto take_text = [weak = std::weak_ptr<Dnsbl>(self_), report,
                          zone](DnsAnswer answer) {
    if (const auto self = weak.lock()) {
      self->Count(*(*report->states)[zone], Question::kReason,
                  ZoneOutcomeOf(answer.outcome), std::nullopt);
    }
    const ZoneState& state = *(*report->states)[zone];
    report->zones[zone].text =
        WithoutZoneName(answer.text, state.name, state.label);
    report->Finish();
  };
  resolver_.Query(name, DnsType::kA,
                  [weak = std::weak_ptr<Dnsbl>(self_), name, report, zone,
                   take_text](DnsAnswer answer) {
                    ZoneReport& entry = report->zones[zone];
                    entry.answer =
                        ReadZoneAnswer(report->rules->zones[zone], answer);
                    entry.addresses = std::move(answer.addresses);
                    entry.took = std::chrono::duration_cast<Duration>(
                        Clock::now() - report->started);
                    const auto self = weak.lock();
                    if (self != nullptr) {
                      ZoneState& state = *(*report->states)[zone];
                      self->Count(state, Question::kListing,
                                  entry.answer.outcome, report->started);
                      state.watch.Note(entry.answer, Clock::now());
                      if (entry.answer.outcome == ZoneOutcome::kListed) {
                        self->resolver_.Query(name, DnsType::kTxt, take_text);
                        return;
                      }
                    }
                    report->Finish();
                  });
}

struct Dnsbl::Tests : Wait {
  Tests(asio::io_context& loop, Duration deadline) : Wait(loop, deadline) {}

  std::vector<ZoneTest> zones;
  size_t outstanding = 0;
};

asio::awaitable<std::vector<Dnsbl::ZoneTest>> Dnsbl::Test(
    std::vector<size_t> zones) {
  const auto tests = std::make_shared<Tests>(loop_, kTestsDeadline);
  tests->outstanding = zones.size();
  for (const size_t zone : zones) {
    tests->zones.push_back({.zone = zone});
    asio::co_spawn(
        loop_,
        TestZone(loop_, resolver_, self_, tests, tests->zones.size() - 1,
                 (*states_)[zone],
                 absl::StrFormat("%016x", absl::Uniform<uint64_t>(random_))),
        asio::detached);
  }
  if (!zones.empty()) co_await Wait::Until(tests);
  co_return tests->zones;
}

asio::awaitable<void> Dnsbl::TestZone(
    asio::io_context& loop, Resolver& resolver, std::weak_ptr<Dnsbl> dnsbl,
    std::shared_ptr<Tests> tests, size_t place,
    std::shared_ptr<ZoneState> state, std::string random_label) {
  const Instant started = Clock::now();
  const auto count = [dnsbl, state](ZoneOutcome outcome) {
    if (const auto self = dnsbl.lock()) {
      self->Count(*state, Question::kProbe, outcome, std::nullopt);
    }
  };
  ZoneProbe probe = co_await ProbeZone(loop, resolver, state->name,
                                       std::move(random_label), count);
  tests->zones[place].probe = std::move(probe);
  tests->zones[place].took =
      std::chrono::duration_cast<Duration>(Clock::now() - started);
  if (--tests->outstanding == 0) tests->End();
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
