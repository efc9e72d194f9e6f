#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <string>

#include "core/base/clock.h"

namespace breakwater {

// What libmilter asks of the system and must not get as it asks.
//
// libmilter is a shared library; a function that the program itself defines is
// taken before the C library's. So its calls of these functions end up here:
//
// sigwait: libmilter has a thread that waits for SIGHUP, SIGTERM and SIGINT and
// stops the filter when one comes. The kernel prefers the main thread for a
// signal, but while that is inside the handler of one, the next goes to whoever
// waits for it: seen with two SIGHUPs within microseconds. The signals are the
// program's, so that thread waits for nothing.
//
// accept: libmilter tries again at once when descriptors have run out, the
// connection is still waiting, and so it takes a whole processor and writes no
// line; after any other failure some times in a row it gives up. Here its
// listening thread pauses first, and says so in the log. It also has no bound
// of its own for sessions.
//
// read, poll, close: libmilter trusts its peer's frames (frame.h). They are
// looked at where they come in; a peer that sends another, or half of one and
// no more, or that does not take its answer, is told of and its connection ends
// as if the peer had closed it. Every other descriptor of the process is read,
// polled and closed as ever.
struct LibmilterBounds {
  size_t most_sessions = std::numeric_limits<size_t>::max();
  // For the rest of a frame, and for taking an answer.
  Duration patience = std::chrono::seconds(30);
  // Called on threads of libmilter's. `peer` is who did that.
  std::function<void(const std::string& peer, const char* fault)> bad_input;
  // The thread is about to wait for the rest of a frame, or for an answer to be
  // taken, and with it any session that libmilter has given to the same worker
  // (doorbell.h).
  std::function<void()> about_to_wait;
  // There are too many sessions.
  std::function<void(const std::string& peer)> turned_away;
};

// To be called by the thread that is about to become libmilter's listening one.
void TameLibmilter(LibmilterBounds bounds);

// How many sessions libmilter has.
size_t LibmilterSessions();

}  // namespace breakwater
