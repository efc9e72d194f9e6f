#pragma once

#include <vector>

#include "core/ban_table.h"
#include "core/screener.h"

namespace breakwater {

// Lifts the ban of a network of many clients (width.h), and of every client and
// network in it: those that were in force, its own first. The kernel is told of
// that network in either case. At most 65536 clients are looked for.
std::vector<Ban> UnbanNetwork(Screener& screener, const BanTable& bans,
                              const Network& network);

}  // namespace breakwater
