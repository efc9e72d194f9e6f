#include "core/dnsbl/dnsbl.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/dnsbl/dnsbl_parts.h"
#include "core/net/asked_address.h"

namespace breakwater {
namespace {

// How long nobody is asked again who was answered oddly. It says nothing about
// the client, but there are lists that always answer some clients so.
constexpr auto kOddAnswerTime = std::chrono::minutes(1);
constexpr uint32_t kUnclear = ListingCache<IpAddress>::kUnclear;

constexpr auto kBetweenComplaints = std::chrono::minutes(1);

// Whether cached answers and health of the one are those of the other.
bool SameZones(const std::vector<Zone>& a, const std::vector<Zone>& b) {
  return std::ranges::equal(a, b, [](const Zone& x, const Zone& y) {
    return x.name == y.name && x.label == y.label && x.type == y.type &&
           x.filters == y.filters;
  });
}

// Who allows can do no harm by being empty, and some have no test entry.
bool IsStrict(const Zone& zone) {
  return zone.strict && zone.kind == ZoneKind::kBlock;
}

}  // namespace

Dnsbl::Dnsbl(asio::io_context& loop, Resolver& resolver, Metrics& metrics,
             const DnsblOptions& options)
    : loop_(loop),
      resolver_(resolver),
      metrics_(metrics),
      options_(options),
      rules_(std::make_shared<const Rules>()),
      states_(std::make_shared<const ZoneStates>()),
      cache_(options.cache_capacity),
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
      return state->name == zone.name && state->label == zone.label &&
             state->type == zone.type;
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
                           .type = zone.type,
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
  cache_.SetZones(rules_->zones);
  // Who waits still gets its answers.
  under_way_.clear();
  metrics_.cached_clients.Set(0);
  metrics_.cached_names.Set(0);
}

void Dnsbl::SetOptions(const DnsblOptions& options) {
  options_ = options;
  cache_.SetCapacity(options.cache_capacity);
}

// ---- What is known already --------------------------------------------------

Dnsbl::ZoneQuestions Dnsbl::QuestionsAboutAddress() const {
  ZoneQuestions result;
  for (size_t zone = 0; zone < rules_->zones.size(); ++zone) {
    if (rules_->zones[zone].type == ZoneType::kAddress) {
      result.push_back({.zone = zone});
    }
  }
  return result;
}

Dnsbl::ZoneQuestions Dnsbl::QuestionsAboutNames(
    const Rules& rules, const std::vector<Target>& names) {
  ZoneQuestions result;
  for (size_t zone = 0; zone < rules.zones.size(); ++zone) {
    const size_t first = result.size();
    for (size_t target = 0; target < names.size(); ++target) {
      const auto& name = std::get<std::string>(names[target].subject);
      if (!rules.zones[zone].AsksAbout(*names[target].kind) ||
          !FitsBefore(name, rules.zones[zone].name)) {
        continue;
      }
      // A client often says one name in several places.
      const bool is_asked = std::any_of(
          result.begin() + static_cast<ptrdiff_t>(first), result.end(),
          [&](const ZoneQuestion& earlier) {
            return names[earlier.target].subject == names[target].subject;
          });
      if (!is_asked) result.push_back({.zone = zone, .target = target});
    }
  }
  return result;
}

std::vector<size_t> Dnsbl::ZonesToCome() const {
  std::vector<size_t> result;
  for (size_t zone = 0; zone < states_->size(); ++zone) {
    const ZoneState& state = *(*states_)[zone];
    if (state.type == ZoneType::kDomain &&
        state.trust.MayCondemn(Family::kDomain)) {
      result.push_back(zone);
    }
  }
  return result;
}

