#pragma once

#include "core/judge/judge.h"
#include "core/types/offence.h"

namespace breakwater {

// How a client is answered that an offence condemns.
struct OffenceReply {
  int code = 521;
  const char* enhanced = "5.7.1";  // RFC 3463
  const char* text_template = "";  // as reply.h has it
};

// That of a trap has the words of UnknownUser in place of the text, and no id:
// nothing shows that it is one.
OffenceReply ReplyOf(OffenceKind kind, const Rules& rules);

}  // namespace breakwater
