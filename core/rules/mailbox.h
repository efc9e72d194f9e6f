#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace breakwater {

// An address of mail (RFC 5321 section 4.1.2) in lower case, so that two that
// mean the same mailbox are equal: no MTA in use tells local parts apart by it.
struct Mailbox {
  std::string local;    // without quotes and backslashes
  bool quoted = false;  // it had some
  bool has_at = false;
  std::string domain;  // as NormalName makes it; empty if there is none

  bool operator==(const Mailbox&) const = default;
};

// "local@domain". The last @ outside of quotes divides them. Nothing if a quote
// has no end; `text` may be anything.
std::optional<Mailbox> ReadMailbox(std::string_view text);

// The same of a recipient or sender as an MTA tells it: angle brackets and a
// source route (RFC 5321 appendix C) may stand around it.
std::optional<Mailbox> ReadRecipient(std::string_view text);

}  // namespace breakwater
