#include "daemon/protocol/control_request.h"

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/types/allowance.h"
#include "core/types/domain_name.h"
#include "core/types/record.h"
#include "daemon/protocol/client_word.h"

namespace breakwater {
namespace {

constexpr size_t kLongestReason = 200;

constexpr size_t kLongestLabel = 100;

constexpr char kForce[] = "--force";
constexpr char kForceAndMore[] = "--force ";

constexpr std::array kVerbs = {
    Verb::kStatus,  Verb::kBans,    Verb::kBan,      Verb::kUnban,
    Verb::kAllow,   Verb::kAllowed, Verb::kDisallow, Verb::kHistory,
    Verb::kExplain, Verb::kReport,  Verb::kZones,    Verb::kTestZones,
    Verb::kMetrics, Verb::kReload,  Verb::kExport,   Verb::kImport};

std::string Shown(std::string_view word) {
  return absl::StrCat("\"", Escaped(word, 60), "\"");
}

absl::Status Wrong(std::string_view field, std::string_view word,
                   const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(field), ": ",
                   word.empty() ? "the word" : Shown(word), " ", why));
}

// Takes the first word off the line; empty at its end.
std::string_view NextWord(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

std::optional<uint64_t> ParseNumber(std::string_view text, uint64_t least,
                                    uint64_t most) {
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  if (number < least || number > most) return std::nullopt;
  return number;
}

// Those of unban and history may be the network of many clients.
bool TakesWide(Verb verb) {
  return verb == Verb::kUnban || verb == Verb::kHistory;
}

bool TakesAddress(Verb verb) {
  return verb == Verb::kBan || verb == Verb::kUnban || verb == Verb::kHistory ||
         verb == Verb::kExplain;
}

bool TakesNetwork(Verb verb) {
  return verb == Verb::kAllow || verb == Verb::kDisallow;
}

bool TakesLength(Verb verb) {
  return verb == Verb::kBan || verb == Verb::kAllow;
}

absl::Status ReadClient(std::string_view& line, ControlRequest& request) {
  const std::string_view word = NextWord(line);
  const absl::StatusOr<IpAddress> address = ParseClient(word);
  if (address.ok()) {
    request.address = *address;
    return absl::OkStatus();
  }
  if (TakesWide(request.verb)) {
    const absl::StatusOr<Network> network = ParseClientOrWide(word);
    if (!network.ok()) return network.status();
    request.network = *network;
    request.address = network->address;
    return absl::OkStatus();
  }
  if (request.verb != Verb::kExplain ||
      word.find('/') != std::string_view::npos) {
    return address.status();
  }
  const std::optional<std::string> name = ListedName(word);
  if (!name) {
    return Wrong("address", word,
                 "is neither an IP address nor a domain name; write "
                 "192.0.2.5, 2001:db8::5 or mail.example.org");
  }
  request.name = *name;
  return absl::OkStatus();
}

absl::Status ReadNetwork(std::string_view& line, ControlRequest& request) {
  const std::string_view word = NextWord(line);
  if (const auto address = IpAddress::Parse(word)) {
    request.network = Network::OfClient(*address);
    return absl::OkStatus();
  }
  const absl::StatusOr<Network> network = Network::Parse(word);
  if (!network.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("network: ", network.status().message()));
  }
  request.network = *network;
  return absl::OkStatus();
}

// What is allowed by a slip would let in the world.
absl::Status ReadForce(std::string_view& line, ControlRequest& request) {
  request.force = line == kForce || line.starts_with(kForceAndMore);
  if (request.force) NextWord(line);
  if (request.force || !IsWide(request.network)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "network: ", request.network.ToString(),
      " holds the clients of many owners, and none of them would be judged; "
      "with --force it is allowed all the same"));
}

absl::Status ReadLength(std::string_view& line, ControlRequest& request) {
  const uint64_t most = request.verb == Verb::kBan
                            ? kLongestBanSeconds
                            : uint64_t{kLongestAllowance.count()};
  const std::string_view word = NextWord(line);
  const auto seconds = ParseNumber(word, 1, most);
  if (!seconds) {
    return Wrong("seconds", word,
                 absl::StrCat("is not a number of seconds from 1 to ", most,
                              request.verb == Verb::kBan
                                  ? ", the longest that the kernel can count"
                                  : ", the longest allowance",
                              "; write 600"));
  }
  request.length = std::chrono::seconds(*seconds);
  if (request.verb == Verb::kAllow) {
    if (absl::Status status = ReadForce(line, request); !status.ok()) {
      return status;
    }
  }
  request.reason = SafeReplyText(line, kLongestReason);
  line = {};
  return absl::OkStatus();
}

absl::Status ReadLimit(std::string_view& line, ControlRequest& request) {
  if (line.empty()) return absl::OkStatus();
  const std::string_view word = NextWord(line);
  const auto limit = ParseNumber(word, 1, kMostBansShown);
  if (!limit) {
    return Wrong("limit", word, "is not a number of 1 to 10000; write 100");
  }
  request.limit = *limit;
  return absl::OkStatus();
}

