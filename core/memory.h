#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/address.h"
#include "core/allowances.h"
#include "core/ban.h"
#include "core/ban_growth.h"
#include "core/clock.h"
#include "core/good_history.h"
#include "core/ledger.h"
#include "core/offence_book.h"
#include "core/zone_proven.h"

namespace breakwater {

// A ban without its evidence, and what that was (ban_basis.h).
struct RememberedBan : Ban {
  RememberedBan(Ban ban, std::string basis = "")  // NOLINT: it is a ban
      : Ban(std::move(ban)), basis(std::move(basis)) {}
  std::string basis;
};

// A ban was lifted, and the kernel may hold it all the same.
struct Lifting {
  Network network;
  Instant given;  // or said again, after a restart

  bool operator==(const Lifting&) const = default;
};

// What is known of clients, and was asked of lists, and is to outlive the
// process. Of clients, who was seen last comes first.
struct Remembered {
  std::vector<RememberedBan> bans;
  std::vector<BanGrowth::Entry> growth;
  std::vector<OffenceBook::Entry> offences;
  std::vector<GoodHistory::Entry> history;
  std::vector<Allowance> allowances;
  std::vector<Lifting> liftings;
  std::vector<ZoneDay> zones;
  std::vector<ZoneProven> proofs;
  // Of what is read late: somebody has let them in before they were known.
  std::vector<Ban> mistakes = {};
};

enum class EventKind : uint8_t {
  kRejected,
  kDeferred,
  kWouldReject,  // in observe mode
  kWouldDefer,
  kWouldBan,
  kBan,
  kUnban,
  kWithheld,  // a ban was
  kOffence,
  kAllowed,
  kDisallowed,
};

const char* EventKindName(EventKind kind);  // "rejected", "ban", ...

// Something that happened to a client, for people.
struct Event {
  Network who;  // what a ban would cover
  EventKind kind = EventKind::kBan;
  std::string label;   // the list, the offence, or why
  std::string id;      // empty if there is none
  std::string detail;  // as a stranger may have written it
  Duration length{};   // of a ban
};

// Where that is kept. Whatever becomes of it, mail flows and bans hold: calls
// never wait, and there is nobody to be told of a failure.
//
// This one forgets everything. Loop thread only.
class Memory {
 public:
  virtual ~Memory() = default;
  // Something of what is known about that network is other than it was.
  virtual void Changed(const Network&) {}
  virtual void Happened(Event) {}
};

Memory& NoMemory();

}  // namespace breakwater
