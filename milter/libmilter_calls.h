#pragma once

namespace breakwater {

// What libmilter asks of the system and must not get as it asks.
//
// libmilter is a shared library; a function that the program itself defines is
// taken before the C library's. So its calls of two functions end up here:
//
// sigwait: libmilter has a thread that waits for SIGHUP, SIGTERM and SIGINT and
// stops the filter when one comes. The kernel prefers the main thread for a
// signal, but while that is inside the handler of one, the next goes to whoever
// waits for it: seen with two SIGHUPs within microseconds. The signals are the
// program's, so that thread waits for nothing.
//
// accept: libmilter tries again at once when descriptors have run out, the
// connection is still waiting, and so it takes a whole processor and writes no
// line. Here its listening thread pauses first, and says so in the log.
//
// To be called by the thread that is about to become libmilter's listening one.
void TameLibmilter();

}  // namespace breakwater
