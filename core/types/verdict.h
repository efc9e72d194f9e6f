#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/types/evidence.h"

namespace breakwater {

enum class Action : uint8_t { kPass, kDefer, kReject };

const char* ActionName(Action action);  // "pass", "defer", "reject"

// Why a verdict is what it is.
enum class Reason : uint8_t {
  kClean,           // asked, and no list holds the client
  kNotAsked,        // nothing to ask: no address that lists know, or no zones
  kSubmission,      // came to a port where users submit mail
  kProtected,       // own, gateway, loopback or configured network
  kAuthenticated,   // a user of this server
  kOverdue,         // the deadline came first
  kOverloaded,      // too many lookups at once
  kListed,          // a DNS list holds the client
  kOffence,         // for what it did
  kSpared,          // a forwarder or the like, as the operator says
  kBanned,          // a ban is in force
  kAllowed,         // the operator lets it in for a while: see Allowances
  kMayBeProtected,  // nobody knows: see Rules::protection_known
};

// "would-defer", "would-reject"
const char* WouldName(Action action);

const char* ReasonName(Reason reason);  // "clean", "listed", ... as logged

// Why a client is refused and not banned, though its verdict bans.
enum class Withheld : uint8_t {
  kNoSocket,      // it is only claimed to be there: see Sockets
  kNoPorts,       // nobody can look whether it is: the MTA tells no ports
  kSocketUnseen,  // nobody can look: the kernel does not say
  kGoodHistory,   // its mail was accepted before: see GoodHistory
  kBrake,         // too many are condemned: see Brake
  kZoneInDoubt,   // the list that it rests on may not ban now
  kSpared,        // the operator says so: see SpareRules
  kProxy,         // it seems to stand for many others: see ProxyWatch
};

const char* WithheldName(Withheld why);  // "no-socket", ... as logged

// What is to be done about a client, and why.
struct Verdict {
  Action action = Action::kPass;
  Reason reason = Reason::kClean;
  std::string label;  // of the list or offence that decided; empty if none
  // The full reply to the client when the action is not kPass: code, enhanced
  // status code (RFC 3463) and text, e.g. 521, "5.7.1", "Client ... [id 7f3a]".
  int code = 0;
  const char* enhanced = nullptr;  // else by the code
  std::string text;
  std::string id;  // stands in the reply and in the log
  // How long to ban, if at all.
  std::optional<Duration> ban;
  // In observe mode, where everybody passes: what would have been done, with
  // all that is said here.
  std::optional<Action> would = {};
  Evidence evidence = {};
  // Of one that passes as clean: every list that could condemn the client has
  // been heard.
  bool cleared = false;
  // Why it does not, if it would.
  std::optional<Withheld> withheld;
  std::chrono::microseconds took{};  // from asked to known

  bool IsRefusal() const { return action != Action::kPass; }
  std::string enhanced_code() const {
    if (enhanced != nullptr) return enhanced;
    return code < 500 ? "4.7.1" : "5.7.1";
  }
};

}  // namespace breakwater
