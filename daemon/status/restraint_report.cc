#include "daemon/status/restraint_report.h"

#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/duration.h"
#include "daemon/status/operator_report.h"

namespace breakwater {
namespace {

using nlohmann::json;
using std::chrono::duration_cast;
using std::chrono::seconds;

}  // namespace

json DescribeBrake(const Brake::State& state, Instant now) {
  json result = {{"on", state.on_since.has_value()},
                 {"why", nullptr},
                 {"seconds", nullptr},
                 {"bans_per_minute", state.bans},
                 {"ceiling", state.ceiling},
                 {"condemned", state.condemned},
                 {"good", state.good},
                 {"zone", state.label}};
  if (state.on_since) {
    result["why"] = BrakeCauseName(state.cause);
    result["seconds"] = duration_cast<seconds>(now - *state.on_since).count();
  }
  return result;
}

json DescribeHistory(const GoodHistory& history, const HistoryRules& rules) {
  return {{"good", history.good()},
          {"on_probation", history.on_probation()},
          {"clients", rules.clients},
          {"bytes", history.bytes()}};
}

json DescribeStanding(const GoodHistory::Standing& standing, Instant now) {
  json result = {{"good", standing.good},
                 {"weight", std::round(standing.weight * 10) / 10},
                 {"first", WallTime(standing.first, now)},
                 {"last", WallTime(standing.last, now)},
                 {"warned", nullptr}};
  if (standing.warned) result["warned"] = WallTime(*standing.warned, now);
  return result;
}

json DescribeProxy(const ProxyWatch::State& state, Instant now) {
  json result = {{"suspected", state.on_since.has_value()},
                 {"seconds", nullptr},
                 {"clients", json::array()}};
  if (!state.on_since) return result;
  result["seconds"] = duration_cast<seconds>(now - *state.on_since).count();
  for (const Network& suspect : state.suspects) {
    result["clients"].push_back(suspect.ToString());
  }
  return result;
}

std::optional<std::string> ProxyProblem(const ProxyWatch::State& state,
                                        Instant now) {
  if (!state.on_since) return std::nullopt;
  const std::string clients = absl::StrJoin(
      state.suspects, " and ", [](std::string* text, const Network& suspect) {
        text->append(suspect.ToString());
      });
  return absl::StrCat("all connections of the last ",
                      FormatDuration(duration_cast<seconds>(now - state.since)),
                      " seem to come from ", clients, " (", state.connections,
                      " when that was noticed): if that is a proxy or a NAT, "
                      "the clients behind "
                      "it are judged as one. For offences it is not banned "
                      "meanwhile. Let the mail server learn who the clients "
                      "are (PROXY protocol, XCLIENT), or name that address in "
                      "spare.networks if "
                      "no other client is expected");
}

std::optional<std::string> BrakeProblem(const Brake::State& state,
                                        Ground ground, bool observe,
                                        Instant now) {
  if (!state.on_since) return std::nullopt;
  const bool by_lists = ground == Ground::kLists;
  const char* const who = by_lists ? "lists" : "offences";
  const std::string length =
      FormatDuration(duration_cast<seconds>(now - *state.on_since));
  std::string why;
  if (state.cause == BrakeCause::kGoodHistory) {
    why =
        absl::StrCat(state.good, " of the last ", state.condemned,
                     " networks that ", who, " condemned have a good history");
    if (!state.label.empty()) {
      absl::StrAppend(&why, ", most of them ", by_lists ? "held by " : "for ",
                      state.label);
    }
    absl::StrAppend(&why, by_lists ? "; if that list is wrong, take it out"
                                   : "; if that is our own mistake, mend it");
  } else {
    why =
        absl::StrCat(who, " condemned ", state.bans,
                     " clients in the last minute, where up to ", state.ceiling,
                     " are banned; if it is a wave, raise "
                     "brake.bans_per_minute");
  }
  return absl::StrCat("the brake has been on for ", length, ": ", who,
                      observe ? " would ban" : " ban", " nobody: ", why);
}

}  // namespace breakwater
