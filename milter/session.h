#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/judge/header_verdict.h"
#include "core/screener/screener.h"
#include "core/types/client.h"

namespace breakwater {

// What the MTA tells at connect besides the client's address. Null where it
// did not.
struct ConnectMacros {
  const char* daemon_addr = nullptr;
  const char* daemon_port = nullptr;
  const char* if_addr = nullptr;
  const char* client_ptr = nullptr;      // the name of its address, if any
  const char* client_resolve = nullptr;  // "OK": which has the address, too
};

// The client as far as connect has told. Without an address for a null
// pointer and for local clients: the MTA's own submissions, and clients that
// were gone before the MTA came to look at them.
Client ClientOf(const sockaddr* address, const ConnectMacros& macros);

// One SMTP connection as a milter sees it: what each callback means, without
// libmilter. An answer of nothing means: continue.
//
// The lists are asked at connect and the answer is given at MAIL, where every
// MTA shows the client our text (and Postfix closes after 521). What the client
// tells and does from then on is looked at as it comes. A connection outlives
// its messages; each callback of a client that is banned meanwhile is refused,
// for an MTA that waits for us does not notice that the client's socket has
// gone, and would deliver.
//
// One thread at a time. The screener must outlive the session.
class Session {
 public:
  // `longest_wait` is for a verdict, in one callback. `before_wait` is called
  // by one that is about to wait.
  Session(Screener& screener, Duration longest_wait,
          std::function<void()> before_wait);
  ~Session();  // the connection has ended
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // `is_postfix`: else Sendmail, or one like it.
  void Connect(Client client, bool is_postfix = false);
  void Helo(std::string_view name);
  // `authenticated`: the MTA names a user.
  std::optional<Verdict> Mail(std::string_view sender, bool authenticated);
  std::optional<Verdict> Recipient(std::string_view recipient);
  // The MTA itself has refused it, with that enhanced status code (RFC 3463)
  // and these words; what we would answer is ignored.
  void RecipientRejected(std::string_view recipient,
                         std::string_view enhanced_code,
                         std::string_view words = {});
  // A command that the MTA does not know.
  std::optional<Verdict> Unknown(std::string_view command);
  std::optional<Verdict> Data();
  void Header(std::string_view name, std::string_view value);
  std::optional<Verdict> EndOfMessage();

 private:
  // A verdict that may refuse the session, and whether the client has it.
  struct Charge {
    std::shared_ptr<Screening> screening;
    bool answered = false;
  };

  bool IsJudged() const { return connect_.screening && !authenticated_; }
  std::optional<Verdict> Await(const Screening& screening);
  // What speaks against the session by now.
  std::optional<Verdict> Refusal();
  // Nobody has been told yet: looks at it and waits for what comes of it.
  std::optional<Verdict> Answer(Offence offence);
  void Note(OffenceKind kind, std::string_view detail);
  bool IsTrap(std::string_view recipient) const;

  Screener& screener_;
  const Duration longest_wait_;
  const std::function<void()> before_wait_;
  std::shared_ptr<const Rules> rules_;  // since Connect
  Client client_;                       // as far as it has told
  Charge connect_;  // no screening: the session is not judged
  Charge helo_;
  Charge sender_;  // of this message
  std::optional<HeaderVerdict> header_;
  bool is_postfix_ = false;
  bool authenticated_ = false;
  bool told_to_pass_ = false;  // at MAIL
  bool has_spoken_ = false;    // said anything but HELO
};

}  // namespace breakwater
