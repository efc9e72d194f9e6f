#include "daemon/cli/cli_tables.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/text.h"
#include "daemon/cli/cli_zones.h"
#include "daemon/protocol/cli_json.h"

namespace breakwater {
namespace {

using nlohmann::json;

// "Heading" and its lines, indented.
void Section(std::string& out, const std::string& heading,
             const std::string& lines) {
  if (lines.empty()) return;
  absl::StrAppend(&out, "\n", heading, "\n");
  size_t begin = 0;
  while (begin < lines.size()) {
    const size_t end = std::min(lines.find('\n', begin), lines.size());
    absl::StrAppend(&out, "  ", lines.substr(begin, end - begin), "\n");
    begin = end + 1;
  }
}

std::string Lines(const json& list) {
  std::string lines;
  for (const json& line : list) absl::StrAppend(&lines, Text(line), "\n");
  return lines;
}

// "1 ban"; nothing in place of a number that is not there.
std::string Many(const json& object, const char* key, const char* one,
                 const char* many) {
  if (!Member(object, key).is_number()) return absl::StrCat(" ", many);
  return Counted(static_cast<uint64_t>(Number(object, key)), one, many);
}

// What it is believed; a list may have IPv6 alone.
std::string StateOf(const json& zone) {
  const bool has_only_ipv6 = Text(zone, "state_ipv4") == "no-test-entry" &&
                             Text(zone, "state_ipv6") == "ok";
  return absl::StrCat(Text(zone, "state"), has_only_ipv6 ? ", IPv6 only" : "");
}

std::string ZoneTable(const json& zones) {
  std::vector<std::vector<std::string>> rows;
  for (const json& zone : zones) {
    std::string last = Text(zone, "last");
    if (Member(zone, "failing_seconds").is_number()) {
      absl::StrAppend(&last, ", failing for ",
                      RoughTime(Number(zone, "failing_seconds")));
    }
    rows.push_back({Text(zone, "label"), IsTrue(zone, "bans") ? "yes" : "no",
                    StateOf(zone), Text(zone, "queries"), Text(zone, "listed"),
                    Text(zone, "errors"), last});
  }
  return Table(
      {"zone", "bans", "state", "queries>", "listed>", "errors>", "last"},
      rows);
}

std::string EnforcerLine(const json& enforcer) {
  std::string line = IsTrue(enforcer, "connected") ? "connected" : "AWAY";
  absl::StrAppend(&line, " for ", RoughTime(Number(enforcer, "seconds")),
                  ", since ", Text(enforcer, "since"));
  if (const json& silent = Member(enforcer, "silent_seconds");
      silent.is_number()) {
    absl::StrAppend(&line, ", NO ANSWER for ",
                    RoughTime(silent.get<int64_t>()));
  }
  for (const json& backend : Member(enforcer, "backends")) {
    absl::StrAppend(&line, ", ", Text(backend));
  }
  for (const auto& [name, count] : Member(enforcer, "counters").items()) {
    absl::StrAppend(&line, ", ", Printable(name), " ", Text(count));
  }
  const std::string trouble = Text(enforcer, "trouble");
  if (!trouble.empty()) absl::StrAppend(&line, "\n", trouble);
  return line + "\n";
}

// When an MTA last asked at a door, of which the sockets are one.
std::string Asked(const json& doors, absl::string_view front) {
  for (const json& door : doors) {
    if (Text(door, "front") != front || !door.contains("asked_seconds_ago")) {
      continue;
    }
    const json& seconds = Member(door, "asked_seconds_ago");
    if (!seconds.is_number()) return "  (not asked since the start)";
    return absl::StrCat("  (last asked ", RoughTime(seconds.get<int64_t>()),
                        " ago)");
  }
  return "";
}

std::string DoorLines(const json& fronts, const json& doors) {
  const std::string milter = Text(fronts, "milter");
  std::string lines = absl::StrCat(
      "milter  ",
      milter.empty() ? "off" : absl::StrCat(milter, Asked(doors, "milter")),
      "\n");
  std::vector<std::string> sockets;
  for (const json& socket : Member(fronts, "policy")) {
    sockets.push_back(Text(socket));
  }
  if (sockets.empty()) return lines;
  return absl::StrCat(lines, "policy  ", absl::StrJoin(sockets, ", "),
                      Asked(doors, "policy"), "\n");
}

std::string BrakeLine(const json& brake, const json& history) {
  return absl::StrCat(
      IsTrue(brake, "on") ? "ON: lists ban nobody" : "off", ", ",
      Many(brake, "bans_per_minute", "ban", "bans"),
      " in the last minute (ceiling ", Text(brake, "ceiling"), "), ",
      Text(brake, "good"), " of the last ", Text(brake, "condemned"),
      " condemned networks have a good history\n",
      Many(history, "good", "client has", "clients have"), " a good history, ",
      Many(history, "on_probation", "is", "are"), " on probation\n");
}

std::string ConductLines(const json& conduct) {
  std::vector<std::vector<std::string>> rows;
  for (const json& offence : Member(conduct, "on_record")) {
    rows.push_back({Text(offence, "kind"), Text(offence, "count"),
                    Text(offence, "after"), Text(offence, "last")});
  }
  std::string out =
      rows.empty() ? "no offence is on record\n"
                   : Table({"offence", "count>", "strikes at>", "last"}, rows);
  if (const json& next = Member(conduct, "next"); next.is_object()) {
    absl::StrAppend(&out, "it takes ", Text(next, "missing"), " more of ",
                    Text(next, "kind"), " to strike\n");
  }
  const json& seconds = Member(conduct, "next_ban_seconds");
  absl::StrAppend(&out, "banned ", Many(conduct, "banned", "time", "times"),
                  " of late; the next ban is for ",
                  RoughTime(seconds.is_number() ? seconds.get<int64_t>() : 0),
                  " or what its rule says\n");
  return out;
}

std::string StandingLine(const json& history) {
  if (!history.is_object()) return "no mail of it was accepted of late\n";
  std::string line = absl::StrCat(
      IsTrue(history, "good") ? "good" : "on probation", ", weight ",
      Text(history, "weight"), ", mail accepted from ", Text(history, "first"),
      " to ", Text(history, "last"), "\n");
  if (const std::string warned = Text(history, "warned"); !warned.empty()) {
    absl::StrAppend(&line, "refused without a ban at ", warned, "\n");
  }
  return line;
}

std::string AllowanceTable(const json& allowances) {
  std::vector<std::vector<std::string>> rows;
  for (const json& one : allowances) {
    rows.push_back({Text(one, "network"),
                    RoughTime(Number(one, "seconds_left")), Text(one, "until"),
                    Text(one, "reason")});
  }
  return Table({"network", "left>", "until", "reason"}, rows);
}

std::string ShowStatus(const json& answer) {
  std::string out = absl::StrCat(
      "Breakwater ", Text(answer, "version"), ", mode ", Text(answer, "mode"),
      ", up ", RoughTime(Number(answer, "uptime_seconds")), " (since ",
      Text(answer, "started"), ")\n", Many(answer, "bans", "ban", "bans"), ", ",
      Many(answer, "sessions", "session", "sessions"), ", ",
      Text(answer, "waiting"), " waiting for a verdict, ",
      Many(answer, "cached_clients", "client", "clients"), " cached\n");
  const std::string problems = Lines(Member(answer, "problems"));
  Section(out, "Problems", problems.empty() ? "none\n" : problems);
  Section(out, "Warnings", Lines(Member(answer, "warnings")));
  Section(out, "Doors",
          DoorLines(Member(answer, "fronts"), Member(answer, "doors")));
  Section(out, "Lists", ZoneTable(Member(answer, "zones")));
  Section(out, "Brake",
          BrakeLine(Member(answer, "brake"), Member(answer, "history")));
  Section(out, "Enforcer", EnforcerLine(Member(answer, "enforcer")));
  std::vector<std::vector<std::string>> rows;
  for (const json& network : Member(answer, "protected")) {
    rows.push_back({Text(network, "network"), Text(network, "why")});
  }
  if (const int64_t more = Number(answer, "protected_not_shown"); more > 0) {
    rows.push_back({absl::StrCat("and ", more, " more"), "protect.networks"});
  }
  Section(out, "Never judged, never banned", Table({"network", "why"}, rows));
  Section(out, "Allowed for a while",
          AllowanceTable(Member(answer, "allowed")));
  return out;
}

std::vector<std::string> BanRow(const json& ban) {
  return {Text(ban, "network"), RoughTime(Number(ban, "seconds_left")),
          Text(ban, "until"),   Text(ban, "origin"),
          Text(ban, "count"),   Text(ban, "id"),
          Text(ban, "reason")};
}

std::string BanTable(const std::vector<std::vector<std::string>>& rows) {
  return Table(
      {"network", "left>", "until", "origin", "times>", "id", "reason"}, rows);
}

std::string ShowBans(const json& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json& ban : Member(answer, "bans")) rows.push_back(BanRow(ban));
  if (rows.empty()) return "nobody is banned\n";
  const size_t shown = rows.size();
  std::string out = BanTable(rows);
  if (Number(answer, "total") > static_cast<int64_t>(shown)) {
    absl::StrAppend(&out, shown, " of ", Text(answer, "total"),
                    " bans, those that end soonest; --limit shows more\n");
  }
  return out;
}

std::string NoteLine(const json& answer) {
  const std::string note = Text(answer, "note");
  return note.empty() ? "" : note + "\n";
}

std::string ShowBan(const json& answer) {
  const json& ban = Member(answer, "ban");
  const std::string out =
      absl::StrCat(Text(ban, "network"), " is kept out until ",
                   Text(ban, "until"), " [id ", Text(ban, "id"), "]\n");
  return out + NoteLine(answer);
}

std::string ShowHistory(const json& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json& event : Member(answer, "events")) {
    const int64_t length = Number(event, "seconds");
    rows.push_back({Text(event, "when"), Text(event, "network"),
                    Text(event, "what"), length > 0 ? RoughTime(length) : "",
                    Text(event, "label"), Text(event, "id"),
                    Text(event, "detail")});
  }
  if (rows.empty()) {
    return absl::StrCat("nothing is known to have happened to ",
                        Text(answer, "address"), "\n", NoteLine(answer));
  }
  return Table({"when", "network", "what", "for>", "by", "id", "detail"},
               rows) +
         NoteLine(answer);
}