absl::Status ReadPlace(std::string_view& line, ControlRequest& request) {
  if (line.empty()) return absl::OkStatus();
  const std::string_view snapshot = NextWord(line);
  const std::string_view offset = NextWord(line);
  const auto which = ParseNumber(snapshot, 1, UINT64_MAX);
  const auto where = ParseNumber(offset, 0, UINT32_MAX);
  if (!which) return Wrong("snapshot", snapshot, "is not a snapshot's number");
  if (!where) return Wrong("offset", offset, "is not a place in a snapshot");
  request.snapshot = *which;
  request.offset = *where;
  return absl::OkStatus();
}

absl::Status ReadEntries(std::string_view& line, ControlRequest& request) {
  absl::StatusOr<std::vector<BanEntry>> entries =
      ParseBanEntries(std::exchange(line, {}));
  if (!entries.ok()) return entries.status();
  request.entries = *std::move(entries);
  return absl::OkStatus();
}

// A label is all that is left, for it may hold spaces.
absl::Status ReadLabel(std::string_view& line, ControlRequest& request) {
  request.label = SafeReplyText(line, kLongestLabel);
  if (request.label != line) {
    return Wrong("label", line, "is not a zone's label; see \"zones\"");
  }
  line = {};
  return absl::OkStatus();
}

}  // namespace

const char* VerbName(Verb verb) {
  switch (verb) {
    case Verb::kStatus:
      return "status";
    case Verb::kBans:
      return "bans";
    case Verb::kBan:
      return "ban";
    case Verb::kUnban:
      return "unban";
    case Verb::kHistory:
      return "history";
    case Verb::kAllow:
      return "allow";
    case Verb::kAllowed:
      return "allowed";
    case Verb::kDisallow:
      return "disallow";
    case Verb::kExplain:
      return "explain";
    case Verb::kReport:
      return "report";
    case Verb::kZones:
      return "zones";
    case Verb::kTestZones:
      return "test-zones";
    case Verb::kMetrics:
      return "metrics";
    case Verb::kReload:
      return "reload";
    case Verb::kExport:
      return "export";
    case Verb::kImport:
      return "import";
  }
  return "?";
}

absl::StatusOr<ControlRequest> ParseControlRequest(std::string_view line) {
  const size_t longest =
      line.starts_with(kImportBegin) ? kLongestImportLine : kLongestControlLine;
  if (line.size() > longest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "line: has ", line.size(), " bytes; at most ", longest, " are read"));
  }
  ControlRequest request;
  const std::string_view whole = line;
  const std::string_view verb = NextWord(line);
  bool known = false;
  for (const Verb candidate : kVerbs) {
    if (verb != VerbName(candidate)) continue;
    request.verb = candidate;
    known = true;
  }
  if (!known) {
    return Wrong("verb", verb,
                 "is unknown; write status, bans, ban, unban, allow, allowed, "
                 "disallow, history, explain, report, zones, test-zones, "
                 "metrics, reload, export or import");
  }
  if (request.verb == Verb::kReport) {
    absl::StatusOr<ReportRequest> report = ParseReport(whole);
    if (!report.ok()) return report.status();
    request.report = *std::move(report);
    return request;
  }
  if (TakesAddress(request.verb)) {
    absl::Status status = ReadClient(line, request);
    if (!status.ok()) return status;
  }
  absl::Status status = absl::OkStatus();
  if (TakesNetwork(request.verb)) status = ReadNetwork(line, request);
  if (status.ok() && TakesLength(request.verb)) {
    status = ReadLength(line, request);
  }
  if (request.verb == Verb::kBans || request.verb == Verb::kHistory) {
    status = ReadLimit(line, request);
  }
  if (request.verb == Verb::kTestZones) status = ReadLabel(line, request);
  if (request.verb == Verb::kExport) status = ReadPlace(line, request);
  if (request.verb == Verb::kImport) status = ReadEntries(line, request);
  if (!status.ok()) return status;
  if (!line.empty()) {
    return Wrong("line", line, "is too much; write nothing behind the rest");
  }
  return request;
}

std::string FormatControlRequest(const ControlRequest& request) {
  if (request.verb == Verb::kReport) return FormatReport(request.report);
  std::string line = VerbName(request.verb);
  if (request.verb == Verb::kBans) absl::StrAppend(&line, " ", request.limit);
  if (!request.label.empty()) absl::StrAppend(&line, " ", request.label);
  if (TakesAddress(request.verb)) {
    absl::StrAppend(&line, " ",
                    request.IsWide()       ? request.network.ToString()
                    : request.name.empty() ? request.address.ToString()
                                           : request.name);
  }
  if (request.verb == Verb::kHistory) {
    absl::StrAppend(&line, " ", request.limit);
  }
  if (TakesNetwork(request.verb)) {
    absl::StrAppend(&line, " ", request.network.ToString());
  }
  if (TakesLength(request.verb)) {
    absl::StrAppend(&line, " ", request.length.count());
    if (request.force) absl::StrAppend(&line, " ", kForce);
    if (!request.reason.empty()) absl::StrAppend(&line, " ", request.reason);
  }
  if (request.verb == Verb::kExport && request.snapshot != 0) {
    absl::StrAppend(&line, " ", request.snapshot, " ", request.offset);
  }
  if (request.verb == Verb::kImport) {
    absl::StrAppend(&line, " ", FormatBanEntries(request.entries));
  }
  return line;
}

}  // namespace breakwater