Dnsbl::ZoneQuestions Dnsbl::FillFromCache(const IpAddress& who,
                                          const std::vector<Target>& targets,
                                          const ZoneQuestions& questions,
                                          Answers& answers) const {
  ZoneQuestions missing;
  const Instant now = Clock::now();
  for (const ZoneQuestion& question : questions) {
    const auto& [subject, kind] = targets[question.target];
    const Family family = FamilyOf(subject);
    ZoneState& state = *(*states_)[question.zone];
    if (!state.trust.MayCondemn(family)) continue;
    std::optional<uint32_t> filters = cache_.Find(subject, question.zone, now);
    if (!filters) {
      if (state.trust.MayBeAsked(family) && state.account.MayAsk(who)) {
        missing.push_back(question);
        continue;
      }
      // What a zone said that is not asked now serves a while longer.
      filters = cache_.Find(subject, question.zone, now - options_.stale_for);
    }
    if (!filters) continue;
    if (*filters == kUnclear) {
      ++answers.errors;
    } else if (*filters != 0) {
      AddListing(answers, {.zone = question.zone,
                           .filters = *filters,
                           .may_ban = state.trust.MayBan(family),
                           .name = kind});
    }
  }
  return missing;
}

void Dnsbl::AddUnheard(const std::vector<Target>& targets,
                       const ZoneQuestions& questions, Instant since,
                       Answers& answers) const {
  // What is not kept for any time was said all the same.
  constexpr auto kAtLeast = std::chrono::seconds(1);
  const Instant now = Clock::now();
  for (const ZoneQuestion& question : questions) {
    if (rules_->zones[question.zone].kind == ZoneKind::kAllow) continue;
    const Subject& subject = targets[question.target].subject;
    const Family family = FamilyOf(subject);
    const ZoneTrust& trust = (*states_)[question.zone]->trust;
    bool heard = !trust.IsAwaited(family, now);
    if (trust.MayCondemn(family)) {
      const auto said = cache_.Find(subject, question.zone, since - kAtLeast);
      heard = said && *said != kUnclear;
    }
    if (heard || std::ranges::find(answers.unheard, question.zone) !=
                     answers.unheard.end()) {
      continue;
    }
    answers.unheard.push_back(question.zone);
  }
}

void Dnsbl::NoteUnheard(Round& round) const {
  if (round.states == states_) {
    return AddUnheard(round.targets, round.questions, round.began,
                      round.answers);
  }
  // The zones are others now, and what these have said is forgotten.
  for (const ZoneQuestion& question : round.questions) {
    round.answers.unheard.push_back(question.zone);
  }
}

void Dnsbl::CountSaved(const IpAddress& who, const std::vector<Target>& targets,
                       const ZoneQuestions& questions,
                       const ZoneQuestions& missing) {
  const Instant now = Clock::now();
  for (const ZoneQuestion& question : questions) {
    const Subject& subject = targets[question.target].subject;
    ZoneState& state = *(*states_)[question.zone];
    if (!state.trust.MayBeAsked(FamilyOf(subject)) ||
        std::ranges::find(missing, question) != missing.end()) {
      continue;
    }
    if (cache_.Find(subject, question.zone, now)) {
      state.account.NoteSaving(Saving::kCache);
    } else {
      state.account.NoteWithheld(who);
    }
  }
}

void Dnsbl::NoteSaving(const IpAddress& client, Saving saving) {
  Answers known{.rules = rules_};
  const std::optional<IpAddress> address = AskedAddress(client);
  if (!address) return;
  const std::vector<Target> targets = {{*address}};
  const ZoneQuestions questions = QuestionsAboutAddress();
  const ZoneQuestions missing =
      FillFromCache(*address, targets, questions, known);
  if (saving == Saving::kCache) {
    return CountSaved(*address, targets, questions, missing);
  }
  if (Round::IsSettled(known, missing, ZonesToCome())) return;
  const auto stage = [this](const ZoneQuestion& question) {
    return rules_->zones[question.zone].after;
  };
  const int first = stage(*std::ranges::min_element(missing, {}, stage));
  for (const ZoneQuestion& question : missing) {
    if (stage(question) != first) continue;
    (*states_)[question.zone]->account.NoteSaving(saving);
  }
}

