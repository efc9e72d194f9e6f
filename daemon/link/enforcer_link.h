#pragma once

#include <sys/types.h>

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "asio/awaitable.hpp"
#include "asio/generic/seq_packet_protocol.hpp"
#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "core/bans/remembered_ban.h"
#include "core/base/log_limit.h"
#include "core/ports/enforcer.h"
#include "core/ports/metrics.h"
#include "core/types/ban.h"
#include "core/types/record.h"
#include "daemon/link/postponed_orders.h"

namespace breakwater {

// The daemon's end of the conversation with breakwater-enforcer (record.h).
//
// While one packet of orders is in the kernel the next one collects. When the
// enforcer is away, mail flows as before: orders are not kept, for the ban
// table is, and when the enforcer is back the two are compared. Only what the
// table cannot tell is remembered meanwhile: spared sessions, and lifted bans
// until the enforcer has said that they are. These a memory keeps as well, for
// a process that comes after this one would adopt them from the kernel.
//
// What the enforcer refuses for a reason that may pass (too fast, the kernel,
// too wide for what it has read) is said again after a while, until it is taken
// or the ban has ended: the table holds it, and nobody else would say it again.
//
// Loop thread only. Must outlive the loop's last run.
class EnforcerLink : public Enforcer {
 public:
  struct Options {
    std::string socket;           // path
    std::vector<uid_t> accepted;  // who the enforcer may run as
    // After which an order that was refused for a reason that may pass is said
    // again; doubled each time.
    Duration first_repeat = std::chrono::seconds(5);
    // How often it is asked for a sign of life while there is nothing to order.
    Duration beat = std::chrono::seconds(2);
  };

  // A network that the enforcer refuses to ban, and why.
  struct Protection {
    Network network;
    ProtectionSource source;
  };

  struct InForce {
    Network network;
    Instant expires;
  };

  // What the link needs of the rest of the daemon.
  struct Callbacks {
    std::function<std::vector<InForce>()> bans;  // all, in no order
    std::function<void(const Network&, Duration left)> adopt;
    std::function<void(const Network&)> withdraw;
    // What protections() and configured() tell is other than it was.
    std::function<void()> protect;
    // What Liftings says of that network is other than it was.
    std::function<void(const Network&)> lifting;
  };

  EnforcerLink(asio::io_context& loop, Metrics& metrics, Options options);
  // Begins to connect, for as long as the loop runs.
  void Start(Callbacks callbacks);

  void Ban(const Network& network, Duration length) override;
  void Unban(const Network& network) override;
  void EndAfterReply(const Connection& connection) override;
  void Destroy(const Connection& connection) override;
  void Spare(const Connection& connection) override;
  void Forget(const Connection& connection) override;

  // Which of these were lifted, as far as the enforcer has not confirmed it.
  std::vector<Lifting> Liftings(absl::Span<const Network> networks);
  // Of all networks.
  std::vector<Network> LiftedNetworks() const;

  // Has the enforcer read its section of the configuration again.
  void Reload();

  // Waits, for at most so long, until the enforcer has carried out all that was
  // ordered before. Whether it has; false at once while it is away.
  asio::awaitable<bool> Settled(Duration longest);

  bool connected() const { return ready_; }
  // Since when it owes an answer; nothing if it does not.
  std::optional<Instant> owes_since() const {
    return ready_ && !on_its_way_.empty() ? std::optional(sent_) : std::nullopt;
  }
  Instant since() const { return since_; }
  // Why it is not connected; empty when it is.
  const std::string& trouble() const { return trouble_; }
  // Whether it is known by now if the enforcer is there.
  bool has_tried() const { return has_tried_; }
  // What the enforcer protects by what it has read, and what it has found out.
  const NetworkSet& configured() const { return configured_; }
  const std::vector<Protection>& protections() const { return protections_; }
  // Whether it has ever said what they are, to this process.
  bool has_told_protections() const { return has_told_protections_; }
  const absl::flat_hash_map<EnforcerCounter, uint64_t>& counters() const {
    return counters_;
  }
  // Which sets no rule of the firewall looks into, as kNoRule says it; nothing
  // of a backend that it has not told of.
  const std::map<SetsOf, std::bitset<kSetsOfBackend>>& without_rule() const {
    return without_rule_;
  }

