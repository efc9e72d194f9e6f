#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "firewall/ipset/ip_sets.h"
#include "firewall/nftables/nft_sets.h"
#include "firewall/recent_lists.h"
#include "tests/fakes/net_namespace.h"

namespace breakwater {

// A backend as the tests of all of them see it: how it is opened, what rules
// make it take effect, and what somebody else may do to it.
struct BackendKind {
  virtual ~BackendKind() = default;
  virtual std::string name() const = 0;
  virtual std::unique_ptr<BanSets> Open(const TimedSetsOptions& options) = 0;
  // Drops new connections to port 25 of who is banned. Usual bans last
  // `seconds`; with `extend` a hit starts them anew.
  virtual std::string Rules(bool extend, uint32_t seconds) = 0;
  // The same of who is in a network of a set of its own. Empty if there are no
  // such sets.
  virtual std::string WideRules() { return ""; }
  virtual std::string FlushWide() { return ""; }
  // The rules must be there before the sets can be.
  virtual bool rules_first() const { return false; }
  virtual std::string Flush() = 0;
  // Takes away all sets, with the rules that name them.
  virtual std::string Destroy() = 0;
  // Takes away the rules alone, where there is such a thing.
  virtual std::string RemoveRules() {
    return "iptables -t raw -F && ip6tables -t raw -F";
  }
  // Puts something else in the place of the IPv4 set, and takes it away; only
  // of those whose sets have a type.
  virtual std::string Spoil() { return ""; }
  virtual std::string Unspoil() { return ""; }
  // Has what a rule's hit prolongs end within a minute.
  virtual std::string Shorten(const std::string& /*v4*/) { return ""; }
};

struct IpsetKind : BackendKind {
  std::string name() const override { return "ipset"; }
  std::unique_ptr<BanSets> Open(const TimedSetsOptions& options) override {
    auto sets = IpSets::Open({options, 1024});
    return sets.ok() ? *std::move(sets) : nullptr;
  }
  std::string Rules(bool extend, uint32_t seconds) override {
    std::string rules;
    for (const char* version : {"4", "6"}) {
      const std::string begin =
          std::string(version) == "4" ? "iptables" : "ip6tables";
      const std::string rule =
          begin +
          " -t raw -A PREROUTING -p tcp --syn --dport 25 -m set "
          "--match-set breakwater" +
          version;
      if (extend) {
        rules += rule + "-extend src -j SET --add-set breakwater" + version +
                 "-extend src --exist --timeout " + std::to_string(seconds) +
                 " && " + rule + "-extend src -j DROP && ";
      }
      rules += rule + " src -j DROP && ";
    }
    return rules + "true";
  }
  std::string WideRules() override {
    const std::string rule =
        "tables -t raw -A PREROUTING -p tcp --syn --dport 25 -m set "
        "--match-set breakwater";
    return "ip" + rule + "4-24 src -j DROP && ip6" + rule +
           "6-56 src -j DROP && ip6" + rule + "6-48 src -j DROP";
  }
  std::string Flush() override { return "ipset flush"; }
  std::string FlushWide() override { return "ipset flush breakwater4-24"; }
  std::string Destroy() override {
    return "iptables -t raw -F && ip6tables -t raw -F && ipset destroy";
  }
  std::string Spoil() override {
    return "ipset destroy breakwater4 && ipset create breakwater4 hash:net";
  }
  std::string Unspoil() override { return "ipset destroy breakwater4"; }
  std::string Shorten(const std::string& v4) override {
    return "ipset -exist add breakwater4-extend " + v4 + " timeout 30";
  }
};

struct NftKind : BackendKind {
  explicit NftKind(bool old) : old_kernel(old) {}
  std::string name() const override {
    return old_kernel ? "nftables_before_6_12" : "nftables";
  }
  std::unique_ptr<BanSets> Open(const TimedSetsOptions& options) override {
    auto sets = NftSets::Open({options, !old_kernel});
    return sets.ok() ? *std::move(sets) : nullptr;
  }
  std::string Rules(bool extend, uint32_t seconds) override {
    std::string rules =
        "nft 'add chain inet breakwater drops "
        "{ type filter hook prerouting priority raw; }' && ";
    const auto add = [&rules](const std::string& key, const std::string& set,
                              const std::string& more) {
      rules +=
          "nft 'add rule inet breakwater drops tcp dport 25 "
          "tcp flags & (syn | ack) == syn " +
          key + " @" + set + " " + more + " drop' && ";
    };
    const std::string v4 = "ip saddr";
    const std::string v6 = "ip6 saddr & ffff:ffff:ffff:ffff::";
    if (extend) {
      const std::string timeout = " timeout " + std::to_string(seconds) + "s }";
      add(v4, "breakwater4-extend",
          "update @breakwater4-extend { " + v4 + timeout);
      add(v6, "breakwater6-extend",
          "update @breakwater6-extend { " + v6 + timeout);
    }
    add(v4, "breakwater4", "");
    add(v6, "breakwater6", "");
    return rules + "true";
  }
  std::string WideRules() override {
    const std::string begin =
        "nft 'add rule inet breakwater drops tcp dport 25 "
        "tcp flags & (syn | ack) == syn ";
    return begin + "ip saddr & 255.255.255.0 @breakwater4-24 drop' && " +
           begin +
           "ip6 saddr & ffff:ffff:ffff:ff00:: @breakwater6-56 drop' && " +
           begin + "ip6 saddr & ffff:ffff:ffff:: @breakwater6-48 drop'";
  }
  std::string FlushWide() override {
    return "nft flush set inet breakwater breakwater4-24";
  }
  std::string Flush() override {
    return "for set in 4 6; do nft flush set inet breakwater breakwater$set || "
           "exit 1; done";
  }
  std::string Destroy() override { return "nft flush ruleset"; }
  std::string RemoveRules() override {
    return "nft flush chain inet breakwater drops && nft delete chain inet "
           "breakwater drops";
  }
  std::string Spoil() override {
    return "nft delete set inet breakwater breakwater4 && nft 'add set inet "
           "breakwater breakwater4 { type ipv4_addr; flags interval; }'";
  }
  std::string Unspoil() override {
    return "nft delete set inet breakwater breakwater4";
  }
  std::string Shorten(const std::string& v4) override {
    const std::string set = " element inet breakwater breakwater4-extend { ";
    return "nft 'delete" + set + v4 + " }' && nft 'add" + set + v4 +
           " timeout 30s }'";
  }

  const bool old_kernel;
};

struct RecentKind : BackendKind {
  std::string name() const override { return "xt_recent"; }
  std::unique_ptr<BanSets> Open(const TimedSetsOptions& options) override {
    return RecentLists::Open({.prefix = options.prefix, .most_bans = 1});
  }
  std::string Rules(bool extend, uint32_t seconds) override {
    const std::string rule =
        " -t raw -A PREROUTING -p tcp --syn --dport 25 -m recent "
        "--name breakwater";
    const std::string length = (extend ? " --update" : " --rcheck") +
                               std::string(" --seconds ") +
                               std::to_string(seconds) + " -j DROP";
    return "iptables" + rule + length + " && ip6tables" + rule +
           "6 --mask ffff:ffff:ffff:ffff::" + length;
  }
  bool rules_first() const override { return true; }
  std::string Flush() override {
    return "for list in breakwater breakwater6; do "
           "echo / >/proc/net/xt_recent/$list || exit 1; done";
  }
  std::string Destroy() override {
    return "iptables -t raw -F && ip6tables -t raw -F";
  }
};

// As the names of tests have it.
inline void PrintTo(const std::shared_ptr<BackendKind>& kind,
                    std::ostream* out) {
  *out << kind->name();
}

}  // namespace breakwater
