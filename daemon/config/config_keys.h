#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/config_fields.h"

namespace breakwater {

// When a changed value takes effect.
enum class Effect : uint8_t { kReload, kRestart };

// One key of breakwater.toml(5). The tables below are the only place where a
// key is named: parsing, the check for unknown keys, what a reload cannot
// change, and the test of sample file and manual all go by them.
struct ConfigKey {
  std::string_view name;  // "dns.deadline"
  Effect effect;
  Field field;
};

// A [[zone]] as written, before what it leaves out is filled in.
struct ZoneDraft {
  std::string name;
  std::string label;
  ZoneType type = ZoneType::kAddress;
  std::optional<std::vector<NameKind>> names;
  ZoneKind kind = ZoneKind::kBlock;
  std::optional<std::vector<AnswerRange>> answers;
  std::optional<int> weight;
  std::optional<bool> ban;
  std::optional<Duration> ban_duration;
  std::optional<int> reply_code;
  std::optional<std::string> reply_template;
  bool strict = true;
  int after = 0;
  size_t daily_budget = 0;
};

// A [[zone.filter]] as written.
struct FilterDraft {
  std::optional<std::vector<AnswerRange>> answers;
  int weight = 1;
  std::string label;
  bool ban = true;
};

// An [[offence]] as written.
struct OffenceDraft {
  std::optional<OffenceKind> kind;
  OffenceMode mode = OffenceMode::kOn;
  std::optional<int> after;
  std::optional<Duration> window;
  int weight = 0;
  bool ban = true;
  std::optional<Duration> ban_duration;
  // Of some kinds only.
  std::vector<std::string> recipients;  // traps,
  std::vector<std::string> files;       // and files of them
  std::vector<std::string> headers;     // header_verdict.h has the notation
  std::vector<std::string> names;       // with which only we say HELO
  uint32_t network_after = 0;           // for all of a network together
};

// The tables, bound to what they fill: it must outlive them. In the order of
// the sample file.
std::vector<ConfigKey> KeysOf(Config& config);
std::vector<ConfigKey> ZoneKeysOf(ZoneDraft& zone);        // "zone.name" ...
std::vector<ConfigKey> FilterKeysOf(FilterDraft& filter);  // "zone.filter..."
std::vector<ConfigKey> OffenceKeysOf(OffenceDraft& offence);  // "offence...."

// "dns.deadline", but not "dns".
bool IsKnownKey(std::string_view name);

// The key that was probably meant by an unknown one, or nothing.
std::optional<std::string> ClosestKey(std::string_view unknown);

}  // namespace breakwater
