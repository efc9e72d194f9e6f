#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// A request of Postfix's policy delegation protocol (SMTPD_POLICY_README):
// lines "name=value", ended by an empty line. Answered by "action=...", and an
// empty line.

// Postfix limits each line to 2 KiB (line_length_limit), and some ten of them
// hold what a stranger said. An adapter's request holds a header as well, of
// which it sends at most half of this.
inline constexpr size_t kLongestPolicyRequest = 64 * 1024;

struct PolicyRequest {
  std::string protocol_state;  // CONNECT, EHLO, MAIL, RCPT, END-OF-MESSAGE, ...
  // The same in all requests about one message; empty before it begins.
  std::string instance;
  // Without an address if Postfix knew none: the client was gone before Postfix
  // came to look at it.
  Client client;
  // What an adapter sends on top once it has the message, in its order: every
  // recipient, and the header's fields, "Name: value", unfolded. As a stranger
  // wrote them, each at most a line; together bounded by the request's length.
  std::vector<std::string> recipients;  // breakwater_recipient=
  std::vector<std::string> header;      // breakwater_header=
};

// The one place where a request's bytes are looked at. `block` is everything
// before the empty line; any input is allowed. Unknown attributes are passed
// over, as the protocol demands. The error names the attribute and what is
// wrong with it, made safe to be shown.
//
// What a stranger said (HELO, sender, recipient) may hold any byte but NUL and
// newline: were it an error, an odd HELO would make the request unreadable and
// Postfix fall back to its default action, and so be a way past us.
absl::StatusOr<PolicyRequest> ParsePolicyRequest(std::string_view block);

// What Postfix is to do about the verdict: "DUNNO", or the reply that the
// client shall get, "521 5.7.1 text". Never a bare code, which Postfix takes
// for OK (access(5): all digits), and whatever the verdict holds one line of
// safe, bounded ASCII.
std::string PolicyAction(const Verdict& verdict);

}  // namespace breakwater
