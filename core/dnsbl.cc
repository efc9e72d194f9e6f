#include "core/dnsbl.h"

#include <algorithm>
#include <array>
#include <utility>

#include "asio/experimental/as_tuple.hpp"
#include "asio/steady_timer.hpp"
#include "asio/use_awaitable.hpp"
#include "core/asked_address.h"
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

}  // namespace

std::string DnsblName(const IpAddress& client, std::string_view zone) {
  return NamePrefix(client).append(zone);
}

struct Dnsbl::ZoneState {
  explicit ZoneState(const Zone& zone, Metrics& metrics)
      : name(zone.name),
        watch(zone.label),
        cache_hits(metrics.CacheHits(zone.label)) {}

  const std::string name;
  ZoneWatch watch;
  prometheus::Counter& cache_hits;
  // By DnsType and ZoneOutcome, made when first needed.
  std::array<std::array<prometheus::Counter*, kZoneOutcomes>, 2> queries{};
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

  // Takes the next stage's zones out of those to be asked.
  std::vector<size_t> NextStage() {
    const std::vector<Zone>& zones = answers.rules->zones;
    const auto by_stage = [&zones](size_t a, size_t b) {
      return zones[a].after < zones[b].after;
    };
    const int stage = zones[*std::ranges::min_element(unasked, by_stage)].after;
    std::vector<size_t> result;
    std::erase_if(unasked, [&](size_t zone) {
      if (zones[zone].after != stage) return false;
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
      const int stage = answers.rules->zones[zone].after;
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
    if (asked.empty() || IsSettled()) End();
  }

  void AddStale(size_t zone, uint32_t filters) {
    ++answers.stale;
    if (filters != 0) {
      answers.listings.push_back({.zone = zone, .filters = filters});
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
      cache_(options.cache_capacity, 0) {}

Dnsbl::~Dnsbl() = default;

void Dnsbl::SetRules(std::shared_ptr<const Rules> rules) {
  const std::shared_ptr<const Rules> before = std::exchange(rules_, rules);
  if (SameZones(before->zones, rules_->zones)) return;
  auto states = std::make_shared<ZoneStates>();
  for (const Zone& zone : rules_->zones) {
    const auto old = std::ranges::find_if(*states_, [&](const auto& state) {
      return state->name == zone.name &&
             state->watch.health().label == zone.label;
    });
    states->push_back(old != states_->end()
                          ? *old
                          : std::make_shared<ZoneState>(zone, metrics_));
  }
  states_ = std::move(states);
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
  for (size_t zone = 0; zone < rules_->zones.size(); ++zone) {
    const std::optional<uint32_t> filters = cache_.Find(client, zone, now);
    if (!filters) {
      missing.push_back(zone);
    } else if (*filters != 0) {
      answers.listings.push_back({.zone = zone, .filters = *filters});
    }
  }
  return missing;
}

void Dnsbl::CountHits(const std::vector<size_t>& missing) {
  for (size_t zone = 0; zone < states_->size(); ++zone) {
    if (std::ranges::find(missing, zone) == missing.end()) {
      (*states_)[zone]->cache_hits.Increment();
    }
  }
}

std::optional<Answers> Dnsbl::Cached(const IpAddress& client) {
  Answers answers{.rules = rules_};
  const std::optional<IpAddress> asked = AskedAddress(client);
  if (!asked) return answers;
  const std::vector<size_t> missing = FillFromCache(*asked, answers);
  if (!IsSettled(*rules_, answers.listings, missing)) return std::nullopt;
  CountHits(missing);
  return answers;
}

asio::awaitable<Answers> Dnsbl::Lookup(IpAddress client) {
  Answers known{.rules = rules_};
  const std::optional<IpAddress> address = AskedAddress(client);
  if (!address) co_return known;
  const std::vector<size_t> missing = FillFromCache(*address, known);
  CountHits(missing);
  if (IsSettled(*rules_, known.listings, missing)) co_return known;

  const auto round = std::make_shared<Round>(loop_, options_.deadline);
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
  if (const auto self = weak.lock(); self != nullptr && !settled) {
    self->FillFromPast(*round);
  }
  round->ended = true;
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
  for (const size_t zone : stage) {
    resolver_.Query(
        prefix + zones[zone].name, DnsType::kA,
        [weak = std::weak_ptr<Dnsbl>(self_), round, zone](DnsAnswer answer) {
          const ZoneAnswer read =
              ReadZoneAnswer(round->answers.rules->zones[zone], answer);
          std::optional<uint32_t> stale;
          if (const auto self = weak.lock()) {
            stale = self->Stale(*round, zone);
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
  Count(state, DnsType::kA, read.outcome);
  state.watch.Note(read, now);
  if (read.outcome == ZoneOutcome::kOverloaded &&
      (!overload_said_ || now - *overload_said_ > kBetweenComplaints)) {
    overload_said_ = now;
    Log(Severity::kWarning, "dns-overloaded")
        .Add("in_flight", resolver_.in_flight());
  }
  if (round.states != states_) return;  // the cache is for other zones now

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

void Dnsbl::Count(ZoneState& state, DnsType type, ZoneOutcome outcome) {
  prometheus::Counter*& counter =
      state.queries[static_cast<size_t>(type)][static_cast<size_t>(outcome)];
  if (counter == nullptr) {
    counter = &metrics_.DnsQueries(state.watch.health().label, type, outcome);
  }
  counter->Increment();
  metrics_.dns_queries_in_flight.Set(
      static_cast<double>(resolver_.in_flight()));
}

asio::awaitable<std::string> Dnsbl::ReasonText(IpAddress client,
                                               std::string zone_name) {
  client = AskedAddress(client).value_or(client);
  const auto state = std::ranges::find_if(*states_, [&](const auto& candidate) {
    return candidate->name == zone_name;
  });
  if (state == states_->end()) co_return std::string();

  const auto wait = std::make_shared<Wait>(loop_, options_.reason_deadline);
  const auto text = std::make_shared<std::string>();
  resolver_.Query(DnsblName(client, zone_name), DnsType::kTxt,
                  [weak = std::weak_ptr<Dnsbl>(self_), state = *state, wait,
                   text](DnsAnswer answer) {
                    if (const auto self = weak.lock()) {
                      self->Count(*state, DnsType::kTxt,
                                  ZoneOutcomeOf(answer.outcome));
                    }
                    *text = std::move(answer.text);
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
  report->zones[zone].zone = zone;
  const auto take_text = [report, zone](DnsAnswer answer) {
    report->zones[zone].text = std::move(answer.text);
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
                      self->Count(state, DnsType::kA, entry.answer.outcome);
                      state.watch.Note(entry.answer, Clock::now());
                      if (entry.answer.outcome == ZoneOutcome::kListed) {
                        self->resolver_.Query(name, DnsType::kTxt, take_text);
                        return;
                      }
                    }
                    report->Finish();
                  });
}

std::vector<ZoneHealth> Dnsbl::Health() const {
  std::vector<ZoneHealth> result;
  for (const auto& state : *states_) result.push_back(state->watch.health());
  return result;
}

}  // namespace breakwater
