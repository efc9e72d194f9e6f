#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/width.h"

namespace breakwater {

// How many clients of each network are banned: whoever has a /56 or a /48 has
// more /64 than can be banned one by one.
//
// A client is what a ban of it covers (Network::OfClient), and is a member of
// its networks until its ban ends. Bounded: of a network twice as many members
// as it takes are remembered, and of all networks that of which nothing was
// heard for longest makes room. Some 200 bytes for each network with one
// member. Loop thread only.
class BanWidening {
 public:
  static constexpr size_t kMostNetworks = 65'536;
  static constexpr size_t kMostMembers = 131'072;

  struct Reached {
    Network network;
    uint32_t members = 0;  // that are banned now
    // Until when so many are banned as the rules ask for.
    Instant ends;
  };

  // Networks of widths that are not wanted any more are forgotten.
  void SetRules(const WideningRules& rules);

  // The client is banned until then. Its networks of which so many clients are
  // banned as the rules ask for, the widest first.
  std::vector<Reached> Note(const Network& client, Instant ends, Instant now);
  // The client's ban was lifted; or all is forgotten of a network of one of the
  // Widths, so that it takes as many members again.
  void Forget(const Network& network);

  // Of those that have reached what the rules ask for, all that do not hold.
  void ForgetReached(absl::FunctionRef<bool(const Network&)> but, Instant now);

  // Its members that are banned now.
  uint32_t Count(const Network& network, Instant now) const;
  size_t networks() const { return places_.size(); }
  size_t members() const { return members_; }

 private:
  struct Member {
    Network client;
    Instant ends;
  };
  struct Group {
    Network network;
    std::vector<Member> members;
  };
  using Groups = std::list<Group>;  // heard of last first

  // When the n-th longest of their bans ends.
  static Instant EndOfNth(const std::vector<Member>& members, size_t n);
  Group& GroupOf(const Network& network);
  void Drop(Groups::iterator group);
  void DropEnded(Group& group, Instant now);
  // Of the oldest groups a few at a time, so that those that are over go
  // though nothing is heard of them.
  void DropWhatIsOver(Instant now);

  WideningRules rules_;
  Groups groups_;
  absl::flat_hash_map<Network, Groups::iterator> places_;
  size_t members_ = 0;
};

}  // namespace breakwater