std::string ShowReport(const json& answer) {
  const json& ban = Member(answer, "ban");
  const std::string effect = Text(answer, "effect");
  std::string out = absl::StrCat(
      Text(answer, "address"), ": ", effect, ", ", Text(answer, "offence"), " ",
      Text(answer, "count"), " of ", Text(answer, "after"));
  const std::string withheld = Text(answer, "withheld");
  if (!withheld.empty()) absl::StrAppend(&out, "; not banned: ", withheld);
  if (ban.is_object()) {
    absl::StrAppend(&out, "; ", Text(ban, "network"), " is kept out until ",
                    Text(ban, "until"), " [id ", Text(ban, "id"), "]");
  }
  return out + "\n";
}

std::string LiftedLine(const json& was) {
  return absl::StrCat(Text(was, "network"), " may come in again; it was banned",
                      " by ", Text(was, "origin"), ": ", Text(was, "reason"),
                      "\n");
}

std::string ShowUnban(const json& answer) {
  std::string out = LiftedLine(Member(answer, "was"));
  const json& more = Member(answer, "more");
  for (const json& ban : more) out += LiftedLine(ban);
  const int64_t untold =
      Number(answer, "lifted") - 1 - static_cast<int64_t>(more.size());
  if (untold > 0) absl::StrAppend(&out, "and ", untold, " more\n");
  return out + NoteLine(answer);
}

