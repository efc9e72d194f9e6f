#pragma once

#include <string>
#include <vector>

#include "core/net/address.h"

namespace breakwater {

// Which rows an index by a network's text must be asked for, so that one finds
// a network of many clients (width.h) with all clients and networks in it.
struct HistoryRange {
  std::string from;  // with this one,
  std::string to;    // without this one,
  std::string glob;  // and such, as SQLite's GLOB has it
};
std::vector<HistoryRange> HistoryRangesOf(const Network& network);
// Of just one.
HistoryRange HistoryRangeOf(const Network& network);

}  // namespace breakwater
