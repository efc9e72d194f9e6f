#include "core/offence.h"

namespace breakwater {
namespace {

constexpr std::array<const char*, kOffenceKinds> kNames = {
    "trap",          "unknown-recipient",
    "relay",         "sender",
    "spam",          "virus",
    "helo",          "rejected-commands",
    "after-refusal", "vanish",
    "connections",   "sessions",
    "reported"};

}  // namespace

const char* OffenceName(OffenceKind kind) {
  return kNames[static_cast<size_t>(kind)];
}

std::optional<OffenceKind> ParseOffence(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<OffenceKind>(i);
  }
  return std::nullopt;
}

}  // namespace breakwater
