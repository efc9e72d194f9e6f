#include "core/base/log.h"

#include <sys/syslog.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>

#include "absl/strings/str_format.h"
#include "core/base/service_manager.h"
#include "core/base/text.h"

namespace breakwater {
namespace {

std::atomic<Severity> g_least = Severity::kInfo;
LogTarget g_target = LogTarget::kStderr;
bool g_journal = false;  // behind stderr
// openlog(3) keeps the pointer. Never freed: lines may be written at exit.
std::string& Program() {
  static auto* program = new std::string("breakwater");
  return *program;
}

// A value longer than this is cut: a line must fit into one syslog datagram.
constexpr size_t kLongestValue = 400;

const char* SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "?";
}

int SyslogPriority(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return LOG_DEBUG;
    case Severity::kInfo:
      return LOG_INFO;
    case Severity::kWarning:
      return LOG_WARNING;
    case Severity::kError:
      return LOG_ERR;
  }
  return LOG_ERR;
}

bool NeedsQuotes(std::string_view value) {
  return value.empty() || std::ranges::any_of(value, [](char c) {
           return c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\';
         });
}

std::string Timestamp() {
  timeval now;
  gettimeofday(&now, nullptr);
  tm utc;
  gmtime_r(&now.tv_sec, &utc);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                         utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                         utc.tm_hour, utc.tm_min, utc.tm_sec,
                         static_cast<int>(now.tv_usec / 1000));
}

}  // namespace

void OpenLog(LogTarget target, std::string_view program) {
  g_target = target;
  g_journal = target == LogTarget::kStderr && StderrIsJournal();
  Program() = std::string(program);
  if (target == LogTarget::kSyslogMail) {
    openlog(Program().c_str(), LOG_PID | LOG_NDELAY, LOG_MAIL);
  }
}

void SetLeastSeverity(Severity severity) { g_least = severity; }

Log::Log(Severity severity, std::string_view event) : severity_(severity) {
  if (severity_ < g_least) return;
  if (g_target == LogTarget::kStderr) {
    if (g_journal) line_ = absl::StrFormat("<%d>", SyslogPriority(severity_));
    absl::StrAppendFormat(&line_, "time=%s program=%s ", Timestamp(),
                          Program());
  }
  absl::StrAppendFormat(&line_, "level=%s event=%s", SeverityName(severity_),
                        std::string(event));
}

Log::~Log() {
  if (line_.empty()) return;
  if (g_target == LogTarget::kSyslogMail) {
    syslog(SyslogPriority(severity_), "%s", line_.c_str());
    return;
  }
  line_.push_back('\n');
  // A log that cannot be written must not stop mail: nothing to be done.
  [[maybe_unused]] const ssize_t written =
      write(STDERR_FILENO, line_.data(), line_.size());
}

Log& Log::Add(std::string_view key, std::string_view value) {
  if (line_.empty()) return *this;
  line_.push_back(' ');
  line_.append(key);
  line_.push_back('=');
  if (NeedsQuotes(value) || value.size() > kLongestValue) {
    line_.push_back('"');
    line_.append(Escaped(value, kLongestValue));
    line_.push_back('"');
  } else {
    line_.append(value);
  }
  return *this;
}

}  // namespace breakwater