 private:
  struct Order {
    Record record;
    Instant queued;
    // Grows from one that is new to the next; 0: it is said again, or refused.
    uint64_t stamp = 0;
    bool again = false;  // from the backlog, or refused before
    Duration pause{};    // if refused before, that after the last time
  };

  asio::awaitable<void> Run();
  asio::awaitable<absl::Status> Connect();
  asio::awaitable<void> Converse();
  asio::awaitable<absl::Status> Read();
  asio::awaitable<absl::Status> Write();
  asio::awaitable<absl::Status> Send(absl::Span<const Record> records);

  absl::Status Handle(const Record& record);
  void Applied(uint32_t serial);
  void Refused(const Record& record);
  void Postpone(const Order& refused);
  void QueuePostponed();
  void QueueBeat();
  void CompareWithKernel();
  void SendAllBans();
  void Queue(const Record& record) { Queue(record, ++last_stamp_); }
  void Queue(const Record& record, uint64_t stamp);
  void NoteLifted(const Network& network);
  void NoteCarriedOut(const Order& order);
  // What was said last about the network of a kRefused.
  Order* FindOnItsWay(const Record& refused);
  void WakeWaiting();
  // The orders of the next packet.
  std::vector<Order> TakeOrders();
  void Lost(const absl::Status& why);
  void ShowSetsWithoutRule();
  void NoteProtection(const Network& network, ProtectionSource source);
  void TakeProtections(bool configured_stay);

  asio::io_context& loop_;
  Metrics& metrics_;
  const Options options_;
  Callbacks callbacks_;

  asio::generic::seq_packet_protocol::socket socket_;
  asio::steady_timer retry_;
  asio::steady_timer wake_;  // cancelled when there is something to write
  bool ready_ = false;       // the kernel's entries are known
  Instant since_;
  std::string trouble_ = "not connected yet";
  std::string told_trouble_;  // as the log had it
  bool has_tried_ = false;
  // Until then an enforcer that is away is not missed: it has said goodbye, or
  // we have only begun.
  Instant excused_until_;

  std::deque<Order> queue_;
  // Bans that are said again, behind whatever is new: there may be a million.
  // But not those that were lifted meanwhile.
  std::deque<Record> backlog_;
  absl::flat_hash_set<Network> lifted_from_backlog_;
  std::vector<Order> on_its_way_;
  uint32_t serial_ = 0;
  // Orders that are not of the backlog, ever queued and ever carried out; both
  // begin anew when the enforcer does.
  uint64_t ordered_ = 0;
  uint64_t carried_out_ = 0;
  uint64_t refusals_ = 0;  // of them
  LogLimit refusal_lines_{10, std::chrono::seconds(10)};
  uint64_t conversation_ = 0;
  std::vector<asio::steady_timer*> waiting_;  // in Settled
  Instant sent_;                              // when what is on its way was

  // The last word about each of these networks was refused. Whatever goes to
  // the enforcer about one after that takes it out.
  PostponedOrders postponed_;

  // What must be said again to an enforcer that was away.
  struct Lifted {
    uint64_t stamp = 0;       // of the order
    bool remembered = false;  // Liftings has told of it
  };
  absl::flat_hash_map<Network, Lifted> lifted_;
  uint64_t last_stamp_ = 0;
  absl::flat_hash_set<Connection> spared_;

  absl::flat_hash_map<Network, Duration> entries_;  // while they are listed
  bool say_all_ = false;  // sets were made while they were listed
  std::vector<Protection> protections_;
  bool has_told_protections_ = false;
  std::vector<Protection> incoming_protections_;
  NetworkSet configured_;
  std::vector<Network> incoming_configured_;
  absl::flat_hash_map<EnforcerCounter, uint64_t> counters_;
  std::map<SetsOf, std::bitset<kSetsOfBackend>> without_rule_;
};

}  // namespace breakwater
