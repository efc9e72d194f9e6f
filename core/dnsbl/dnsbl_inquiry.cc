// What is asked past the cache: a list's own words, and what the operator wants
// to know now.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "core/base/text.h"
#include "core/dnsbl/dnsbl.h"
#include "core/dnsbl/dnsbl_parts.h"
#include "core/net/asked_address.h"

namespace breakwater {
namespace {

// Of an operator's tests of zones. The resolver gives up long before.
constexpr auto kTestsDeadline = std::chrono::seconds(30);

}  // namespace

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

struct Dnsbl::Tests : Wait {
  Tests(asio::io_context& loop, Duration deadline) : Wait(loop, deadline) {}

  std::vector<ZoneTest> zones;
  size_t outstanding = 0;
};

asio::awaitable<std::string> Dnsbl::ReasonText(IpAddress client,
                                               std::string zone_name) {
  const IpAddress asked = AskedAddress(client).value_or(client);
  return AskReason(asked, asked, std::move(zone_name));
}

asio::awaitable<std::string> Dnsbl::ReasonText(IpAddress client,
                                               std::string name,
                                               std::string zone_name) {
  return AskReason(AskedAddress(client).value_or(client), std::move(name),
                   std::move(zone_name));
}

asio::awaitable<std::string> Dnsbl::AskReason(IpAddress who, Subject subject,
                                              std::string zone_name) {
  const auto state = std::ranges::find_if(*states_, [&](const auto& candidate) {
    return candidate->name == zone_name;
  });
  if (state == states_->end()) co_return std::string();
  ZoneAccount& account = (*state)->account;
  if (!account.is_free() || !account.MayAsk(who)) {
    account.NoteWithheld(who);
    co_return std::string();
  }
  account.NoteAsking(who);

  const auto wait = std::make_shared<Wait>(loop_, options_.reason_deadline);
  const auto text = std::make_shared<std::string>();
  resolver_.Query(DnsblName(subject, zone_name), DnsType::kTxt,
                  [weak = std::weak_ptr<Dnsbl>(self_), state = *state, wait,
                   text, asked = Clock::now()](DnsAnswer answer) {
                    state->account.NoteAnswered();
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

asio::awaitable<std::vector<Dnsbl::ZoneReport>> Dnsbl::Ask(Subject subject) {
  ZoneType type = ZoneType::kDomain;
  if (auto* client = std::get_if<IpAddress>(&subject)) {
    type = ZoneType::kAddress;
    *client = AskedAddress(*client).value_or(*client);
  }
  const auto report = std::make_shared<Report>(
      loop_, options_.deadline + options_.reason_deadline);
  report->rules = rules_;
  report->states = states_;
  for (size_t zone = 0; zone < rules_->zones.size(); ++zone) {
    if (rules_->zones[zone].type == type) report->zones.push_back({zone});
  }
  report->outstanding = report->zones.size();
  for (size_t place = 0; place < report->zones.size(); ++place) {
    AskZone(subject, place, report);
  }
  if (report->outstanding > 0) co_await Wait::Until(report);
  co_return report->zones;
}

void Dnsbl::AskZone(const Subject& subject, size_t place,
                    const std::shared_ptr<Report>& report) {
  const size_t zone = report->zones[place].zone;
  const std::string name = DnsblName(subject, rules_->zones[zone].name);
  const ZoneTrust& trust = (*states_)[zone]->trust;
  report->zones[place].believed = trust.MayCondemn(FamilyOf(subject));
  report->zones[place].may_ban = trust.MayBan(FamilyOf(subject));
  const auto take_text = [weak = std::weak_ptr<Dnsbl>(self_), report, place,
                          zone](DnsAnswer answer) {
    if (const auto self = weak.lock()) {
      self->Count(*(*report->states)[zone], Question::kReason,
                  ZoneOutcomeOf(answer.outcome), std::nullopt);
    }
    const ZoneState& state = *(*report->states)[zone];
    report->zones[place].text =
        WithoutZoneName(answer.text, state.name, state.label);
    report->Finish();
  };
  resolver_.Query(name, DnsType::kA,
                  [weak = std::weak_ptr<Dnsbl>(self_), name, report, place,
                   zone, take_text](DnsAnswer answer) {
                    ZoneReport& entry = report->zones[place];
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
  ZoneProbe probe = co_await ProbeZone(loop, resolver, state->name, state->type,
                                       std::move(random_label), count);
  tests->zones[place].probe = std::move(probe);
  tests->zones[place].took =
      std::chrono::duration_cast<Duration>(Clock::now() - started);
  if (--tests->outstanding == 0) tests->End();
}

}  // namespace breakwater
