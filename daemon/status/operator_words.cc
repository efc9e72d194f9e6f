#include "daemon/status/operator_words.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/duration.h"
#include "core/types/ban.h"
#include "core/types/verdict.h"

namespace breakwater {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// " (no answer from a.test)", or nothing.
std::string Unheard(const json& zones) {
  std::vector<std::string> labels;
  for (const json& zone : zones) {
    if (zone["error"].get<bool>()) labels.push_back(zone["label"]);
  }
  if (labels.empty()) return "";
  return absl::StrCat(" (no answer from ", absl::StrJoin(labels, ", "), ")");
}

// ", with its neighbours: 8 of 2001:db8:0:100::/56 are banned", or nothing if
// it was banned itself.
std::string Neighbours(const json& ban) {
  if (ban["origin"] != OriginName(Origin::kNeighbours)) return "";
  return absl::StrCat(", with its neighbours: ", ban["members"].get<uint32_t>(),
                      " of ", ban["network"].get<std::string>(), " are banned");
}

std::string SummaryOfKnown(const json& answer, bool observe,
                           bool protection_known) {
  if (answer["exempt"].is_object()) {
    const json& exempt = answer["exempt"];
    if (exempt["until"].is_string()) {
      return absl::StrCat("is not judged until ",
                          exempt["until"].get<std::string>(), ": ",
                          exempt["network"].get<std::string>(), " is ",
                          exempt["why"].get<std::string>());
    }
    return absl::StrCat(
        "is never judged: ", exempt["network"].get<std::string>(),
        " is protected (", exempt["why"].get<std::string>(), ")");
  }
  if (!protection_known) {
    return "is not judged yet: it may be one whom the enforcer protects, which "
           "has not told of them";
  }
  const json& verdict = answer["verdict"];
  const std::string action = verdict["action"];
  std::string words;
  if (answer["ban"].is_object()) {
    const bool looked_for = answer["looked_for"] != false;
    words = absl::StrCat(looked_for ? "is kept out until " : "is banned until ",
                         answer["ban"]["until"].get<std::string>(),
                         Neighbours(answer["ban"]),
                         looked_for ? ""
                                    : ", but refused only: no rule of the "
                                      "firewall drops who is in the sets",
                         "; without that ban it ");
  }
  if (action == "pass") {
    return absl::StrCat(words, "would pass", Unheard(answer["zones"]));
  }
  absl::StrAppend(&words, "would be ",
                  action == "defer" ? "deferred" : "rejected", " for ",
                  verdict["zone"].get<std::string>());
  if (verdict["withheld"] == WithheldName(Withheld::kGoodHistory)) {
    words += " and, for its good history, not banned the first time";
  } else if (verdict["withheld"] == WithheldName(Withheld::kBrake)) {
    words += " and not banned, for the brake is on";
  } else if (verdict["withheld"] == WithheldName(Withheld::kProxy)) {
    words += " and not banned, for it seems to be a proxy";
  } else if (verdict["ban_seconds"].is_number()) {
    absl::StrAppend(
        &words, " and banned for ",
        FormatDuration(seconds(verdict["ban_seconds"].get<int64_t>())));
  } else {
    words += " and not banned";
  }
  if (observe) words += ", were the mode not \"observe\"";
  return words;
}

}  // namespace

std::string Summary(const json& answer, bool observe, bool protection_known) {
  const std::string summary = SummaryOfKnown(answer, observe, protection_known);
  if (answer["left_over_sets"] != true) return summary;
  return summary +
         "; but sets of the firewall that the configuration does not name may "
         "keep it out: see status";
}

std::string NameSummary(const json& answer, bool observe) {
  if (answer["zones"].empty()) {
    return "is asked nowhere: no zone has type = \"domain\"";
  }
  const json& verdict = answer["verdict"];
  if (verdict["action"] == "pass") {
    return absl::StrCat("would let a client pass", Unheard(answer["zones"]));
  }
  return absl::StrCat(
      "would have a client ",
      verdict["action"] == "defer" ? "deferred" : "rejected", " for ",
      verdict["zone"].get<std::string>(),
      verdict["ban_seconds"].is_number()
          ? absl::StrCat(
                " and banned for ",
                FormatDuration(seconds(verdict["ban_seconds"].get<int64_t>())))
          : " and not banned",
      observe ? ", were the mode not \"observe\"" : "");
}

json WhyNoReply(const json& answer, bool observe, bool protection_known) {
  const auto exempt = answer.find("exempt");
  if (exempt != answer.end() && exempt->is_object()) return "it is not judged";
  if (!protection_known) return "it is not judged yet";
  if (observe) return "the mode is \"observe\"";
  return nullptr;
}

}  // namespace breakwater
