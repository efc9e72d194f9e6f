#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/evidence.h"

namespace breakwater {

enum class Origin : uint8_t {
  kList,           // a DNS list
  kOffence,        // what it did
  kOperator,       // `breakwater ban`
  kBeforeRestart,  // found in the kernel's set at start
  kNeighbours,     // so many of its network are banned
};

const char* OriginName(Origin origin);  // "list", "offence", ...
std::optional<Origin> ParseOrigin(std::string_view name);

// Who is kept out, until when and why.
struct Ban {
  Network network;   // of a client, or of one of the Widths
  IpAddress client;  // who was judged; unspecified if nobody was
  Instant expires;
  Origin origin = Origin::kList;
  uint32_t count = 1;    // how often it was imposed while in force
  uint32_t members = 0;  // of a network: how many banned clients made it
  int code = 521;
  std::string id;
  std::string label;  // the list's or the offence's; empty if none
  std::string text;   // of the reply
  Instant imposed{};  // first, while in force since
  // Lists that are found to lie take it along.
  Evidence evidence = {};
};

}  // namespace breakwater
