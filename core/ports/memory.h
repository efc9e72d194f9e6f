#pragma once

#include <cstdint>
#include <string>

#include "core/base/clock.h"
#include "core/net/address.h"

namespace breakwater {

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
