#include "core/screener/screener.h"

#include <algorithm>
#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/experimental/as_tuple.hpp"
#include "asio/post.hpp"
#include "asio/use_awaitable.hpp"
#include "core/judge/offence_reply.h"
#include "core/judge/reply.h"
#include "core/net/asked_address.h"
#include "core/types/domain_name.h"

namespace breakwater {
namespace {

using asio::experimental::as_tuple;
using std::chrono::duration_cast;

// Clients about whom a verdict is awaited. An MTA has some hundred slots, so
// beyond this something is wrong, and mail comes first.
constexpr size_t kMostWaiting = 50'000;

std::chrono::microseconds Since(Instant start) {
  return duration_cast<std::chrono::microseconds>(Clock::now() - start);
}

Verdict Pass(Reason reason) { return {.reason = reason}; }

Verdict VerdictOf(const Ban& ban) {
  return {.action = ban.code >= 500 ? Action::kReject : Action::kDefer,
          .reason = Reason::kBanned,
          .label = ban.label,
          .code = ban.code,
          .text = ban.text,
          .id = ban.id};
}

}  // namespace

Screener::Screener(asio::io_context& loop, Lists& lists, BanTable& bans,
                   Enforcer& enforcer, Metrics& metrics,
                   std::shared_ptr<const Rules> rules, Sockets* sockets,
                   MailDomains* domains)
    : loop_(loop),
      lists_(lists),
      bans_(bans),
      enforcer_(enforcer),
      metrics_(metrics),
      sockets_(sockets),
      domains_(domains),
      rules_(std::move(rules)),
      patience_(loop,
                [this](const auto& screening) { EndIfSilent(*screening); }),
      restraint_(metrics),
      conduct_(lists, domains, metrics),
      keeper_(bans, enforcer, metrics, restraint_.history()) {
  lists_.SetLieListener([this](const ZoneLie& lie) {
    keeper_.LiftThoseOf(lie);
    SweepOn();
  });
  keeper_.SetObjection(
      [this](const Network& network) { return AgainstWide(network); });
  TellRules();
}

Screener::~Screener() { lists_.SetLieListener(nullptr); }

void Screener::SetRules(std::shared_ptr<const Rules> rules) {
  {
    const std::lock_guard lock(rules_mutex_);
    rules_ = std::move(rules);
  }
  TellRules();
}

void Screener::TellRules() {
  restraint_.SetRules(*rules_);
  conduct_.SetRules(rules_);
  keeper_.SetRules(rules_);
  lists_.SetRules(rules_);
  SweepOn();
}

void Screener::SweepOn() {
  if (sweeping_ || !keeper_.is_sweeping()) return;
  sweeping_ = true;
  asio::post(loop_, [this] {
    sweeping_ = false;
    keeper_.Continue();
    SweepOn();
  });
}

// ---- From a question to a verdict ------------------------------------------

OffenceKinds Screener::Connected(const Client& client) {
  // Of who is asked about later than at CONNECT the milter knows already.
  if (sessions_.Holds(client.connection)) return {};
  return NoteConnection(client);
}

OffenceKinds Screener::NoteConnection(const Client& client) {
  const bool is_echo = echoes_.IsEcho(client, "", Clock::now());
  if (!is_echo && IsProven(client.presence) && MayBeProxy(*rules_, client) &&
      restraint_.Connected(client.address())) {
    keeper_.LiftThoseOf(restraint_.proxy().state().suspects);
    SweepOn();
  }
  if (Exemption(*rules_, client) || Banned(client)) return {};
  // The policy server's sessions are not known to be open.
  return conduct_.NoteConnection(client, sessions_.CountOf(client),
                                 sessions_.CountAround(client), is_echo);
}

// The order of precedence: who is never judged, who is kept out already, what
// the lists have said, what they say now.
std::optional<Verdict> Screener::Known(const Client& client,
                                       const OffenceKinds& strikes) {
  if (const std::optional<Reason> exempt = Exemption(*rules_, client)) {
    return Pass(*exempt);
  }
  if (std::optional<Verdict> banned = Banned(client)) return banned;
  if (!strikes.empty() || !conduct_.Standing(client).empty()) {
    return std::nullopt;
  }
  if (rules_->zones.empty() || !AskedAddress(client.address())) {
    return Pass(Reason::kNotAsked);
  }
  const std::optional<Answers> cached = lists_.Cached(client.address());
  if (!cached || !cached->listings.empty()) return std::nullopt;
  Verdict clean = Pass(Reason::kClean);
  clean.evidence.rules = cached->rules;
  clean.cleared = cached->AllHeard();
  return clean;
}

void Screener::DecidedByKnown(const Client& client, const Verdict& known) {
  if (known.reason == Reason::kBanned) {
    lists_.NoteSaving(client.address(), Saving::kBan);
    keeper_.IsAtTheDoor(client.address());
  } else if (known.reason == Reason::kClean) {
    lists_.NoteSaving(client.address(), Saving::kCache);
  }
}

asio::awaitable<Verdict> Screener::Screen(Client client, OffenceKinds strikes) {
  if (const auto known = Known(client, strikes)) {
    DecidedByKnown(client, *known);
    co_return *known;
  }

  LookAt(client);
  const auto screening = std::make_shared<Screening>(std::move(client));
  if (const auto why = WithheldFrom(screening->client())) {
    screening->Withhold(*why);
  }
  // Shared with the callback: whoever gives up waiting may be gone before it.
  const auto completed =
      std::make_shared<asio::steady_timer>(loop_, Instant::max());
  screening->WhenComplete([completed](const Verdict&) { completed->cancel(); });
  Join(screening, strikes);
  while (!screening->verdict()) {
    co_await completed->async_wait(as_tuple(asio::use_awaitable));
  }
  co_return *screening->verdict();
}

std::shared_ptr<Screening> Screener::Start(Client client) {
  LookAt(client);
  auto screening = std::make_shared<Screening>(std::move(client));
  if (const auto why = WithheldFrom(screening->client())) {
    screening->Withhold(*why);
  }
  asio::post(loop_, [this, screening] {
    sessions_.Add(screening);
    metrics_.sessions.Set(static_cast<double>(sessions_.size()));

    const OffenceKinds strikes = NoteConnection(screening->client());
    if (const auto known = Known(screening->client(), strikes)) {
      DecidedByKnown(screening->client(), *known);
      screening->Complete(*known);
    } else {
      Join(screening, strikes);
    }
    screening->WhenComplete(
        [this, weak = std::weak_ptr(screening)](const Verdict& verdict) {
          const auto alive = weak.lock();
          if (alive && (verdict.IsRefusal() || verdict.would)) {
            patience_.Watch(alive, rules_->patience);
          }
        });
  });
  return screening;
}

void Screener::Join(std::shared_ptr<Screening> screening,
                    const OffenceKinds& strikes) {
  const Asked asked = AskedOf(screening->client());
  if (waiting_.size() >= kMostWaiting && !waiting_.contains(asked)) {
    screening->Complete(Pass(Reason::kOverloaded));
    return;
  }
  Waiting& waiting = waiting_[asked];
  waiting.screenings.push_back(std::move(screening));
  waiting.strikes.insert(waiting.strikes.end(), strikes.begin(), strikes.end());
  if (waiting.screenings.size() > 1) {
    lists_.NoteSaving(asked.first, Saving::kJoined);
    return;
  }
  waiting.since = Clock::now();
  metrics_.screenings_waiting.Set(static_cast<double>(waiting_.size()));
  asio::co_spawn(loop_, Run(asked), asio::detached);
}

void Screener::LookAt(Client& client) {
  if (client.presence != Presence::kNotLooked) return;
  client.presence = Presence::kBelieved;
  // Another program's word names no connection.
  if (client.front == Front::kReport || sockets_ == nullptr) return;
  std::optional<uint64_t> found = 0;
  if (client.connection.IsComplete()) {
    found = sockets_->Find(client.connection);
    cannot_look_ = !found;
    client.socket = found.value_or(0);
  }
  if (!rules()->ban_needs_socket) return;
  client.presence = !client.connection.IsComplete() ? Presence::kUntold
                    : !found                        ? Presence::kUnseen
                    : *found == 0                   ? Presence::kClaimed
                                                    : Presence::kSeen;
}

std::optional<Withheld> Screener::WithheldFrom(const Client& client) const {
  switch (client.presence) {
    case Presence::kNotLooked:
    case Presence::kSeen:
    case Presence::kBelieved:
      break;
    case Presence::kClaimed:
      return Withheld::kNoSocket;
    case Presence::kUntold:
      return Withheld::kNoPorts;
    case Presence::kUnseen:
      return Withheld::kSocketUnseen;
  }
  if (IsSpared(rules()->spare, client)) return Withheld::kSpared;
  return std::nullopt;
}

asio::awaitable<void> Screener::Run(Asked asked) {
  Answers answers = co_await lists_.Lookup(asked.first);
  // With a name: g++ 12 frees the strings of one without in the wrong place.
  const Client client{
      .connection = {.client = asked.first},
      .presence = asked.second ? Presence::kBelieved : Presence::kClaimed};
  OffenceKinds strikes = conduct_.Standing(client);
  for (const OffenceKind strike : waiting_.at(asked).strikes) {
    AddOnce(strikes, strike);
  }
  Finish(asked,
         co_await VerdictFrom(client, std::move(answers), std::move(strikes)));
}

asio::awaitable<Verdict> Screener::VerdictFrom(Client client, Answers answers,
                                               OffenceKinds strikes) {
  const Rules& rules = *answers.rules;
  const Judgement judgement = Judge(rules, answers.listings, strikes);
  Verdict verdict{.action = judgement.action, .ban = judgement.ban};
  verdict.evidence.rules = answers.rules;
  verdict.evidence.listings.assign(answers.listings.begin(),
                                   answers.listings.end());
  if (judgement.action == Action::kPass) {
    verdict.reason = answers.overdue      ? Reason::kOverdue
                     : answers.overloaded ? Reason::kOverloaded
                                          : Reason::kClean;
    verdict.cleared = verdict.reason == Reason::kClean && answers.AllHeard();
    co_return verdict;
  }
  verdict.evidence.offences.assign(strikes.begin(), strikes.end());
  if (judgement.offence) {
    Verdict offence = OffenceVerdict(client, *judgement.offence, rules);
    offence.ban = verdict.ban;
    offence.evidence = std::move(verdict.evidence);
    co_return offence;
  }
  const Zone& zone = rules.zones[*judgement.zone];
  const ReplyForm& form = ReplyFormOf(rules, zone);
  const auto listing =
      std::ranges::find(answers.listings, *judgement.zone, &Listing::zone);
  std::string name;
  if (listing->name) name = NameOf(client, *listing->name).value_or("");
  // Asked only for somebody who will read them.
  std::string words;
  if (!rules.observe &&
      form.text_template.find("{reason}") != std::string::npos) {
    if (listing->name) {
      words = co_await lists_.ReasonText(client.address(), name, zone.name);
    } else {
      words = co_await lists_.ReasonText(client.address(), zone.name);
    }
  }
  verdict.reason = Reason::kListed;
  verdict.label = zone.label;
  verdict.id = keeper_.NewId();
  verdict.code = form.code;
  verdict.text =
      RenderReply(form.text_template,
                  {.client = client.address(),
                   .list = LabelOf(rules, answers.listings, *judgement.zone),
                   .reason = words,
                   .id = verdict.id,
                   .name = name});
  co_return verdict;
}

Verdict Screener::OffenceVerdict(const Client& client, OffenceKind kind,
                                 const Rules& rules) {
  const OffenceReply reply = ReplyOf(kind, rules);
  Verdict verdict{.action = Action::kReject,
                  .reason = Reason::kOffence,
                  .label = OffenceName(kind),
                  .code = reply.code,
                  .enhanced = reply.enhanced,
                  .id = keeper_.NewId()};
  verdict.text =
      kind == OffenceKind::kTrap
          ? unknown_user_.TextFor(client.recipient)
          : RenderReply(reply.text_template,
                        {.client = client.address(), .id = verdict.id});
  return verdict;
}

void Screener::Weigh(const IpAddress& client, Verdict& verdict) {
  restraint_.Consider(client, verdict);
  if (!rules_->observe || !verdict.IsRefusal()) return;
  verdict.would = std::exchange(verdict.action, Action::kPass);
}

void Screener::Finish(const Asked& asked, Verdict verdict) {
  const auto place = waiting_.find(asked);
  const Waiting waiting = std::move(place->second);
  waiting_.erase(place);
  metrics_.screenings_waiting.Set(static_cast<double>(waiting_.size()));
  verdict.took = Since(waiting.since);
  metrics_.verdict_seconds.Observe(
      std::chrono::duration<double>(verdict.took).count());

  // What is only claimed spends nobody's grace and puts on no brake. Each
  // screening knows why it may not ban.
  const bool is_proven = asked.second;
  const std::optional<Duration> ban = verdict.ban;
  if (!is_proven) verdict.ban.reset();
  Weigh(asked.first, verdict);
  if (!is_proven) verdict.ban = ban;
  for (const auto& screening : waiting.screenings) {
    // An operator may have banned the client while the lists were asked.
    screening->Complete(Banned(screening->client()).value_or(verdict));
  }
}

// ---- From an answer to a ban -----------------------------------------------

void Screener::Answered(const Client& client, const Verdict& verdict) {
  Tell(client, verdict);
  if (!verdict.IsRefusal()) return;
  // Said before the ban, so that closing the client's other sessions spares
  // the one that is being told why.
  const bool banned = verdict.ban || verdict.reason == Reason::kBanned;
  if (banned && client.connection.IsComplete()) {
    enforcer_.EndAfterReply(client.connection);
  }
  Impose(client, verdict);
}

void Screener::AnsweredFrom(std::shared_ptr<Screening> screening) {
  asio::post(loop_, [this, screening] {
    MarkAnswered(*screening);
    const std::optional<Verdict> verdict = screening->verdict();
    Answered(screening->client(), verdict.value_or(Pass(Reason::kOverdue)));
  });
}

void Screener::PassedOverdue(std::shared_ptr<Screening> screening) {
  asio::post(loop_, [this, screening] {
    MarkAnswered(*screening);
    Tell(screening->client(), Pass(Reason::kOverdue));
  });
}

void Screener::Impose(const Client& client, const Verdict& verdict) {
  if (verdict.withheld) {
    restraint_.NoteWithheld(client.address(), verdict, *verdict.withheld);
  }
  if (!verdict.ban) return;
  // The verdict may be older than what is known by now.
  if (GroundOf(verdict) != Ground::kLists &&
      restraint_.proxy().Suspects(client.address())) {
    restraint_.NoteWithheld(client.address(), verdict, Withheld::kProxy);
    return;
  }
  Evidence evidence = verdict.evidence;
  if (DropListings(evidence, [&](const Zone& zone) {
        return !lists_.MayBan(zone.label, client.address());
      })) {
    restraint_.NoteWithheld(client.address(), verdict, Withheld::kZoneInDoubt);
    return;
  }
  Verdict lasting;
  if (verdict.reason == Reason::kOffence &&
      verdict.label == OffenceName(OffenceKind::kTrap)) {
    // Who comes again has not asked for a user who could be unknown.
    lasting = verdict;
    lasting.text = RenderReply("Client {client} is refused [id {id}]",
                               {.client = client.address(), .id = verdict.id});
  }
  const auto in_force = keeper_.Impose(
      client, lasting.label.empty() ? verdict : lasting, std::move(evidence));
  if (!in_force) return;
  if (in_force->began) restraint_.Imposed(verdict);
  TurnOut(*in_force);
}

asio::awaitable<void> Screener::LiftIfUnlisted(Recheck::Due due) {
  const std::optional<Ban> ban = keeper_.Find(due);
  if (!ban) co_return;
  const Answers answers = co_await lists_.Lookup(ban->client);
  // Only what all of them have said just now counts: who was not asked has not
  // let the client go. And while one holds the client the ban stands, though
  // that alone would not have imposed it.
  const auto is_block = [&answers](const Listing& listing) {
    return answers.rules->zones[listing.zone].kind == ZoneKind::kBlock;
  };
  if (answers.overdue || answers.overloaded || answers.errors > 0 ||
      answers.stale > 0 || !answers.AllHeard() ||
      std::ranges::any_of(answers.listings, is_block)) {
    co_return;
  }
  if (keeper_.Find(due)) keeper_.Lift(due.network, "not-listed-any-more");
}

void Screener::Tick() {
  restraint_.Tick();
  // Not all at once, should many be due.
  constexpr int kMostAtATime = 100;
  for (int i = 0; i < kMostAtATime; ++i) {
    std::optional<Recheck::Due> due = keeper_.TakeDue();
    if (!due) break;
    asio::co_spawn(loop_, LiftIfUnlisted(*std::move(due)), asio::detached);
  }
}

const char* Screener::AgainstWide(const Network& network) {
  for (const Network& suspect : restraint_.proxy().state().suspects) {
    if (suspect.Overlaps(network)) return WithheldName(Withheld::kProxy);
  }
  for (const SessionTable::Session* session : sessions_.Of(network)) {
    if (session->authenticated ||
        IsSpared(rules_->spare, session->screening->client())) {
      return WithheldName(Withheld::kSpared);
    }
  }
  return nullptr;
}

void Screener::TurnOut(const BanKeeper::InForce& in_force) {
  TurnOut(in_force.ban);
  if (in_force.wide) TurnOut(*in_force.wide);
}

void Screener::TurnOut(const Ban& ban) {
  const Verdict verdict = VerdictOf(ban);
  // Who waits for the lists need not any more; of some only the policy server
  // knows. One address is found at once, a network's are looked for.
  const auto answer = [&](const Waiting& waiting) {
    for (const auto& screening : waiting.screenings) {
      if (!Exemption(*rules_, screening->client())) {
        screening->Complete(verdict);
      }
    }
  };
  if (ban.network == Network{.address = ban.network.address}) {
    for (const bool is_there : {true, false}) {
      const auto place = waiting_.find({ban.network.address, is_there});
      if (place != waiting_.end()) answer(place->second);
    }
  } else {
    for (const auto& [asked, waiting] : waiting_) {
      if (ban.network.Contains(asked.first)) answer(waiting);
    }
  }
  for (const SessionTable::Session* known : sessions_.Of(ban.network)) {
    const SessionTable::Session& session = *known;
    const Client& client = session.screening->client();
    if (session.authenticated || Exemption(*rules_, client)) continue;
    // First the answer, then the socket: an MTA that waits in a callback does
    // not notice that its socket has gone.
    session.screening->Complete(verdict);
    if (!session.answered && client.connection.IsComplete()) {
      enforcer_.Destroy(client.connection);
    }
  }
}

std::optional<Verdict> Screener::Banned(const Client& client) const {
  const std::optional<Ban> ban = bans_.Find(client.address(), Clock::now());
  if (!ban) return std::nullopt;
  const std::shared_ptr<const Rules> rules = this->rules();
  if (rules->observe || Exemption(*rules, client)) return std::nullopt;
  return VerdictOf(*ban);
}

// ---- Odds and ends ---------------------------------------------------------

std::shared_ptr<const Rules> Screener::rules() const {
  const std::lock_guard lock(rules_mutex_);
  return rules_;
}

}  // namespace breakwater
