#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "asio/steady_timer.hpp"
#include "core/bans/ban_table.h"
#include "core/clients/allowances.h"
#include "core/dns/mail_domain.h"
#include "core/dns/resolver.h"
#include "core/dnsbl/dnsbl.h"
#include "core/ports/metrics.h"
#include "core/screener/screener.h"
#include "daemon/checks/descriptor_shares.h"
#include "daemon/config/config.h"
#include "daemon/link/enforcer_link.h"
#include "daemon/link/host_sockets.h"
#include "daemon/link/known_protections.h"
#include "daemon/memory/memory_file.h"
#include "daemon/operator/control_server.h"
#include "daemon/operator/operator.h"
#include "daemon/reports/report_server.h"
#include "milter/milter_front.h"
#include "policy/server.h"

namespace breakwater {

// breakwaterd's parts, and how they are put together. Made and run by the main
// thread, which is the loop's.
class Daemon {
 public:
  // Opens every socket; what that needs of privilege can be dropped afterwards.
  static absl::StatusOr<std::unique_ptr<Daemon>> Make(Config config);

  // Serves until SIGTERM or SIGINT. SIGHUP reloads.
  void Run();

 private:
  explicit Daemon(Config config);
  absl::Status Open();

  void StartParts();
  void StartMemory();
  std::vector<EnforcerLink::InForce> BansInForce();
  // Whether what is known of these is written now; true without a memory.
  asio::awaitable<bool> Remembers(std::vector<Network> who);
  MemoryFile::Source MemorySource();
  // What was known before; what was said since is newer.
  void Learn(Remembered known);
  std::vector<Allowance> AllowancesOf(absl::Span<const Network> networks) const;
  void StartReports();
  void WatchSignals();
  asio::awaitable<void> Housekeeping();
  // Says so to the service manager once all is as it stays.
  asio::awaitable<void> AnnounceReady();
  void EndAllowances();

  absl::StatusOr<std::vector<std::string>> Reload();
  // The configured rules with what the enforcer derived.
  std::shared_ptr<const Rules> CurrentRules() const;
  // Whether whom the configuration protects without naming them is known.
  bool ProtectionKnown() const;
  void ApplyRules();
  EnforcerState DescribeEnforcer() const;
  std::vector<DoorLoad> DoorLoads() const;

  std::shared_ptr<const Config> config_;
  asio::io_context loop_;
  asio::signal_set signals_;
  asio::steady_timer housekeeping_timer_;
  Metrics metrics_;
  std::unique_ptr<Resolver> resolver_;
  std::optional<Dnsbl> dnsbl_;
  std::optional<MailDomains> domains_;  // of senders
  BanTable bans_;
  Allowances allowances_;
  std::optional<EnforcerLink> enforcer_;
  KnownProtections protections_;
  bool protection_known_ = true;  // as it was told last
  HostSockets sockets_;
  std::optional<Screener> screener_;
  std::optional<MemoryFile> memory_;
  DescriptorShares shares_;
  std::optional<PolicyServer> policy_;
  std::unique_ptr<MilterFront> milter_;
  std::optional<Operator> operator_;
  std::optional<ControlServer> control_;
  std::optional<ReportServer> reports_;
  std::vector<int> policy_sockets_;  // until policy_ takes them
  int control_socket_ = -1;          // until control_ takes it
  int report_socket_ = -1;           // until reports_ takes it
};

}  // namespace breakwater
