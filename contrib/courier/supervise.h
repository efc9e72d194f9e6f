#pragma once

#include <signal.h>

#include <functional>

namespace breakwater {

// SIGTERM, SIGINT and SIGHUP, which end the filter. They are blocked from the
// beginning on and waited for, so that none can come at the wrong moment.
const sigset_t& EndSignals();
void BlockEndSignals();

// Runs `serve` in a child process, and again after a pause whenever the child
// ends otherwise than with exit code 0. Returns then, in the parent, or once
// the child has ended after a signal of EndSignals, which it is passed as
// SIGTERM.
//
// Courier starts a filter once. Were one gone while its socket's name is still
// there, everybody's mail would be answered 432 until somebody looks; with
// this, messages wait in the queue of the socket for a moment instead.
void Supervise(const std::function<int()>& serve);

}  // namespace breakwater
