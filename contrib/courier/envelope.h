#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace breakwater {

// What Courier knows of a message before it takes it.
struct Envelope {
  std::string sender;                   // empty: of a bounce
  std::vector<std::string> recipients;  // accepted ones only
  std::string client_address;  // as Courier has it: IPv4 as ::ffff:192.0.2.5
  // The rest of the connection; empty where it is not known.
  std::string client_port;
  std::string server_address;
  std::string server_port;
  std::string helo;
  std::string message_id;  // Courier's own, not the header's
  std::string user;        // has logged in
  bool may_relay = false;  // RELAYCLIENT: by smtpaccess, or by login

  // Of a stranger, who came by SMTP. All others are none of our business.
  bool IsStrangers() const {
    return !client_address.empty() && user.empty() && !may_relay;
  }
};

// Reads a control file (comctlfile.h in Courier's source): a line for each
// fact, whose first character says what it is. Any input is allowed, and lines
// that mean nothing to us are passed over. A message with many recipients has
// several of these files: each adds its own, and what all of them have is as
// the first said.
void TakeControlFile(std::string_view text, Envelope& envelope);

// Takes the ports, which no control file holds, from the environment of the
// process that asks, as /proc/PID/environ has it: couriertcpd gives it to
// courieresmtpd, and that to submit. Nothing is taken that is about another
// client than the control file's.
void TakeEnvironment(std::string_view environment, Envelope& envelope);

}  // namespace breakwater
