#pragma once

#include <string_view>

namespace breakwater {

// What a service manager is told of us, as sd_notify(3) does it: one datagram
// to the socket that $NOTIFY_SOCKET names. (Its library would bring three
// compressors and a cipher into the enforcer.) Where nobody asked to be told,
// none of this does anything. Any thread, but the first call comes while there
// is only one.

// Whether somebody wants to be told.
bool HasServiceManager();

// "READY=1", "STOPPING=1", "STATUS=what systemctl status shows".
void TellServiceManager(std::string_view state);

// "WATCHDOG=1", if we are to be taken for hung without it: by the loop whose
// turning it shows, each second.
void FeedWatchdog();

// Whether what is written to stderr goes to the journal, which then reads the
// priority off a line's beginning ("<3>").
bool StderrIsJournal();

}  // namespace breakwater
