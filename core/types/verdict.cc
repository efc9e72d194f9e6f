#include "core/types/verdict.h"

namespace breakwater {

const char* ActionName(Action action) {
  switch (action) {
    case Action::kPass:
      return "pass";
    case Action::kDefer:
      return "defer";
    case Action::kReject:
      return "reject";
  }
  return "?";
}

const char* WouldName(Action action) {
  return action == Action::kReject ? "would-reject" : "would-defer";
}

const char* ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kClean:
      return "clean";
    case Reason::kNotAsked:
      return "not-asked";
    case Reason::kSubmission:
      return "submission";
    case Reason::kProtected:
      return "protected";
    case Reason::kAuthenticated:
      return "authenticated";
    case Reason::kOverdue:
      return "overdue";
    case Reason::kOverloaded:
      return "overloaded";
    case Reason::kListed:
      return "listed";
    case Reason::kOffence:
      return "offence";
    case Reason::kSpared:
      return "spared";
    case Reason::kBanned:
      return "banned";
    case Reason::kAllowed:
      return "allowed";
    case Reason::kMayBeProtected:
      return "may-be-protected";
  }
  return "?";
}

const char* WithheldName(Withheld why) {
  switch (why) {
    case Withheld::kNoSocket:
      return "no-socket";
    case Withheld::kNoPorts:
      return "no-ports";
    case Withheld::kSocketUnseen:
      return "socket-unseen";
    case Withheld::kGoodHistory:
      return "good-history";
    case Withheld::kBrake:
      return "brake";
    case Withheld::kZoneInDoubt:
      return "zone-in-doubt";
    case Withheld::kSpared:
      return "spared";
    case Withheld::kProxy:
      return "proxy";
  }
  return "?";
}

}  // namespace breakwater
