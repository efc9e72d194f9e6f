#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/rules/rules.h"

namespace breakwater {

// Notices that all clients come from one or two addresses: most likely a proxy
// or a NAT before the mail server that hides who they are. What one of its
// clients does would then be held against all, and a ban would end all mail.
//
// It takes so many connections in a row without another address, over so long
// a time, that a listed client on a quiet server is banned long before: at its
// first contact. And where others came before, it takes ten times as long as
// these usually let wait for them (a day at most), so that two who come often
// while nobody else does are not taken for one. Who came now and then only is
// not suspected with the other.
//
// It is over when others come in earnest: one stray in fifty, a scanner that
// goes around the proxy, does not count.
//
// Pure: it does nothing but count, and knows no clock. Bounded by
// ProxyRules::addresses. Not thread-safe; the screener's is the loop's.
class ProxyWatch {
 public:
  explicit ProxyWatch(ProxyRules rules = {}) : rules_(rules) {}
  // Begins anew if they are others.
  void SetRules(const ProxyRules& rules);

  // A client was there before we began; they are told the last first.
  void Knows(const Network& client, Instant at);
  // A client has connected. Whether it went on or off by that.
  bool Connected(const IpAddress& client, Instant now);

  bool is_on() const { return state_.on_since.has_value(); }
  // Whether it is on, and may be because of this client.
  bool Suspects(const IpAddress& client) const;

  struct State {
    std::optional<Instant> on_since;
    // What bans of them would cover.
    std::vector<Network> suspects;
    uint64_t connections = 0;  // of theirs in a row, when it went on
    Instant since;             // the first of these
  };
  const State& state() const { return state_; }

 private:
  struct Seen {
    Network client;
    uint64_t last = 0;  // the number of its latest connection
    Instant at;
  };

  Seen& SeenAs(const Network& client);
  void Note(const Network& client, Instant now);
  bool GoesOn(Instant now);
  bool GoesOff(const Network& client);
  // How long nobody else must have come.
  Clock::duration Silence() const;
  bool HasAShare(const Network& client) const;

  ProxyRules rules_;
  State state_;
  uint64_t connections_ = 0;
  Instant first_;
  // The latest first: those who can be suspected, and some of the others. Since
  // the last connection of the first of these, all were of the former.
  std::vector<Seen> seen_;
  std::deque<Network> latest_;  // whose the last connections were
  // While it is on: how many of the last connections were not the suspects'.
  uint32_t strays_ = 0;
  uint32_t counted_ = 0;
  // Who may be a second one, and how often it has come.
  std::optional<Network> candidate_;
  uint32_t candidates_ = 0;
};

}  // namespace breakwater
