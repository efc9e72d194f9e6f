#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace breakwater {

enum class Severity : uint8_t { kDebug, kInfo, kWarning, kError };

// Where lines go. Set once at start, before other threads exist.
enum class LogTarget : uint8_t { kStderr, kSyslogMail };
void OpenLog(LogTarget target, std::string_view program);
void SetLeastSeverity(Severity severity);

// One event, one line, in logfmt: `event=reject client=192.0.2.5 port=4711`.
// The line is written when the temporary dies. Values are escaped and quoted
// where needed, so that text from strangers can forge neither a key nor a
// line. Keys and events are an interface: a change goes into the CHANGELOG.
//
//   Log(Severity::kInfo, "reject").Add("client", address.ToString());
//
// Any thread. A line is one write(2).
class Log {
 public:
  Log(Severity severity, std::string_view event);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  Log& Add(std::string_view key, std::string_view value);
  Log& Add(std::string_view key, const char* value) {
    return Add(key, std::string_view(value));
  }
  Log& Add(std::string_view key, const std::string& value) {
    return Add(key, std::string_view(value));
  }
  template <typename Integer>
  requires std::is_integral_v<Integer> Log& Add(std::string_view key,
                                                Integer value) {
    return Add(key, std::string_view(std::to_string(value)));
  }

 private:
  Severity severity_;
  std::string line_;
};

}  // namespace breakwater
