#pragma once

#include <chrono>
#include <string_view>

namespace breakwater {

// What a refused client is told, on descriptors that tcpserver or couriertcpd
// has made: a socket mostly, pipes below recordio or a TLS wrapper. SIGPIPE is
// ignored from then on.

// The reply in place of a greeting; the caller then exits. To close with unread
// input would reset the connection, and a reset can overtake the reply. So with
// a client that spoke first, this reads, and throws away, until the client has
// closed or its kernel has acknowledged the reply, for half a second at most.
// One that waits for its greeting costs no time.
void SayAsBanner(int in, int out, std::string_view reply);

// As rblsmtpd does with -t: greets, accepts HELO, EHLO, MAIL, RSET and NOOP,
// says the reply to everything else, until QUIT, the client's end or the
// length is over.
void SayInDialogue(int in, int out, std::string_view reply,
                   std::chrono::milliseconds length);

}  // namespace breakwater