std::string ShowAllow(const json& answer) {
  const json& allowed = Member(answer, "allowed");
  std::string out = absl::StrCat(Text(allowed, "network"),
                                 " is neither judged nor banned until ",
                                 Text(allowed, "until"));
  if (const json& replaced = Member(answer, "replaced"); replaced.is_object()) {
    absl::StrAppend(&out, "; it was so until ", Text(replaced, "until"));
  }
  out += "\n";
  if (const json& by = Member(answer, "protected"); by.is_object()) {
    absl::StrAppend(&out, "it is protected anyway, by ", Text(by, "by"), ": ",
                    Text(by, "network"), "\n");
  }
  if (const int64_t unbanned = Number(answer, "unbanned"); unbanned > 0) {
    absl::StrAppend(&out, unbanned, unbanned == 1 ? " ban was" : " bans were",
                    " lifted\n");
  }
  return out + NoteLine(answer);
}

std::string ShowAllowed(const json& answer) {
  const std::string table = AllowanceTable(Member(answer, "allowed"));
  return table.empty() ? "nobody is allowed for a while\n" : table;
}

std::string ShowDisallow(const json& answer) {
  const std::string network = Text(Member(answer, "was"), "network");
  const json& still = Member(answer, "still");
  if (!still.is_object()) {
    return absl::StrCat(network, " is judged again\n", NoteLine(answer));
  }
  return absl::StrCat(network, " is no longer allowed by itself, but with ",
                      Text(still, "network"), " until ", Text(still, "until"),
                      "\n", NoteLine(answer));
}

// What each list answered, asked about an address or a name.
std::string ReportTable(const json& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json& zone : Member(answer, "zones")) {
    std::vector<std::string> addresses;
    for (const json& address : Member(zone, "addresses")) {
      addresses.push_back(Text(address));
    }
    rows.push_back({Text(zone, "label"), Text(zone, "outcome"),
                    absl::StrJoin(addresses, " "), Text(zone, "counted"),
                    Text(zone, "ms"), Text(zone, "text")});
  }
  return rows.empty() ? ""
                      : Table({"zone", "outcome", "answers", "counted", "ms>",
                               "its words"},
                              rows);
}

