#include "core/types/offence.h"

#include <algorithm>

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// In the order of the kinds. The numbers are those of a rule that says none.
struct About {
  const char* name;
  uint32_t after;
  Duration window;
};
constexpr std::array<About, kOffenceKinds> kAbout = {{
    {"trap", 1, hours(1)},
    {"unknown-recipient", 10, minutes(10)},
    {"relay", 3, hours(1)},
    {"sender", 3, hours(1)},
    {"spam", 1, hours(1)},
    {"virus", 1, hours(1)},
    {"helo", 1, hours(1)},
    {"rejected-commands", 20, minutes(10)},
    {"after-refusal", 5, minutes(10)},
    {"vanish", 20, minutes(10)},
    {"connections", 60, minutes(1)},
    {"sessions", 20, hours(1)},
    {"reported", 1, hours(1)},
}};

const About& AboutOf(OffenceKind kind) {
  return kAbout[static_cast<size_t>(kind)];
}

}  // namespace

const char* OffenceName(OffenceKind kind) { return AboutOf(kind).name; }

std::optional<OffenceKind> ParseOffence(std::string_view name) {
  for (size_t i = 0; i < kAbout.size(); ++i) {
    if (name == kAbout[i].name) return static_cast<OffenceKind>(i);
  }
  return std::nullopt;
}

std::vector<std::string> OffenceNames() {
  std::vector<std::string> names;
  for (const About& about : kAbout) names.emplace_back(about.name);
  return names;
}

OffenceRule DefaultRule(OffenceKind kind) {
  return {.mode = OffenceMode::kOn,
          .after = AboutOf(kind).after,
          .window = AboutOf(kind).window};
}

void AddOnce(OffenceKinds& kinds, OffenceKind kind) {
  if (std::ranges::find(kinds, kind) == kinds.end()) kinds.push_back(kind);
}

}  // namespace breakwater
