#include "core/ports/memory.h"

namespace breakwater {

const char* EventKindName(EventKind kind) {
  switch (kind) {
    case EventKind::kRejected:
      return "rejected";
    case EventKind::kDeferred:
      return "deferred";
    case EventKind::kWouldReject:
      return "would-reject";
    case EventKind::kWouldDefer:
      return "would-defer";
    case EventKind::kWouldBan:
      return "would-ban";
    case EventKind::kBan:
      return "ban";
    case EventKind::kUnban:
      return "unban";
    case EventKind::kWithheld:
      return "ban-withheld";
    case EventKind::kOffence:
      return "offence";
    case EventKind::kAllowed:
      return "allowed";
    case EventKind::kDisallowed:
      return "disallowed";
  }
  return "unknown";
}

Memory& NoMemory() {
  // Never destroyed: a loop may run on while a program ends.
  static Memory* const memory = new Memory;
  return *memory;
}

}  // namespace breakwater
