#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "core/base/clock.h"

namespace breakwater {

// What can condemn a client besides a DNS list: something that it did, or what
// another filter says of its mail.
enum class OffenceKind : uint8_t {
  kTrap,              // mail for an address that is a trap
  kUnknownRecipient,  // the MTA knows no such recipient (5.1.1)
  kRelay,             // the MTA does not relay for it (5.7.1)
  kSender,            // the sender's domain cannot receive mail
  kSpam,              // another filter says so
  kVirus,             // the same
  kHelo,              // says HELO with our own name or address
  kRejectedCommands,  // the MTA rejected what it said
  kAfterRefusal,      // went on after it was refused
  kVanish,            // connected and left before it said MAIL
  kConnections,       // connects too often
  kSessions,          // has too many sessions at once
  kReported,          // told by a program of the operator's, by another word
};
inline constexpr size_t kOffenceKinds =
    static_cast<size_t>(OffenceKind::kReported) + 1;

// As in configuration, log and metrics: "trap", "unknown-recipient", ...
const char* OffenceName(OffenceKind kind);
std::optional<OffenceKind> ParseOffence(std::string_view name);
std::vector<std::string> OffenceNames();  // of all, in their order

enum class OffenceMode : uint8_t {
  kOff,
  kObserve,  // counted and told, with no other effect
  kOn,
};

// What an offence leads to.
struct OffenceRule {
  OffenceMode mode = OffenceMode::kOff;
  // It strikes when it was seen so often within the window, and stands against
  // the client until the window has passed.
  uint32_t after = 1;
  Duration window = std::chrono::hours(1);
  // Zero: it alone is enough to be rejected and, if `ban`, banned. Else it adds
  // so much to the client's score, as a list does: Rules::reject_score.
  int weight = 0;
  bool ban = true;
  std::optional<Duration> ban_duration;  // else Rules::ban_duration

  bool operator==(const OffenceRule&) const = default;
};

// A rule that is on, with what suits the kind.
OffenceRule DefaultRule(OffenceKind kind);

// By kind; without more all are off.
class OffenceRules {
 public:
  OffenceRule& operator[](OffenceKind kind) {
    return rules_[static_cast<size_t>(kind)];
  }
  const OffenceRule& operator[](OffenceKind kind) const {
    return rules_[static_cast<size_t>(kind)];
  }
  bool IsOn(OffenceKind kind) const {  // or only observed
    return (*this)[kind].mode != OffenceMode::kOff;
  }
  auto begin() const { return rules_.begin(); }
  auto end() const { return rules_.end(); }

 private:
  std::array<OffenceRule, kOffenceKinds> rules_;
};

// Some of them, each once.
using OffenceKinds = absl::InlinedVector<OffenceKind, 4>;
void AddOnce(OffenceKinds& kinds, OffenceKind kind);

// One, as it was seen.
struct Offence {
  OffenceKind kind = OffenceKind::kReported;
  // What was seen, for people: an address, a domain, a filter's words. As a
  // stranger may have written it; made safe where it is shown.
  std::string detail;
  // In place of the rule's, if whoever reports it asks for that.
  std::optional<Duration> ban_duration;
  // In a message with the null sender, where the client's does not say so.
  bool bounce = false;
};

}  // namespace breakwater
