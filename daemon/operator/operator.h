#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "core/bans/ban_table.h"
#include "core/base/clock.h"
#include "core/base/token_bucket.h"
#include "core/clients/allowances.h"
#include "core/dnsbl/dnsbl.h"
#include "core/ports/metrics.h"
#include "core/screener/screener.h"
#include "core/types/door_load.h"
#include "daemon/config/config.h"
#include "daemon/memory/memory_file.h"
#include "daemon/operator/ban_export.h"
#include "daemon/protocol/control_request.h"
#include "daemon/status/enforcer_state.h"

namespace breakwater {

// Does what breakwater(8) asks for. The answers are an interface: `--json`
// shows them as they are. Times are given twice, as the seconds that are left
// or have passed and as wall time (ISO 8601, UTC).
//
// Loop thread only. What the parts refer to must outlive it.
class Operator {
 public:
  struct Parts {
    Screener& screener;
    Dnsbl& dnsbl;
    BanTable& bans;
    Allowances& allowances;
    Metrics& metrics;
    MemoryFile* memory;  // null: there is none
    std::function<std::shared_ptr<const Config>()> config;
    std::function<EnforcerState()> enforcer;
    std::function<std::vector<DoorLoad>()> doors;
    // Waits until the kernel has what was ordered; false if it has it not yet.
    std::function<asio::awaitable<bool>()> settled;
    // Waits until what is known of these is where a restart finds it; false if
    // it is not there yet. True also where nothing is kept.
    std::function<asio::awaitable<bool>(std::vector<Network>)> remembered;
    // Brings what has been allowed, or is so no longer, into effect.
    std::function<void()> apply_allowances;
    // Loads the configuration. What is to be told besides success: warnings,
    // and keys that wait for a restart. An error keeps the old one.
    std::function<absl::StatusOr<std::vector<std::string>>()> reload;
  };

  explicit Operator(Parts parts);

  asio::awaitable<nlohmann::json> Handle(ControlRequest request, uid_t user);

  // Loads the configuration as Parts::reload does. That it was refused is a
  // problem until one is taken: by then a restart may have failed.
  absl::StatusOr<std::vector<std::string>> Load();

 private:
  nlohmann::json Status() const;
  asio::awaitable<nlohmann::json> Bans(size_t limit) const;
  asio::awaitable<nlohmann::json> Export(uint64_t snapshot, size_t offset);
  // Lifts what has become protected; how many that were.
  asio::awaitable<size_t> ApplyAllowances();
  asio::awaitable<nlohmann::json> BanAddress(ControlRequest request);
  asio::awaitable<nlohmann::json> Import(std::vector<BanEntry> entries);
  // Slows down who would have the enforcer refuse more than it takes.
  asio::awaitable<void> Pace();
  asio::awaitable<nlohmann::json> Unban(ControlRequest request);
  // The answer, once kernel and memory have what it tells; or with a note of
  // what they have not. `what` is what the kernel is to hear of.
  asio::awaitable<nlohmann::json> WhenSettled(nlohmann::json answer,
                                              std::string what,
                                              std::vector<Network> changed);
  std::string NotYet(const std::string& what) const;
  asio::awaitable<nlohmann::json> Allow(ControlRequest request);
  nlohmann::json Allowed() const;
  asio::awaitable<nlohmann::json> Disallow(Network network);
  // An allowance has begun or was ended.
  void Remember(const Allowance& allowance, EventKind kind, Duration length);
  asio::awaitable<nlohmann::json> Report(ReportRequest request);
  asio::awaitable<nlohmann::json> History(ControlRequest request);
  asio::awaitable<nlohmann::json> Explain(IpAddress address);
  asio::awaitable<nlohmann::json> ExplainName(std::string name);
  nlohmann::json Zones() const;
  asio::awaitable<nlohmann::json> TestZones(std::string label);
  nlohmann::json MetricsText() const;
  nlohmann::json Reload();

  Parts parts_;
  BanExport export_;
  // Of imports, below what the enforcer takes; with the rate that it is for.
  std::optional<TokenBucket> pace_;
  double paced_rate_ = 0;
  std::optional<RefusedReload> refused_;  // the last one, if it was
  const Instant started_ = Clock::now();
};

}  // namespace breakwater
