#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace breakwater {

// A client of Breakwater's policy server, for adapters that ask once and may
// block. It speaks Postfix's policy delegation protocol (SMTPD_POLICY_README):
// one connection, one request, one answer.
//
// Fails open: whatever goes wrong, there is no action, and so nothing is
// refused. Small on purpose, and without the project's libraries, so that a
// program that is started for each connection starts fast. Throws nothing,
// raises no SIGPIPE, leaves no descriptor behind.

// Name and value, as {"client_address", "192.0.2.5"}. Names are the caller's
// own; values may be a stranger's.
using PolicyAttributes =
    std::vector<std::pair<std::string_view, std::string_view>>;

// The request's bytes; request=smtpd_access_policy stands before the
// attributes. Newlines and NULs in values, with which a stranger could write
// attributes of its own, become '?', and a value is cut at 1,000 bytes: the
// server refuses requests beyond 64 KiB. What has no value is left out: a port
// that is there and empty is taken for a proxy's word.
std::string FormatPolicyRequest(const PolicyAttributes& attributes);

struct PolicyAnswer {
  std::string action;  // "DUNNO", "521 5.7.1 text"; empty if there is none
  std::string error;   // then why, for the log
};

// `socket` is "unix:/path" or "/path", or "inet:ADDRESS:PORT" with the address
// in brackets if it is IPv6, as in breakwater.toml; "inet:PORT@ADDRESS" and
// "ADDRESS:PORT" are understood too. Addresses are numbers, since looking up a
// name has no deadline. Connecting, asking and reading the answer together take
// no longer than `patience`.
PolicyAnswer AskPolicyServer(std::string_view socket,
                             const PolicyAttributes& attributes,
                             std::chrono::milliseconds patience);

// What an adapter is to do about an action.
struct PolicyDecision {
  // "521 5.7.1 text", one line of printable ASCII of at most 500 bytes, without
  // CRLF; empty: go on.
  std::string reply;
  // The action was none that Breakwater gives, and was taken for "go on".
  bool odd = false;

  bool Refuses() const { return !reply.empty(); }
  bool IsPermanent() const { return Refuses() && reply[0] == '5'; }
};

// DUNNO and OK go on; a reply code that refuses (4xx or 5xx) with a text
// refuses. A code alone is odd: Postfix takes it for OK.
PolicyDecision ParsePolicyAction(std::string_view action);

}  // namespace breakwater