std::optional<Answers> Dnsbl::Cached(const IpAddress& client) {
  if (!prober_.AllProbed()) return std::nullopt;
  Answers answers{.rules = rules_};
  const std::optional<IpAddress> asked = AskedAddress(client);
  if (!asked) return answers;
  const std::vector<Target> targets = {{*asked}};
  const ZoneQuestions questions = QuestionsAboutAddress();
  const ZoneQuestions missing =
      FillFromCache(*asked, targets, questions, answers);
  if (!Round::IsSettled(answers, missing, ZonesToCome())) return std::nullopt;
  AddUnheard(targets, questions, Clock::now(), answers);
  return answers;
}

// ---- What is asked ----------------------------------------------------------

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
  const auto round = std::make_shared<Round>(loop_, deadline);
  round->who = *address;
  round->targets.push_back({*address});
  round->answers = std::move(known);
  round->zones_to_come = ZonesToCome();
  co_return co_await Answer(round, QuestionsAboutAddress());
}

asio::awaitable<Answers> Dnsbl::LookupNames(IpAddress client,
                                            std::vector<AskedName> names,
                                            Answers known, Instant deadline) {
  if (known.rules == nullptr) known.rules = rules_;
  if (names.empty()) co_return known;
  if (!prober_.AllProbed()) {
    Answers unproven = known;
    unproven.overdue = true;
    const auto longest =
        std::min<Duration>(std::chrono::ceil<Duration>(deadline - Clock::now()),
                           options_.deadline);
    const bool alive = co_await prober_.UntilAllProbed(longest);
    if (!alive || !prober_.AllProbed()) co_return unproven;
  }
  if (known.rules != rules_ && !SameZones(known.rules->zones, rules_->zones)) {
    co_return known;
  }
  const auto round = std::make_shared<Round>(loop_, deadline);
  round->who = AskedAddress(client).value_or(client);
  for (AskedName& name : names) {
    round->targets.push_back({std::move(name.name), name.kind});
  }
  const ZoneQuestions questions =
      QuestionsAboutNames(*known.rules, round->targets);
  round->answers = std::move(known);
  co_return co_await Answer(round, questions);
}

asio::awaitable<Answers> Dnsbl::Answer(std::shared_ptr<Round> round,
                                       ZoneQuestions questions) {
  round->missing =
      FillFromCache(round->who, round->targets, questions, round->answers);
  round->unasked = round->missing;
  round->questions = questions;
  round->states = states_;
  CountSaved(round->who, round->targets, questions, round->missing);
  return RunRound(self_, std::move(round));
}

asio::awaitable<Answers> Dnsbl::RunRound(std::weak_ptr<Dnsbl> weak,
                                         std::shared_ptr<Round> round) {
  bool settled = round->IsSettled();
  if (settled) {
    if (const auto self = weak.lock()) self->NoteUnheard(*round);
    co_return round->answers;
  }
  while (!settled && !round->unasked.empty() && Clock::now() < round->end) {
    // While we waited, it may have gone; nobody may hold it while we wait.
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
    for (const ZoneQuestion& question : round->unasked) {
      ZoneAccount& account = (*round->states)[question.zone]->account;
      if (!account.is_free()) account.NoteSaving(Saving::kBudget);
    }
    self->NoteUnheard(*round);
  }
  round->ended = true;
  round->TrustAsNow();
  Answers answers = round->answers;  // late answers still need its rules
  answers.overdue = answers.overdue || !round->IsSettled();
  co_return answers;
}

void Dnsbl::AskStage(const std::shared_ptr<Round>& round) {
  const ZoneQuestions stage = round->NextStage();
  round->GiveStageItsTime();
  for (const ZoneQuestion& question : stage) {
    if (!(*round->states)[question.zone]->account.MayAsk(round->who)) {
      Withhold(*round, question);
      continue;
    }
    round->asked.push_back(question);
    Send(round, question);
  }
  if (round->asked.empty()) round->End();
  metrics_.dns_queries_in_flight.Set(
      static_cast<double>(resolver_.in_flight()));
}

