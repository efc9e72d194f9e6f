#include "core/judge.h"

#include <algorithm>

namespace breakwater {
namespace {

const ReplyForm& ReplyOf(const Rules& rules, const Zone& zone) {
  return zone.reply ? *zone.reply : rules.reply;
}

Judgement JudgementOf(const Rules& rules, size_t index) {
  const Zone& zone = rules.zones[index];
  Judgement result{.action = ReplyOf(rules, zone).code >= 500 ? Action::kReject
                                                              : Action::kDefer,
                   .zone = index};
  if (zone.ban) result.ban = zone.ban_duration.value_or(rules.ban_duration);
  return result;
}

// Orders judgements by how much they ask for.
int Strength(const Judgement& judgement) {
  return 2 * static_cast<int>(judgement.action) + (judgement.ban ? 1 : 0);
}

bool IsStronger(const Judgement& a, const Judgement& b) {
  if (Strength(a) != Strength(b)) return Strength(a) > Strength(b);
  return a.zone < b.zone;
}

}  // namespace

std::optional<Reason> Exemption(const Rules& rules, const Client& client) {
  if (client.address().IsUnspecified()) return Reason::kNotAsked;
  if (client.authenticated) return Reason::kAuthenticated;
  if (std::ranges::find(rules.submission_ports,
                        client.connection.server_port) !=
      rules.submission_ports.end()) {
    return Reason::kSubmission;
  }
  if (AlwaysProtected().Find(client.address()) ||
      rules.protected_networks.Find(client.address())) {
    return Reason::kProtected;
  }
  return std::nullopt;
}

Judgement Judge(const Rules& rules, absl::Span<const Listing> listings) {
  Judgement strongest;
  for (const Listing& listing : listings) {
    const Judgement judgement = JudgementOf(rules, listing.zone);
    if (!strongest.zone || IsStronger(judgement, strongest)) {
      strongest = judgement;
    }
  }
  return strongest;
}

bool IsSettled(const Rules& rules, absl::Span<const Listing> listings) {
  const Judgement now = Judge(rules, listings);
  return now.action == Action::kReject && now.ban.has_value();
}

}  // namespace breakwater
