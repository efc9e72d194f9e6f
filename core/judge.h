#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/address.h"
#include "core/client.h"
#include "core/listing.h"
#include "core/verdict.h"
#include "core/zone.h"

namespace breakwater {

inline constexpr char kDefaultReplyTemplate[] =
    "Client {client} is listed by {list}{reason} [id {id}]";

// What the operator has decided. Read-only once made; a reload makes another.
struct Rules {
  bool observe = false;  // judge and log, touch nothing
  std::vector<Zone> zones;
  ReplyForm reply = {.code = 521, .text_template = kDefaultReplyTemplate};
  Duration ban_duration = std::chrono::minutes(10);
  // Whoever has no socket on this host is refused and not banned: see Sockets.
  bool ban_needs_socket = true;
  // How long a rejected client may wait before it says MAIL.
  Duration patience = std::chrono::seconds(5);
  std::vector<uint16_t> submission_ports = {465, 587};
  // Never judged: from the configuration, and what the enforcer derived.
  NetworkSet protected_networks;
};

// A reason why this client is not judged at all.
std::optional<Reason> Exemption(const Rules& rules, const Client& client);

// What listings mean for a client that has no exemption: the strongest of
// them decides, a rejection with a ban before one without before a deferral;
// among equals the zone that was configured first. Pure. The reply's text and
// id are not filled: they need the list's own reason, which is asked for only
// when it is going to be shown.
struct Judgement {
  Action action = Action::kPass;
  std::optional<size_t> zone;  // which decided
  std::optional<Duration> ban;

  bool operator==(const Judgement&) const = default;
};
Judgement Judge(const Rules& rules, absl::Span<const Listing> listings);

// Whether answers that are still to come could change the judgement. With
// weights, this is where they will count.
bool IsSettled(const Rules& rules, absl::Span<const Listing> listings);

}  // namespace breakwater
