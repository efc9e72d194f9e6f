#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/net/address.h"
#include "core/rules/zone.h"
#include "core/types/verdict.h"

namespace breakwater {

// RFC 5321 section 4.5.3.1.5: a reply line has at most 512 octets; code,
// enhanced code, MTA's own prefix and CRLF take their share.
inline constexpr size_t kLongestReplyText = 400;

// What a template may name. Everything in it is made safe before it is used.
struct ReplyFacts {
  IpAddress client;
  std::string_view list;    // the zone's label
  std::string_view reason;  // the list's own words, may be empty
  std::string_view id;
  std::string_view name = {};  // which is listed, where a name is
};

// "{client}", "{name}", "{list}", "{reason}" (" (words)" or nothing) and "{id}"
// are replaced. Safe ASCII of at most kLongestReplyText bytes, whatever the
// facts hold; the id is never cut off.
std::string RenderReply(std::string_view text_template,
                        const ReplyFacts& facts);

// Refuses an unknown {word}, an unclosed brace, an empty text and characters
// that no reply may carry.
absl::Status CheckReplyTemplate(std::string_view text_template);

// Refuses codes that are neither 4xx nor 5xx as an MTA may say them.
absl::Status CheckReplyCode(int code);

// What an MTA is given to say.
struct SmtpReply {
  int code = 521;
  std::string enhanced_code;  // RFC 3463
  std::string text;           // never empty
};

// The reply of a verdict that is not kPass. Valid, safe and of bounded length
// whatever the verdict holds.
SmtpReply SafeReply(const Verdict& verdict);

}  // namespace breakwater
