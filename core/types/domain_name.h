#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace breakwater {

// By which of a client's names a list of domains is asked about it.
enum class NameKind : uint8_t {
  kHelo,     // what it said with HELO or EHLO
  kReverse,  // the name of its address, as the MTA found it
  kSender,   // the domain of the envelope sender
};
inline constexpr std::array kNameKinds = {NameKind::kHelo, NameKind::kReverse,
                                          NameKind::kSender};

const char* NameKindName(NameKind kind);  // "helo", "reverse", "sender"

struct AskedName {
  NameKind kind = NameKind::kHelo;
  std::string name;  // as ListedName makes it

  bool operator==(const AskedName&) const = default;
};

// The name as lists are asked about it: the whole of it, as Postfix'
// reject_rhsbl_* do, in lower case and without a trailing dot. Nothing for what
// is no domain name of two labels or more: addresses, with and without
// brackets; "localhost" and "unknown"; characters that no host's name has; more
// than 253 octets. `text` may be anything.
std::optional<std::string> ListedName(std::string_view text);

// The same of an envelope sender, "a@b.example" or "<@r.example:a@b.example>";
// nothing for "<>" or one without a domain.
std::optional<std::string> DomainOfSender(std::string_view sender);

// Whether the question about the name fits into a domain name (RFC 1035).
bool FitsBefore(std::string_view name, std::string_view zone);

}  // namespace breakwater
