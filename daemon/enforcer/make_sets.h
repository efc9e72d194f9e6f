#pragma once

#include <string>

namespace breakwater {

// `breakwater-enforcer --make-sets`: makes the ip sets that a rule of the
// firewall may name, and leaves those that exist as they are, whatever their
// size. For the boot, before any rule is loaded: one rule that names a missing
// set has iptables-restore load nothing at all, and the host is up without its
// firewall. That must not happen for the sake of what the configuration says by
// now, nor of what is wrong in it. So all sets are made, also those that no ban
// goes into any more, and by their usual names if nothing else can be read.
//
// Needs CAP_NET_ADMIN. Returns the exit code: 0, or 1 if one is not there or
// not as it must be, or if the configuration cannot be read.
int MakeSets(const std::string& config_file);

}  // namespace breakwater
