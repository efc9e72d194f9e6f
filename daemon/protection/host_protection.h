#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "daemon/config/config.h"
#include "daemon/protection/file_watch.h"
#include "daemon/protection/host_networks.h"
#include "daemon/protection/ssh_peers.h"

namespace breakwater {

// All that is protected because of what this host is and does, at the start and
// whenever it changes: its addresses and gateways, the resolvers, and by the
// configuration special ranges, Postfix' mynetworks and SSH peers.
//
// What cannot be found out is as it was before, and is told of in the log: mail
// flows on. One thread; may block for as long as postconf(1) is given.
class HostProtection {
 public:
  // `resolv_conf` is for tests.
  static absl::StatusOr<HostProtection> Open(
      std::string resolv_conf = "/etc/resolv.conf");

  // Everything is found out again at the next Refresh.
  void SetConfig(const Config& config);

  // Looks at what may have changed. Returns whether the list is another than
  // before; an error is one of the kernel's, and all else is up to date.
  absl::StatusOr<bool> Refresh(Instant now);
  // In order, each once.
  const std::vector<ProtectedNetwork>& networks() const { return networks_; }

  // Becomes readable when the kernel has news.
  int fd() const { return hosts_.fd(); }
  // Of the sources that the configuration names, those that fail now.
  size_t failing() const { return mynetworks_fails_ ? 1 : 0; }

 private:
  HostProtection(HostNetworks hosts, SshPeers ssh_peers,
                 std::string resolv_conf);

  void ReadFiles(Instant now);
  void ReadMynetworks();
  std::vector<ProtectedNetwork> Collect() const;

  HostNetworks hosts_;
  SshPeers ssh_peers_;
  const std::string resolv_conf_;
  FileWatch resolv_conf_watch_;
  ProtectConfig config_;
  std::vector<IpAddress> servers_;  // of dns.servers

  std::vector<IpAddress> nameservers_;
  std::vector<Network> mynetworks_;
  FileWatch mynetworks_watch_;
  bool mynetworks_fails_ = false;
  std::string mynetworks_trouble_;  // as it was told last
  bool read_all_ = true;
  // Where main.cf names no mynetworks, Postfix makes them of the interfaces.
  bool hosts_moved_ = false;
  Instant next_files_;
  Instant next_attempt_;
  std::vector<ProtectedNetwork> networks_;
  bool has_news_ = false;  // of which nobody has been told
};

}  // namespace breakwater
