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

OffenceRule DefaultRule(OffenceKind kind) {
  using std::chrono::hours;
  using std::chrono::minutes;
  OffenceRule rule{.mode = OffenceMode::kOn};
  switch (kind) {
    case OffenceKind::kTrap:
    case OffenceKind::kVirus:
    case OffenceKind::kSpam:
    case OffenceKind::kHelo:
    case OffenceKind::kReported:
      break;
    case OffenceKind::kSender:
    case OffenceKind::kRelay:
      rule.after = 3;
      break;
    case OffenceKind::kUnknownRecipient:
      rule.after = 10;
      rule.window = minutes(10);
      break;
    case OffenceKind::kAfterRefusal:
      rule.after = 5;
      rule.window = minutes(10);
      break;
    case OffenceKind::kRejectedCommands:
    case OffenceKind::kVanish:
      rule.after = 20;
      rule.window = minutes(10);
      break;
    case OffenceKind::kConnections:
      rule.after = 60;
      rule.window = minutes(1);
      break;
    case OffenceKind::kSessions:
      rule.after = 20;
      break;
  }
  return rule;
}

}  // namespace breakwater
