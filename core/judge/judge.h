#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "core/net/address.h"
#include "core/net/width.h"
#include "core/rules/rules.h"
#include "core/rules/zone.h"
#include "core/types/client.h"
#include "core/types/evidence.h"
#include "core/types/listing.h"
#include "core/types/offence.h"
#include "core/types/verdict.h"

namespace breakwater {

// How whoever the zone lists is answered.
const ReplyForm& ReplyFormOf(const Rules& rules, const Zone& zone);

// Why no ban of this network may be: it shares addresses with that one, which
// is protected, allowed, or stands for too many.
struct Shield {
  Network network;
  const char* why = "";  // "protected" ..., as logged
};
std::optional<Shield> ShieldOf(const Rules& rules, const Network& network);

// A reason why this client is not judged at all.
std::optional<Reason> Exemption(const Rules& rules, const Client& client);

// Whether it is nobody of whom the operator or the kernel knows better: who is
// protected only because of an address like a proxy's may be one.
bool MayBeProxy(const Rules& rules, const Client& client);

// What listings and offences mean for a client that has no exemption. A listing
// of a zone that allows lets it pass. Else the weights of all filters that
// matched, and of all offences that have one, are its score, and from
// Rules::reject_score on it is turned away. The sum without the weights against
// it that may not ban is what Rules::ban_score is for. An offence without a
// weight needs no sum: it is enough alone, though whoever is on a list that
// allows is not banned for it.
//
// One zone or offence decides how the client is answered and for how long it is
// banned: of those that speak against it the one that asks for most, a
// rejection with a ban before one without before a deferral; among equals the
// one that adds most, then an offence before a zone, then the one configured
// first. If that one may not ban, nobody does.
//
// Pure. The reply's text and id are not filled: they need the list's own
// reason, which is asked for only when it is going to be shown.
struct Judgement {
  Action action = Action::kPass;
  std::optional<size_t> zone;          // which decided,
  std::optional<OffenceKind> offence;  // or which did
  int score = 0;
  std::optional<Duration> ban;

  bool operator==(const Judgement&) const = default;
};
Judgement Judge(const Rules& rules, absl::Span<const Listing> listings,
                absl::Span<const OffenceKind> offences = {});

// How people are told of a listing of the zone: by the label of the weightiest
// filter that matched, or by the zone's.
const std::string& LabelOf(const Rules& rules,
                           absl::Span<const Listing> listings, size_t zone);

// Drops the listings of the zones of which `is_worthless` says so. Whether some
// were dropped without which there is no ban.
bool DropListings(Evidence& evidence,
                  absl::FunctionRef<bool(const Zone&)> is_worthless);

// Whether what lists say of the client's address is enough to ban it, without
// what it has done and without the names, which it has chosen itself.
bool BansByAddress(const Evidence& evidence);

// Whether no answer of the zones that are still to answer can change what is
// done, whatever offences come on top: pass, defer, reject or ban. It may yet
// be said in another's name. A zone of domains may have a listing of one name
// and still have to answer about another.
bool IsSettled(const Rules& rules, absl::Span<const Listing> listings,
               absl::Span<const size_t> outstanding);

}  // namespace breakwater