void ReplySection(std::string& out, const json& verdict) {
  const std::string reply = Text(verdict, "reply");
  if (reply.empty()) return;
  const std::string why = Text(verdict, "reply_withheld");
  Section(out,
          why.empty() ? "The reply"
                      : absl::StrCat("The reply, which is not given: ", why),
          reply + "\n");
}

std::string ShowExplainName(const json& answer) {
  std::string out =
      absl::StrCat(Text(answer, "name"), " ", Text(answer, "summary"), "\n");
  ReplySection(out, Member(answer, "verdict"));
  Section(out, "The lists of domains, asked just now", ReportTable(answer));
  return out;
}

std::string ShowExplain(const json& answer) {
  std::string out =
      absl::StrCat(Text(answer, "address"), " ", Text(answer, "summary"), "\n");
  ReplySection(out, Member(answer, "verdict"));
  if (const json& ban = Member(answer, "ban"); ban.is_object()) {
    Section(out, "The ban in force", BanTable({BanRow(ban)}));
  }
  Section(out, "Its history", StandingLine(Member(answer, "history")));
  Section(out, "What it did", ConductLines(Member(answer, "conduct")));
  Section(out, "The lists, asked just now", ReportTable(answer));
  absl::StrAppend(&out, "\nA ban would cover ", Text(answer, "network"),
                  "; nobody is judged on ports ",
                  absl::StrJoin(Member(answer, "not_judged_on_ports"), ", ",
                                [](std::string* text, const json& port) {
                                  text->append(Text(port));
                                }),
                  ".\n");
  return out;
}

std::string ShowReload(const json& answer) {
  return absl::StrCat("the configuration was loaded\n",
                      Lines(Member(answer, "notes")));
}

}  // namespace

std::string RoughTime(int64_t seconds) {
  constexpr std::array<std::pair<int64_t, const char*>, 4> kUnits = {
      {{86'400, "d"}, {3'600, "h"}, {60, "m"}, {1, "s"}}};
  std::string result;
  size_t shown = 0;
  for (const auto& [length, name] : kUnits) {
    if (shown == 0 && seconds < length && length > 1) continue;
    if (shown == 2) break;
    const int64_t count = std::max<int64_t>(seconds, 0) / length;
    seconds -= count * length;
    if (shown == 1 && count == 0) break;
    absl::StrAppend(&result, shown == 0 ? "" : " ", count, name);
    ++shown;
  }
  return result;
}

std::string Table(const std::vector<std::string>& headings,
                  const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return "";
  std::vector<std::string> first;
  std::vector<bool> right;
  for (const std::string& heading : headings) {
    right.push_back(heading.ends_with('>'));
    first.push_back(heading.substr(0, heading.size() - right.back()));
  }
  std::vector<const std::vector<std::string>*> all = {&first};
  for (const auto& row : rows) all.push_back(&row);
  std::vector<size_t> widths(headings.size());
  for (const auto* row : all) {
    for (size_t i = 0; i < row->size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], (*row)[i].size());
    }
  }
  std::string out;
  for (const auto* row : all) {
    std::string line;
    for (size_t i = 0; i < row->size() && i < widths.size(); ++i) {
      const std::string& cell = (*row)[i];
      const std::string padding(widths[i] - cell.size(), ' ');
      absl::StrAppend(&line, i == 0 ? "" : "  ",
                      right[i] ? padding + cell : cell + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&out, line, "\n");
  }
  return out;
}

std::string ShowAnswer(const ControlRequest& request, const json& answer) {
  switch (request.verb) {
    case Verb::kStatus:
      return ShowStatus(answer);
    case Verb::kBans:
      return ShowBans(answer);
    case Verb::kBan:
      return ShowBan(answer);
    case Verb::kUnban:
      return ShowUnban(answer);
    case Verb::kHistory:
      return ShowHistory(answer);
    case Verb::kAllow:
      return ShowAllow(answer);
    case Verb::kAllowed:
      return ShowAllowed(answer);
    case Verb::kDisallow:
      return ShowDisallow(answer);
    case Verb::kExplain:
      return request.name.empty() ? ShowExplain(answer)
                                  : ShowExplainName(answer);
    case Verb::kReport:
      return ShowReport(answer);
    case Verb::kZones:
      return ShowZones(answer);
    case Verb::kTestZones:
      return ShowZoneTests(answer);
    case Verb::kMetrics: {
      // Exactly as it came: labels are the configuration's own.
      const json& text = Member(answer, "metrics");
      return text.is_string() ? text.get<std::string>() : "";
    }
    case Verb::kReload:
      return ShowReload(answer);
    case Verb::kExport:
    case Verb::kImport:
      break;  // are many requests, and shown by who makes them
  }
  return "";
}

}  // namespace breakwater
