#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/net/address.h"
#include "core/rules/header_rule.h"
#include "core/rules/trap_list.h"
#include "core/types/client.h"

namespace breakwater {

// What Offences are found by.
struct ConductRules {
  // Who has offences on record, at most; and whose connections are counted.
  size_t clients = 200'000;
  // kConnections and kSessions for all clients of a /24, or of an IPv6 /64,
  // together; zero: no limit.
  uint32_t network_connections = 0;
  uint32_t network_sessions = 0;
  // Names with which only we may say HELO, as NormalName makes them.
  std::vector<std::string> own_names;
  // Domains of senders that are not looked at, with all below them, as
  // NormalName makes them: where DNS is split, the site's own look as if nobody
  // could reach them.
  std::vector<std::string> unasked_domains;
  std::shared_ptr<const TrapList> traps;  // null: none
  std::vector<HeaderRule> headers;
};

// Who is not banned, whatever it does: forwarders, backup MXes, allow lists of
// the operator's own.
struct SpareRules {
  NetworkSet networks;
  // Reverse names that the MTA has verified, as NormalName makes them:
  // "mx.example.org", or ".example.org" for all below.
  std::vector<std::string> names;
  bool judged = true;  // else everything of theirs passes
};

// The network whose clients have limits together: /24, or IPv6 /64.
Network NeighboursOf(const IpAddress& client);

bool IsSpared(const SpareRules& rules, const Client& client);

}  // namespace breakwater