void Dnsbl::Send(const std::shared_ptr<Round>& round,
                 const ZoneQuestion& question) {
  const Target& target = round->targets[question.target];
  const std::string name = DnsblName(
      target.subject, round->answers.rules->zones[question.zone].name);
  auto askers = std::make_shared<Askers>(Askers{{round, question}});
  if (target.kind) {
    // A reload may have come between: who asks by other zones reads the answer
    // in another way.
    const auto [place, is_first] = under_way_.try_emplace(name, askers);
    if (!is_first && place->second->front().round->states == round->states) {
      place->second->push_back({round, question});
      (*round->states)[question.zone]->account.NoteSaving(Saving::kJoined);
      return;
    }
  }
  (*round->states)[question.zone]->account.NoteAsking(round->who);
  resolver_.Query(
      name, DnsType::kA,
      [weak = std::weak_ptr<Dnsbl>(self_), askers, name,
       asked = Clock::now()](DnsAnswer answer) {
        const auto& [round, question] = askers->front();
        const ZoneAnswer read =
            ReadZoneAnswer(round->answers.rules->zones[question.zone], answer);
        std::optional<uint32_t> stale;
        (*round->states)[question.zone]->account.NoteAnswered();
        if (const auto self = weak.lock()) {
          const auto place = self->under_way_.find(name);
          if (place != self->under_way_.end() && place->second == askers) {
            self->under_way_.erase(place);
          }
          stale = self->Stale(*round, question);
          self->Count(*(*round->states)[question.zone], Question::kListing,
                      read.outcome, asked);
          self->Take(*round, question, read, answer);
        }
        for (const Asker& asker : *askers) {
          asker.round->Add(asker.question, read, stale);
        }
      });
}

void Dnsbl::Withhold(Round& round, const ZoneQuestion& question) {
  (*round.states)[question.zone]->account.NoteWithheld(round.who);
  std::erase(round.missing, question);
  if (const auto stale = Stale(round, question)) {
    round.AddStale(question, *stale);
  }
}

void Dnsbl::FillFromPast(Round& round) {
  std::erase_if(round.missing, [&](const ZoneQuestion& question) {
    const std::optional<uint32_t> stale = Stale(round, question);
    if (stale) round.AddStale(question, *stale);
    return stale.has_value();
  });
}

std::optional<uint32_t> Dnsbl::Stale(const Round& round,
                                     const ZoneQuestion& question) const {
  if (round.states != states_ || options_.stale_for.count() == 0) {
    return std::nullopt;
  }
  const std::optional<uint32_t> filters =
      cache_.Find(round.targets[question.target].subject, question.zone,
                  Clock::now() - options_.stale_for);
  return filters == kUnclear ? std::nullopt : filters;
}

void Dnsbl::Take(const Round& round, const ZoneQuestion& question,
                 const ZoneAnswer& read, const DnsAnswer& answer) {
  const Instant now = Clock::now();
  const Subject& subject = round.targets[question.target].subject;
  ZoneState& state = *(*round.states)[question.zone];
  state.watch.Note(read, now);
  NoteTrust(state, *round.states, read, now);
  if (read.outcome == ZoneOutcome::kOverloaded &&
      (!overload_said_ || now - *overload_said_ > kBetweenComplaints)) {
    overload_said_ = now;
    Log(Severity::kWarning, "dns-overloaded")
        .Add("in_flight", resolver_.in_flight());
  }
  if (round.states != states_) return;  // the cache is for other zones now
  if (!state.trust.MayCondemn(FamilyOf(subject))) return;

  const auto keep = [&](uint32_t filters, std::chrono::seconds time) {
    cache_.Put(subject, question.zone, filters, now + time);
    metrics_.cached_clients.Set(static_cast<double>(cache_.addresses()));
    metrics_.cached_names.Set(static_cast<double>(cache_.names()));
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
    if (!Stale(round, question)) keep(kUnclear, kOddAnswerTime);
  }
}

void Dnsbl::Count(ZoneState& state, Question question, ZoneOutcome outcome,
                  std::optional<Instant> asked) {
  state.account.NoteQuestion(question, outcome, asked);
  metrics_.dns_queries_in_flight.Set(
      static_cast<double>(resolver_.in_flight()));
}

}  // namespace breakwater
