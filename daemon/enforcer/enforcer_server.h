#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/file_descriptor.h"
#include "core/base/log_limit.h"
#include "core/base/token_bucket.h"
#include "core/types/record.h"
#include "daemon/config/config.h"
#include "daemon/enforcer/enforcer_channel.h"
#include "daemon/enforcer/kernel_errors.h"
#include "daemon/enforcer/order_batch.h"
#include "daemon/enforcer/set_keeper.h"
#include "daemon/protection/host_protection.h"
#include "daemon/protection/protection.h"
#include "firewall/left_overs.h"
#include "firewall/sets/ban_sets.h"
#include "reaper/reaper.h"

namespace breakwater {

// What the reaper needs to know of the ports on which a ban holds.
ReaperOptions ReaperOptionsOf(const BanPorts& ports);

// Carries out what the daemon orders, within what the root-owned configuration
// allows. It trusts the daemon with nothing: a taken-over daemon can neither
// ban a protected address nor flood the kernel, nor end sessions on ports
// where no ban holds.
//
// One daemon at a time; another is turned away until the first has gone. Of
// each packet of orders the kernel's sets get theirs first, as one batch, then
// the daemon is told, then the reaper gets what is to be ended.
//
// One thread, that of Run; Stop and Reload may be called by any, and by signal
// handlers.
class EnforcerServer {
 public:
  struct Parts {
    FileDescriptor listener;
    std::vector<uid_t> accepted;  // users that the daemon may run as
    std::vector<std::unique_ptr<BanSets>> sets;  // one of each backend
    std::unique_ptr<Reaper> reaper;  // null: sessions are left alone
    HostProtection hosts;
    // Has looked once; null: sets of earlier configurations are no matter.
    std::unique_ptr<LeftOvers> left_overs = nullptr;
    // Reads the configuration again.
    std::function<absl::StatusOr<Config>()> load;
  };

  // FailedPrecondition if the kernel lacks something.
  static absl::StatusOr<std::unique_ptr<EnforcerServer>> Make(
      Parts parts, const Config& config);

  // Serves until Stop. The sets stay as they are.
  void Run();
  void Stop() noexcept;
  void Reload() noexcept;

 private:
  EnforcerServer(Parts parts, const Config& config, FileDescriptor wake);

  // The loop.
  void Wait(Instant until);
  void Tick(Instant now);
  void LoadAgain();
  size_t Protected() const;  // networks
  void TakeRules(const Config& config);

  // The daemon.
  void Accept();
  void Greet();
  void ReadPackets();
  absl::Status Handle(const std::vector<Record>& records);
  absl::Status Sort(const Record& record, OrderBatch& batch);
  // Both do nothing when there is no daemon; Send may find that it has gone.
  void Say(const Record& record);
  void Send();
  void CloseDaemon(Severity severity, absl::string_view why);
  bool DaemonIsAlive() const;

  // Orders.
  void SortBan(const Record& record, OrderBatch& batch);
  void SortConnection(const Record& record, OrderBatch& batch);
  void Apply(OrderBatch& batch, uint32_t serial);
  void Refuse(uint32_t serial, const Network& network, Refusal why);
  void RefuseFailed(uint32_t serial, const Network& network,
                    const absl::Status& why);

  // What the daemon is told.
  void BeginListing();
  void ContinueListing();
  void RefreshHosts(Instant now);
  void LookForRules(Instant now);
  void LookForLeftOvers(Instant now);
  void ReportLeftOvers();
  void ProtectionChanged(bool has_more, bool configured = false);
  void SayProtected(bool configured);
  void SayNews();
  // Which sets no rule looks into, where that has changed, or all of it.
  void SayRules(bool all);
  void SayCounters(bool all);
  uint64_t& Count(EnforcerCounter counter) {
    return counts_[static_cast<size_t>(counter)];
  }

  // The daemon is about to say all its bans again.
  void ExpectAllBans();

  Parts parts_;  // but the sets
  KernelErrors errors_;
  SetKeeper sets_;
  FileDescriptor wake_;  // an eventfd, written by Stop and Reload
  std::atomic<bool> stop_ = false;
  std::atomic<bool> reload_ = false;

  Protection protection_;
  WideningRules widening_;
  TokenBucket bucket_;
  size_t most_bans_;            // that a daemon can have
  bool list_was_told_ = false;  // since we have begun

  std::optional<EnforcerChannel> daemon_;
  Instant connected_;
  bool greeted_ = false;  // it has said hello
  bool list_wanted_ = false;
  std::vector<TimedNetwork> listing_;  // of which the end is still to be sent
  Instant listed_;                     // when what is left was
  bool is_listing_ = false;

  static constexpr size_t kCounters =
      static_cast<size_t>(EnforcerCounter::kLast) + 1;
  std::array<uint64_t, kCounters> counts_{};
  std::array<uint64_t, kCounters> said_{};
  std::vector<SetKeeper::Unseen> without_rule_said_;
  std::vector<LeftOvers::Found> left_overs_told_;
  Instant next_left_overs_;
  Instant next_tick_;
  LogLimit refusals_{10, std::chrono::seconds(10)};
  LogLimit strangers_{10, std::chrono::seconds(10)};
};

}  // namespace breakwater
