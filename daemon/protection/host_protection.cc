#include "daemon/protection/host_protection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "core/base/log.h"
#include "daemon/protection/mynetworks.h"
#include "daemon/protection/nameservers.h"

namespace breakwater {
namespace {

constexpr Duration kLookAtFiles = std::chrono::seconds(5);
// Postfix may not be there yet.
constexpr Duration kTryAgain = std::chrono::seconds(60);

}  // namespace

absl::StatusOr<HostProtection> HostProtection::Open(std::string resolv_conf) {
  absl::StatusOr<HostNetworks> hosts = HostNetworks::Open();
  if (!hosts.ok()) return hosts.status();
  absl::StatusOr<SshPeers> ssh_peers = SshPeers::Open();
  if (!ssh_peers.ok()) return ssh_peers.status();
  return HostProtection(*std::move(hosts), *std::move(ssh_peers),
                        std::move(resolv_conf));
}

HostProtection::HostProtection(HostNetworks hosts, SshPeers ssh_peers,
                               std::string resolv_conf)
    : hosts_(std::move(hosts)),
      ssh_peers_(std::move(ssh_peers)),
      resolv_conf_(std::move(resolv_conf)) {}

void HostProtection::SetConfig(const Config& config) {
  config_ = config.protect;
  servers_.clear();
  for (const DnsServer& server : config.resolver.servers) {
    servers_.push_back(server.address);
  }
  ssh_peers_.SetOptions(config_.ssh);
  read_all_ = true;
}

absl::StatusOr<bool> HostProtection::Refresh(Instant now) {
  const absl::StatusOr<bool> moved = hosts_.Refresh(now);
  absl::Status status = moved.status();
  hosts_moved_ |= moved.value_or(false);
  ReadFiles(now);
  if (config_.ssh_peers) status.Update(ssh_peers_.Refresh(now).status());
  std::vector<ProtectedNetwork> networks = Collect();
  if (networks != networks_) has_news_ = true;
  networks_ = std::move(networks);
  if (!status.ok()) return status;
  return std::exchange(has_news_, false);
}

void HostProtection::ReadFiles(Instant now) {
  if (!read_all_ && now < next_files_) return;
  next_files_ = now + kLookAtFiles;
  if (read_all_) resolv_conf_watch_.Watch({resolv_conf_});
  if (resolv_conf_watch_.Changed() || read_all_) {
    nameservers_ = ReadNameservers(resolv_conf_);
  }
  if (!config_.mynetworks) {
    mynetworks_.clear();
    mynetworks_watch_.Watch({});
    mynetworks_fails_ = false;
    mynetworks_trouble_.clear();
  } else if (mynetworks_watch_.Changed() || read_all_ || hosts_moved_ ||
             (mynetworks_fails_ && now >= next_attempt_)) {
    ReadMynetworks();
    next_attempt_ = now + kTryAgain;
  }
  read_all_ = hosts_moved_ = false;
}

void HostProtection::ReadMynetworks() {
  absl::StatusOr<Mynetworks> found = AskMynetworks(config_.postconf);
  std::string trouble;
  if (found.ok()) {
    trouble = absl::StrJoin(found->left_out, " ");
    mynetworks_ = std::move(found->networks);
    mynetworks_watch_.Watch(std::move(found->files));
  } else {
    trouble = std::string(found.status().message());
  }
  mynetworks_fails_ = !trouble.empty();
  // Once for each trouble, not once for each attempt.
  if (trouble == mynetworks_trouble_) return;
  mynetworks_trouble_ = trouble;
  if (trouble.empty()) return;
  Log(Severity::kWarning, "protection-incomplete")
      .Add("source", "mynetworks")
      .Add(found.ok() ? "left_out" : "why", trouble);
}

std::vector<ProtectedNetwork> HostProtection::Collect() const {
  std::vector<ProtectedNetwork> found = hosts_.networks();
  const auto add = [&found](const Network& network, ProtectionSource source) {
    const auto within = AlwaysProtected().Find(network.address);
    if (within && within->Contains(network)) return;
    found.push_back({network, source});
  };
  for (const IpAddress& server : servers_) {
    add({.address = server}, ProtectionSource::kResolver);
  }
  for (const IpAddress& server : nameservers_) {
    add({.address = server}, ProtectionSource::kResolver);
  }
  for (const Network& network : mynetworks_) {
    add(network, ProtectionSource::kMynetworks);
  }
  if (config_.ssh_peers) {
    for (const IpAddress& peer : ssh_peers_.addresses()) {
      add({.address = peer}, ProtectionSource::kSshPeer);
    }
  }
  if (config_.special_ranges) {
    for (const Network& network : SpecialRanges().networks()) {
      add(network, ProtectionSource::kSpecialRange);
    }
  }
  std::ranges::sort(found);
  const auto rest = std::ranges::unique(found);
  found.erase(rest.begin(), rest.end());
  return found;
}

}  // namespace breakwater
