#pragma once

#include <sys/socket.h>

#include <memory>
#include <optional>

#include "core/client.h"
#include "core/screener.h"

namespace breakwater {

// What the MTA tells at connect besides the client's address. Null where it
// did not.
struct ConnectMacros {
  const char* daemon_addr = nullptr;
  const char* daemon_port = nullptr;
  const char* if_addr = nullptr;
};

// The client as far as connect has told. Without an address for a null
// pointer and for local clients: the MTA's own submissions, and clients that
// were gone before the MTA came to look at them.
Client ClientOf(const sockaddr* address, const ConnectMacros& macros);

// One SMTP connection as a milter sees it: what each callback means, without
// libmilter. An answer of nothing means: continue.
//
// The lists are asked at connect and the answer is given at MAIL, where every
// MTA shows the client our text (and Postfix closes after 521). A connection
// outlives its messages; each callback of a client that is banned meanwhile is
// refused, for an MTA that waits for us does not notice that the client's
// socket has gone, and would deliver.
//
// One thread at a time. The screener must outlive the session.
class Session {
 public:
  // `longest_wait` is for a verdict, at MAIL.
  Session(Screener& screener, Duration longest_wait);
  ~Session();  // the connection has ended
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Connect(Client client);
  // Whether Mail would have to wait for the verdict.
  bool WouldWait() const;
  // `authenticated`: the MTA names a user.
  std::optional<Verdict> Mail(bool authenticated);
  // RCPT and DATA.
  std::optional<Verdict> Later();
  std::optional<Verdict> EndOfMessage();

 private:
  std::optional<Verdict> Refused(const std::optional<Verdict>& verdict);

  Screener& screener_;
  const Duration longest_wait_;
  std::shared_ptr<Screening> screening_;  // null: is not judged
  bool authenticated_ = false;
  bool refused_ = false;       // from screening_
  bool told_to_pass_ = false;  // at MAIL
};

}  // namespace breakwater
