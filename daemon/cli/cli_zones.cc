#include "daemon/cli/cli_zones.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "daemon/cli/cli_tables.h"
#include "daemon/protocol/cli_json.h"

namespace breakwater {
namespace {

using nlohmann::json;

// "37%", or "-" of nothing.
std::string Share(int64_t part, int64_t rest) {
  if (part + rest <= 0) return "-";
  return absl::StrCat((part * 100 + (part + rest) / 2) / (part + rest), "%");
}

std::string Milliseconds(const json& value) {
  return value.is_number() ? absl::StrFormat("%.1f", value.get<double>()) : "-";
}

// The state, which is that for IPv4; for IPv6 only what is remarkable there.
std::string State(const json& zone) {
  const json& state = Member(zone, "state");
  const bool is_domain = Member(state, "domain").is_string();
  std::string words = Text(state, is_domain ? "domain" : "ipv4");
  const std::string ipv6 = Text(state, "ipv6");
  if (words == "no-test-entry" && ipv6 == "ok") {
    words = "ok, IPv6 only";
  } else if (!is_domain && ipv6 != words && ipv6 != "no-test-entry" &&
             ipv6 != "unknown") {
    absl::StrAppend(&words, ", ipv6 ", ipv6);
  }
  if (IsTrue(zone, "in_doubt")) absl::StrAppend(&words, ", in doubt");
  const std::string allowance = Text(zone, "allowance");
  if (allowance == "sparing") absl::StrAppend(&words, ", asked last");
  if (allowance == "spent") absl::StrAppend(&words, ", not asked");
  return words;
}

std::string Weights(const json& zone) {
  if (Text(zone, "kind") == "allow") return "allow";
  return absl::StrJoin(
      Member(zone, "weights"), "/",
      [](std::string* out, const json& weight) { out->append(Text(weight)); });
}

std::vector<std::string> Row(const json& zone) {
  const json& today = Member(zone, "today");
  const json& saved = Member(today, "saved");
  const std::string budget = Text(zone, "daily_budget");
  return {Text(zone, "label"),
          State(zone),
          Weights(zone),
          absl::StrCat(Text(today, "asked"), budget.empty() ? "" : "/", budget),
          Share(Number(saved, "cache"), Number(today, "listing_questions")),
          Text(saved, "joined"),
          Text(saved, "ban"),
          Text(saved, "budget"),
          Share(Number(today, "listed"), Number(today, "not_listed")),
          Text(today, "errors"),
          Milliseconds(Member(zone, "p50_ms")),
          Milliseconds(Member(zone, "p99_ms"))};
}

}  // namespace

std::string ShowZones(const json& answer) {
  std::vector<std::vector<std::string>> rows;
  std::string trouble;
  for (const json& zone : Member(answer, "zones")) {
    rows.push_back(Row(zone));
    for (const json& sentence : Member(zone, "trouble")) {
      absl::StrAppend(&trouble, Text(zone, "label"), ": ", Text(sentence),
                      "\n");
    }
  }
  if (rows.empty()) return "no zone is configured\n";
  std::string out =
      absl::StrCat("Of ", Text(answer, "day"), " (UTC):\n",
                   Table({"zone", "state", "weight>", "asked>", "cached>",
                          "joined>", "banned>", "withheld>", "listed>",
                          "errors>", "p50 ms>", "p99 ms>"},
                         rows));
  if (!trouble.empty()) absl::StrAppend(&out, "\n", trouble);
  return out;
}

std::string ShowZoneTests(const json& answer) {
  std::string out;
  for (const json& zone : Member(answer, "zones")) {
    absl::StrAppend(&out, Text(zone, "label"), ": ", Text(zone, "verdict"),
                    " (", Text(zone, "ms"), " ms)\n");
    for (const char* family : {"ipv4", "ipv6", "domain"}) {
      const json& reading = Member(zone, family);
      if (!reading.is_object()) continue;
      absl::StrAppend(&out, "  ", family, "  ", Text(reading, "state"), ": ",
                      Text(reading, "words"), "\n");
    }
  }
  return out.empty() ? "no zone is configured\n" : out;
}

}  // namespace breakwater
