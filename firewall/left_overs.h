#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/net/netlink.h"
#include "core/rules/names.h"
#include "firewall/ipset/ip_set_reader.h"
#include "firewall/sets/ban_sets.h"

namespace breakwater {

// Sets of ours that nobody fills any more, since the configuration names
// another backend or another firewall.set_prefix now. Rules that look into them
// keep out whoever is in, and no ban table knows.
//
// Those with our names are emptied: whom they are still to keep out the daemon
// knows, and puts into the sets that are in use. Those with other names may be
// another Breakwater's: they are told of, and who is unbanned is taken out of
// them as well. They are known by their form: sets NAME4 and NAME6, the latter
// of /64, both with timeouts; in nftables in a table NAME.
//
// One thread. To be made while we are root, where xt_recent's files are root's.
class LeftOvers {
 public:
  struct Options {
    std::string prefix = kUsualPrefix;
    // What is in use.
    bool ipset = true;
    bool nftables = false;
    bool xt_recent = false;
  };
  static absl::StatusOr<std::unique_ptr<LeftOvers>> Open(
      const Options& options);
  ~LeftOvers();

  // Looks for them, and empties those of ours. Cheap as long as there are none.
  void Look();

  // What keeps somebody out, or may.
  struct Found {
    std::string backend;
    std::vector<std::string> sets;
    uint64_t addresses = 0;  // that the kernel tells of
    std::string remedy;      // a command

    bool operator==(const Found&) const = default;
  };
  const std::vector<Found>& found() const { return found_; }
  // What was emptied by the last Look, with how many were in.
  const std::vector<Found>& emptied() const { return emptied_; }

  // Takes the networks out of those that are told of.
  void Remove(const std::vector<Network>& networks);

 private:
  LeftOvers(Options options, IpSetReader ipset, NetlinkSocket nft);

  void LookAtIpset();
  void EmptyIpset();
  bool IsOurForm(const std::string& prefix);
  void LookAtNft();
  void LookAtNftTable(const std::string& table);
  void LookAtRecent();

  const Options options_;
  const FirewallNames names_;
  IpSetReader ipset_;
  NetlinkSocket nft_;
  std::array<int, 2> recent_ = {-1, -1};  // files of our lists, to be written
  std::vector<Found> found_;
  std::vector<Found> emptied_;
  // Prefixes of the sets that are told of.
  std::vector<std::string> ipset_prefixes_;
  std::vector<std::string> nft_prefixes_;
};

}  // namespace breakwater
