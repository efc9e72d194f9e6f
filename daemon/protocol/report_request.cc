#include "daemon/protocol/report_request.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/duration.h"
#include "core/base/text.h"
#include "core/types/record.h"
#include "daemon/protocol/client_word.h"

namespace breakwater {
namespace {

constexpr size_t kLongestKind = 60;
constexpr size_t kLongestDetail = 200;
constexpr std::string_view kReport = "report";
constexpr std::string_view kUsualLength = "-";

absl::Status Wrong(const char* field, std::string_view word, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", word.empty() ? "the word" : "\"",
                   Escaped(word, 60), word.empty() ? "" : "\"", " ", why));
}

// Takes the first word off the line; empty at its end.
std::string_view NextWord(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

bool IsKindWord(std::string_view word) {
  return !word.empty() && word.size() <= kLongestKind &&
         std::ranges::all_of(word, [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '.' || c == '-' || c == '_' || c == '+';
         });
}

absl::Status ReadLength(std::string_view& line, ReportRequest& request) {
  std::string_view rest = line;
  const std::string_view word = NextWord(rest);
  if (word != kUsualLength) {
    if (word.empty() || !absl::ascii_isdigit(word.front())) {
      return absl::OkStatus();
    }
    const absl::StatusOr<Duration> length = ParseDuration(word);
    if (!length.ok() || *length < std::chrono::seconds(1) ||
        *length > std::chrono::seconds(kLongestBanSeconds)) {
      return Wrong("length", word,
                   "is not a length of 1s to 2147483s; write 12h, or - before "
                   "a detail that begins with a digit");
    }
    request.length = std::chrono::ceil<std::chrono::seconds>(*length);
  }
  line = rest;
  return absl::OkStatus();
}

}  // namespace

Offence ReportRequest::ToOffence() const {
  Offence offence{.kind = kind, .detail = detail};
  if (!word.empty()) {
    offence.detail = detail.empty() ? word : absl::StrCat(word, ": ", detail);
  }
  if (length) offence.ban_duration = *length;
  return offence;
}

absl::StatusOr<ReportRequest> ParseReport(std::string_view line) {
  if (line.size() > kLongestReport) {
    return absl::InvalidArgumentError(
        absl::StrCat("line: has ", line.size(), " bytes; at most ",
                     kLongestReport, " are read"));
  }
  const std::string_view verb = NextWord(line);
  if (verb != kReport) {
    return Wrong("verb", verb,
                 "is unknown; write report ADDRESS KIND [LENGTH [DETAIL]]");
  }
  ReportRequest request;
  std::string_view word = NextWord(line);
  const absl::StatusOr<IpAddress> address = ParseClient(word);
  if (!address.ok()) return address.status();
  request.address = *address;
  word = NextWord(line);
  if (!IsKindWord(word)) {
    return Wrong("kind", word,
                 "is not a word of at most 60 letters, digits and .-_+; write "
                 "virus or spam");
  }
  if (const std::optional<OffenceKind> kind = ParseOffence(word)) {
    request.kind = *kind;
  } else {
    request.word = std::string(word);
  }
  if (absl::Status status = ReadLength(line, request); !status.ok()) {
    return status;
  }
  request.detail = SafeReplyText(line, kLongestDetail);
  return request;
}

std::string FormatReport(const ReportRequest& request) {
  std::string line = absl::StrCat(
      "report ", request.address.ToString(), " ",
      request.word.empty() ? OffenceName(request.kind) : request.word.c_str());
  if (request.length) {
    absl::StrAppend(&line, " ", FormatDuration(*request.length));
  } else if (!request.detail.empty()) {
    absl::StrAppend(&line, " -");
  }
  if (!request.detail.empty()) absl::StrAppend(&line, " ", request.detail);
  return line;
}

}  // namespace breakwater
