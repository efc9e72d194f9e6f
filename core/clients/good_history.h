#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/rules/rules.h"

namespace breakwater {

// Clients whose mail was accepted in the last days: who is condemned and has
// such a history may be a correspondent, and the list wrong.
//
// A client is what a ban of it would cover. It begins on probation, and is good
// when its mail is accepted again after that time. Whoever sends one message
// from each of many addresses pushes out only others on probation; whoever
// comes again later, from many, only those who weigh no more than they do. A
// client's weight is the number of occasions on which its mail was accepted,
// each counting half after a half-life.
//
// No network has more than its share of the places: an IPv6 /48 as many as an
// IPv4 /24 has addresses, and an IPv4 /16 or an IPv6 /32 an eighth of all (or
// as many, if that is more). So who has 65,536 /64 does not push out those who
// write for the first time.
//
// Bounded, some 200 bytes for each client (see bytes). Not thread-safe; the
// screener's is the loop's.
class GoodHistory {
 public:
  explicit GoodHistory(HistoryRules rules = {}) : rules_(rules) {}
  void SetRules(HistoryRules rules);

  // A message of this client's was accepted.
  void Accept(const IpAddress& client, Instant now);
  // The same, while it was not known whether lists hold it: who is good is not
  // forgotten for that, and nobody becomes it.
  void AcceptUncleared(const IpAddress& client, Instant now);
  bool IsGood(const IpAddress& client, Instant now) const;
  // A good client was refused and not banned. Until the window ends its next
  // condemnation bans.
  void Warn(const IpAddress& client, Instant now);
  bool IsWarned(const IpAddress& client, Instant now) const;
  // Whether a good client is in that network, which has one of the Widths.
  bool HasGoodIn(const Network& network) const {
    return good_around_.contains(network);
  }
  // Drops what is too old. Cheap when little is.
  void Expire(Instant now);

  // What is known of a client, for people.
  struct Standing {
    bool good = false;  // else on probation
    double weight = 0;
    Instant first;
    Instant last;
    std::optional<Instant> warned;  // within the window
  };
  std::optional<Standing> Find(const IpAddress& client, Instant now) const;

  // Beyond it, who sends all day would stay heavier than anybody else long
  // after it has gone silent.
  static constexpr float kHeaviest = 1000;

  // What is remembered of one, and how it is remembered again: whose mail came
  // last first, all of them before those who are known by now. Of who is known
  // it counts as well.
  struct Entry {
    Network client;
    bool good = false;
    float weight = 1;
    Instant weighed;  // when the weight was that
    Instant first;
    Instant last;
    Instant warned = Instant::min();  // never
  };
  std::optional<Entry> Find(const Network& client) const;
  void Restore(const Entry& entry);
  std::vector<Network> Networks() const;

  size_t good() const { return good_.size(); }
  size_t on_probation() const { return probation_.size(); }
  size_t bytes() const;  // about

 private:
  using Entries = std::list<Entry>;  // whose mail came last first

  size_t most_on_probation() const { return (rules_.clients + 3) / 4; }
  size_t most_good() const { return rules_.clients - most_on_probation(); }
  double WeightOf(const Entry& entry, Instant now) const;
  const Entry* Known(const IpAddress& client, Instant now) const;
  // Unless all who could make room weigh more.
  void Promote(Entries::iterator entry, Instant now);
  Entries::iterator LightestOfTheSilent(Instant now);
  void DropLast(Entries& entries);
  // What was known of it before.
  void AddTo(Entries::iterator known, const Entry& before);
  void CountGood(const Network& client, int step);
  // One more or one less is remembered.
  void Count(const Network& client, int step);
  bool HasRoomFor(const Network& client) const;

  HistoryRules rules_;
  Entries good_;
  Entries probation_;
  absl::flat_hash_map<Network, Entries::iterator> places_;
  // How many are remembered of each network that has a share.
  absl::flat_hash_map<Network, uint32_t> shares_;
  // How many good clients are in each network around one.
  absl::flat_hash_map<Network, uint32_t> good_around_;
};

}  // namespace breakwater
