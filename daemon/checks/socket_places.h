#pragma once

#include "daemon/config/config.h"

namespace breakwater {

// `breakwaterd --make-places`, run as root before the daemon is, and what a
// start as root begins with: makes the directory of each configured unix socket
// that is missing where the one above is there. It belongs to the daemon's user
// and, with the setgid bit, to the group whose the sockets in it will be: the
// configured one, or the mail server's for its usual place. (systemd-tmpfiles
// fails at a line with a group that the host does not have; hardly any host has
// those of all mail servers.)
//
// What is there is left as it is. Returns the exit code; stderr says why.
int MakeSocketPlaces(const Config& config);

}  // namespace breakwater
