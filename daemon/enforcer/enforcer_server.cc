#include "daemon/enforcer/enforcer_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/log.h"
#include "core/base/service_manager.h"
#include "daemon/enforcer/enforcer_socket.h"

namespace breakwater {
namespace {

using std::chrono::seconds;

// How often the sets are looked for and the daemon is told what has changed.
constexpr Duration kTick = seconds(1);
// A daemon that has not said hello by then, or takes nothing for so long, is
// as good as gone.
constexpr Duration kPatience = seconds(10);
// Records that may wait for the daemon before we stop to take its orders.
constexpr size_t kMostUnsent = 16 * kMostRecords;
// Packets that are read before others get their turn.
constexpr int kPacketsAtOnce = 16;
// What another configuration has left changes seldom.
constexpr Duration kLookForLeftOvers = seconds(30);
// How long a daemon may take to say all its bans again.
constexpr Duration kRestoring = seconds(60);

bool IsReload(const Record& record) {
  return record.kind == RecordKind::kReload;
}

}  // namespace

ReaperOptions ReaperOptionsOf(const BanPorts& ports) {
  const bool single = !ports.all && ports.listed.size() == 1;
  return {.covers = [ports](uint16_t port) { return ports.Covers(port); },
          .only_port = single ? ports.listed[0] : uint16_t{0}};
}

absl::StatusOr<std::unique_ptr<EnforcerServer>> EnforcerServer::Make(
    Parts parts, const Config& config) {
  FileDescriptor wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return absl::ErrnoToStatus(errno, "make an eventfd");
  auto server = std::unique_ptr<EnforcerServer>(
      new EnforcerServer(std::move(parts), config, std::move(wake)));
  server->parts_.hosts.SetConfig(config);
  const absl::StatusOr<bool> read = server->parts_.hosts.Refresh(Clock::now());
  if (!read.ok()) return read.status();
  server->protection_.SetDerived(server->parts_.hosts.networks());
  server->ProtectionChanged(/*has_more=*/true);
  if (server->parts_.left_overs != nullptr) server->ReportLeftOvers();
  return server;
}

EnforcerServer::EnforcerServer(Parts parts, const Config& config,
                               FileDescriptor wake)
    : parts_(std::move(parts)),
      sets_(std::move(parts_.sets), errors_),
      wake_(std::move(wake)),
      bucket_(config.enforcer.bans_per_second, config.enforcer.ban_burst,
              Clock::now()),
      most_bans_(config.most_bans) {
  widening_ = config.rules.widening;
  sets_.SetObserving(config.rules.observe);
  protection_.SetConfigured(config.rules.protected_networks);
}

// ---- The loop ---------------------------------------------------------------

void EnforcerServer::Run() {
  TellServiceManager("READY=1");
  next_tick_ = Clock::now() + kTick;
  while (!stop_) {
    Wait(next_tick_);
    if (reload_.exchange(false)) LoadAgain();
    if (const Instant now = Clock::now(); now >= next_tick_) Tick(now);
  }
  // What was ordered is in the kernel, and stays there.
  TellServiceManager("STOPPING=1");
  Say({.kind = RecordKind::kGoodbye});
  Send();
  if (daemon_) CloseDaemon(Severity::kInfo, "the enforcer ends");
}

void EnforcerServer::Stop() noexcept {
  stop_ = true;
  eventfd_write(wake_.get(), 1);
}

void EnforcerServer::Reload() noexcept {
  reload_ = true;
  eventfd_write(wake_.get(), 1);
}

void EnforcerServer::Wait(Instant until) {
  enum { kWake, kListener, kHosts, kDaemon, kCount };
  pollfd waiting[kCount] = {{wake_.get(), POLLIN, 0},
                            {parts_.listener.get(), POLLIN, 0},
                            {parts_.hosts.fd(), POLLIN, 0},
                            {-1, 0, 0}};
  if (daemon_) {
    const bool full = daemon_->unsent() > kMostUnsent || is_listing_;
    waiting[kDaemon] = {
        daemon_->fd(),
        static_cast<short>((full ? 0 : POLLIN) |
                           (daemon_->unsent() > 0 ? POLLOUT : 0)),
        0};
  }
  const auto left = std::chrono::ceil<Duration>(until - Clock::now()).count();
  poll(waiting, kCount, static_cast<int>(std::max<int64_t>(left, 0)));

  eventfd_t ignored;
  if (waiting[kWake].revents != 0) eventfd_read(wake_.get(), &ignored);
  if (waiting[kHosts].revents != 0) RefreshHosts(Clock::now());
  const short daemon = waiting[kDaemon].revents;
  if ((daemon & (POLLIN | POLLHUP | POLLERR)) != 0) ReadPackets();
  if (daemon_ && (daemon & POLLOUT) != 0) Send();
  // Behind the daemon's turn, so that one that has gone makes room.
  if (waiting[kListener].revents != 0) Accept();
}

void EnforcerServer::Tick(Instant now) {
  next_tick_ = now + kTick;
  FeedWatchdog();
  RefreshHosts(now);
  sets_.Check(now);
  LookForRules(now);
  LookForLeftOvers(now);
  if (!daemon_) return;
  if (!greeted_ && now > connected_ + kPatience) {
    return CloseDaemon(Severity::kWarning, "it says no hello");
  }
  const std::optional<Instant> blocked = daemon_->blocked_since();
  if (blocked && now > *blocked + kPatience) {
    return CloseDaemon(Severity::kWarning, "it does not read");
  }
  SayNews();
  SayRules(/*all=*/false);
  SayCounters(/*all=*/false);
  Send();
}

size_t EnforcerServer::Protected() const {
  return protection_.configured().size() + protection_.derived().size();
}

void EnforcerServer::LoadAgain() {
  const absl::StatusOr<Config> config = parts_.load();
  if (!config.ok()) {
    Log(Severity::kError, "reload-failed")
        .Add("why", std::string(config.status().message()));
    return;
  }
  TakeRules(*config);
  Log(Severity::kInfo, "reload").Add("protected", Protected());
}

void EnforcerServer::TakeRules(const Config& config) {
  const bool others =
      protection_.SetConfigured(config.rules.protected_networks);
  parts_.hosts.SetConfig(config);
  bucket_.SetRate(config.enforcer.bans_per_second, config.enforcer.ban_burst,
                  Clock::now());
  if (parts_.reaper != nullptr) {
    ReaperOptions options = ReaperOptionsOf(config.ban_ports);
    parts_.reaper->SetPorts(std::move(options.covers), options.only_port);
  }
  widening_ = config.rules.widening;
  sets_.SetWidening(widening_);
  sets_.SetObserving(config.rules.observe);
  const absl::StatusOr<bool> read = parts_.hosts.Refresh(Clock::now());
  if (!read.ok()) errors_.Report(read.status());
  const bool more = protection_.SetDerived(parts_.hosts.networks());
  ProtectionChanged(/*has_more=*/others || more, /*configured=*/others);
}

// ---- The daemon -------------------------------------------------------------

void EnforcerServer::Accept() {
  FileDescriptor socket(accept4(parts_.listener.get(), nullptr, nullptr,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.is_open()) return;
  absl::Status status = CheckPeer(socket.get(), parts_.accepted);
  if (status.ok() && daemon_ && DaemonIsAlive()) {
    status = absl::AlreadyExistsError("a daemon is connected already");
  }
  if (!status.ok()) {
    if (const auto held_back = strangers_.Admit()) {
      Log(Severity::kWarning, "turned-away")
          .Add("why", std::string(status.message()))
          .Add("held_back", *held_back);
    }
    return;
  }
  if (daemon_) CloseDaemon(Severity::kInfo, "another takes its place");
  daemon_.emplace(std::move(socket));
  connected_ = Clock::now();
  Log(Severity::kInfo, "daemon-connected").Add("protected", Protected());
  Greet();
}

bool EnforcerServer::DaemonIsAlive() const {
  pollfd peer{daemon_->fd(), 0, 0};
  return poll(&peer, 1, 0) == 0;
}

void EnforcerServer::Greet() {
  greeted_ = false;
  Say({.kind = RecordKind::kHello, .number = kProtocolVersion});
  SayProtected(/*configured=*/true);
  SayNews();
  SayRules(/*all=*/true);
  SayCounters(/*all=*/true);
  Send();
}

void EnforcerServer::ReadPackets() {
  for (int i = 0; i < kPacketsAtOnce && daemon_; ++i) {
    if (daemon_->unsent() > kMostUnsent || is_listing_) return;
    const absl::StatusOr<std::optional<std::vector<Record>>> packet =
        daemon_->Receive();
    absl::Status status = packet.status();
    if (status.ok()) {
      if (!packet->has_value()) return;
      status = Handle(**packet);
    }
    if (absl::IsUnavailable(status)) {
      CloseDaemon(Severity::kInfo, status.message());
    } else if (!status.ok()) {
      CloseDaemon(Severity::kError, status.message());
    }
  }
}

absl::Status EnforcerServer::Handle(const std::vector<Record>& records) {
  OrderBatch batch;
  bool has_orders = false;
  list_wanted_ = false;
  // First, and once for all: by the new rules the orders are judged, for what
  // they protect is out of the sets after that.
  if (std::ranges::any_of(records, IsReload) &&
      (greeted_ || records.front().kind == RecordKind::kHello)) {
    LoadAgain();
  }
  for (const Record& record : records) {
    // A hello with a serial is a question for a sign of life.
    has_orders |= record.kind != RecordKind::kHello || record.serial != 0;
    if (absl::Status status = Sort(record, batch); !status.ok()) return status;
  }
  if (has_orders) Apply(batch, records.back().serial);
  if (list_wanted_ && daemon_) BeginListing();
  Send();
  return absl::OkStatus();
}

absl::Status EnforcerServer::Sort(const Record& record, OrderBatch& batch) {
  if (!greeted_ && record.kind != RecordKind::kHello) {
    return absl::InvalidArgumentError("an order comes before hello");
  }
  switch (record.kind) {
    case RecordKind::kHello:
      if (record.number != kProtocolVersion) {
        return absl::InvalidArgumentError(absl::StrCat(
            "it speaks version ", record.number, " of the protocol, we speak ",
            kProtocolVersion, ": daemon and enforcer must be of one release"));
      }
      greeted_ = true;
      return absl::OkStatus();
    case RecordKind::kBan:
      SortBan(record, batch);
      return absl::OkStatus();
    case RecordKind::kUnban:
      batch.Unban(record.network);
      return absl::OkStatus();
    case RecordKind::kEndAfterReply:
    case RecordKind::kDestroy:
    case RecordKind::kSpare:
    case RecordKind::kForget:
      SortConnection(record, batch);
      return absl::OkStatus();
    case RecordKind::kList:
      list_wanted_ = true;
      return absl::OkStatus();
    case RecordKind::kReload:
      return absl::OkStatus();  // is done already
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("a record of kind ", static_cast<int>(record.kind),
                       " is not for a daemon to send"));
  }
}

void EnforcerServer::Say(const Record& record) {
  if (daemon_) daemon_->Queue(record);
}

void EnforcerServer::Send() {
  if (!daemon_) return;
  absl::Status status = daemon_->Flush(Clock::now());
  while (status.ok() && is_listing_ && daemon_->unsent() == 0) {
    ContinueListing();
    status = daemon_->Flush(Clock::now());
  }
  if (!status.ok()) CloseDaemon(Severity::kInfo, status.message());
}

void EnforcerServer::CloseDaemon(Severity severity, absl::string_view why) {
  Log(severity, "daemon-left").Add("why", std::string(why));
  daemon_.reset();
  is_listing_ = false;
  listing_.clear();
}

// ---- Orders -----------------------------------------------------------------

void EnforcerServer::SortBan(const Record& record, OrderBatch& batch) {
  if (protection_.Holds(record.network)) {
    return Refuse(record.serial, record.network, Refusal::kProtected);
  }
  const std::optional<Width> width = WidthOf(record.network);
  if (!IsClient(record.network) && !(width && widening_.Allows(*width))) {
    return Refuse(record.serial, record.network, Refusal::kTooWide);
  }
  const Instant now = Clock::now();
  if (!bucket_.Take(now)) {
    return Refuse(record.serial, record.network, Refusal::kTooFast);
  }
  batch.Ban(record.network, LeftOf(record, now));
}

void EnforcerServer::SortConnection(const Record& record, OrderBatch& batch) {
  const bool ends = record.kind == RecordKind::kDestroy ||
                    record.kind == RecordKind::kEndAfterReply;
  if (ends && protection_.Holds(record.connection.client)) {
    return Refuse(record.serial, {.address = record.connection.client},
                  Refusal::kProtected);
  }
  batch.AddConnection(record);
}

void EnforcerServer::Apply(OrderBatch& batch, uint32_t serial) {
  const std::vector<Network> removes = batch.Removes();
  const std::vector<ElementFailure> stuck = sets_.Remove(removes);
  Count(EnforcerCounter::kRemoved) += removes.size() - stuck.size();
  if (parts_.left_overs != nullptr) parts_.left_overs->Remove(removes);
  for (const ElementFailure& failure : stuck) {
    RefuseFailed(serial, removes[failure.index], failure.status);
  }
  // Who is unbanned and back at once shall not meet the dump of the old ban.
  batch.work().lifted = removes;
  const std::vector<TimedNetwork> adds = batch.Adds();
  std::vector<bool> failed(adds.size());
  for (const ElementFailure& failure : sets_.Add(adds)) {
    failed[failure.index] = true;
    RefuseFailed(serial, adds[failure.index].network, failure.status);
  }
  for (size_t i = 0; i < adds.size(); ++i) {
    // A session of somebody who can come back at once is not worth a dump.
    if (!failed[i]) batch.work().sweep.push_back(adds[i].network);
  }
  Count(EnforcerCounter::kAdded) += batch.work().sweep.size();
  SayNews();
  Say({.kind = RecordKind::kApplied, .serial = serial});
  // Before the reaper, which is in no hurry.
  Send();
  if (parts_.reaper != nullptr) parts_.reaper->Add(batch.work());
}

void EnforcerServer::Refuse(uint32_t serial, const Network& network,
                            Refusal why) {
  ++Count(EnforcerCounter::kRefused);
  Say({.kind = RecordKind::kRefused,
       .detail = static_cast<uint8_t>(why),
       .serial = serial,
       .network = network});
  if (const auto held_back = refusals_.Admit()) {
    Log(Severity::kWarning, "refused")
        .Add("network", network.ToString())
        .Add("why", RefusalName(why))
        .Add("held_back", *held_back);
  }
}

void EnforcerServer::RefuseFailed(uint32_t serial, const Network& network,
                                  const absl::Status& why) {
  const bool full = absl::IsResourceExhausted(why);
  Refuse(serial, network, full ? Refusal::kSetFull : Refusal::kKernel);
}

// ---- What the daemon is told ------------------------------------------------

void EnforcerServer::BeginListing() {
  listed_ = Clock::now();
  listing_ = sets_.List();
  is_listing_ = true;
  if (std::exchange(list_was_told_, true)) return;
  // The daemon says what the sets lack. That may be all bans: since the last
  // enforcer's time the host was booted or somebody has emptied the sets.
  ExpectAllBans();
  if (sets_.lists()) return;
  // Those of the time before are in the kernel, but only the daemon can tell
  // which.
  Log(Severity::kInfo, "list-partial").Add("entries", listing_.size());
}

void EnforcerServer::ExpectAllBans() {
  bucket_.Grant(static_cast<double>(most_bans_), Clock::now() + kRestoring);
}

void EnforcerServer::ContinueListing() {
  const Instant now = Clock::now();
  for (size_t i = 0; i < kMostRecords && !listing_.empty(); ++i) {
    const auto& [network, left] = listing_.back();
    Say(TimedRecord(RecordKind::kEntry, network, listed_ + left, now));
    listing_.pop_back();
  }
  if (!listing_.empty()) return;
  Say({.kind = RecordKind::kEntriesEnd});
  is_listing_ = false;
  listing_ = {};
}

void EnforcerServer::RefreshHosts(Instant now) {
  const absl::StatusOr<bool> changed = parts_.hosts.Refresh(now);
  // One source that fails leaves the others as they are by now.
  if (!changed.ok()) {
    errors_.Report(changed.status());
    if (parts_.hosts.networks() == protection_.derived()) return;
  } else if (!*changed) {
    return;
  }
  ProtectionChanged(protection_.SetDerived(parts_.hosts.networks()));
}

// Clients come by the families of which this host has addresses that others can
// reach.
void EnforcerServer::LookForRules(Instant now) {
  const auto has = [&](bool v4) {
    return std::ranges::any_of(
        parts_.hosts.networks(), [v4](const ProtectedNetwork& one) {
          return one.source == ProtectionSource::kOwnAddress &&
                 one.network.IsV4() == v4;
        });
  };
  sets_.LookForRules(now, has(true), has(false));
}

void EnforcerServer::LookForLeftOvers(Instant now) {
  if (parts_.left_overs == nullptr || now < next_left_overs_) return;
  next_left_overs_ = now + kLookForLeftOvers;
  parts_.left_overs->Look();
  ReportLeftOvers();
}

void EnforcerServer::ReportLeftOvers() {
  for (const LeftOvers::Found& emptied : parts_.left_overs->emptied()) {
    Log(Severity::kWarning, "left-over-emptied")
        .Add("backend", emptied.backend)
        .Add("sets", absl::StrJoin(emptied.sets, ","))
        .Add("addresses", emptied.addresses);
  }
  const std::vector<LeftOvers::Found>& found = parts_.left_overs->found();
  uint64_t sets = 0;
  uint64_t addresses = 0;
  for (const LeftOvers::Found& one : found) {
    sets += one.sets.size();
    addresses += one.addresses;
    const bool is_told = std::ranges::any_of(
        left_overs_told_, [&](const LeftOvers::Found& told) {
          return told.backend == one.backend && told.sets == one.sets;
        });
    if (is_told) continue;
    Log(Severity::kWarning, "sets-left-over")
        .Add("backend", one.backend)
        .Add("sets", absl::StrJoin(one.sets, ","))
        .Add("addresses", one.addresses)
        .Add("remedy", one.remedy)
        .Add("why",
             "the configuration does not name them, so that whom they keep out "
             "nobody else knows; unless another Breakwater fills them, empty "
             "them");
  }
  left_overs_told_ = found;
  Count(EnforcerCounter::kSetsLeftOver) = sets;
  Count(EnforcerCounter::kAddressesLeftOver) = addresses;
}

// An address that has become protected does not stay in a set. To look for it
// takes a while where the sets are full.
void EnforcerServer::ProtectionChanged(bool has_more, bool configured) {
  if (has_more) sets_.RemoveProtected(protection_);
  SayProtected(configured);
  Send();
}

// There may be 100,000 that are configured: only where the daemon has not heard
// of them.
void EnforcerServer::SayProtected(bool configured) {
  const auto say = [this](const Network& network, ProtectionSource source) {
    Say({.kind = RecordKind::kProtected,
         .detail = static_cast<uint8_t>(source),
         .network = network});
  };
  if (configured) {
    for (const Network& network : protection_.configured()) {
      say(network, ProtectionSource::kConfigured);
    }
  }
  for (const auto& [network, source] : protection_.derived()) {
    say(network, source);
  }
  Say({.kind = RecordKind::kProtectedEnd, .number = configured ? 0u : 1u});
}

void EnforcerServer::SayNews() {
  if (daemon_ && sets_.TakeNews()) {
    Say({.kind = RecordKind::kSetsMade});
    ExpectAllBans();
  }
}

void EnforcerServer::SayRules(bool all) {
  std::vector<SetKeeper::Unseen> without_rule = sets_.without_rule();
  if (!all && without_rule == without_rule_said_) return;
  for (const auto& [backend, sets] : without_rule) {
    Say({.kind = RecordKind::kNoRule,
         .detail = static_cast<uint8_t>(backend),
         .number = sets.to_ulong()});
  }
  without_rule_said_ = std::move(without_rule);
}

void EnforcerServer::SayCounters(bool all) {
  Count(EnforcerCounter::kSetsMade) = sets_.times_made();
  Count(EnforcerCounter::kSetsFlushed) = sets_.times_flushed();
  Count(EnforcerCounter::kEvicted) = sets_.evicted();
  Count(EnforcerCounter::kSetsWrong) = sets_.wrong();
  Count(EnforcerCounter::kKernelErrors) = errors_.count();
  Count(EnforcerCounter::kUnprotected) = parts_.hosts.failing();
  if (parts_.reaper != nullptr) {
    const Reaper::Counts& reaper = parts_.reaper->counts();
    Count(EnforcerCounter::kDestroyed) = reaper.destroyed;
    Count(EnforcerCounter::kDumps) = reaper.dumps;
    Count(EnforcerCounter::kKernelErrors) += reaper.errors;
  }
  for (size_t i = 1; i < kCounters; ++i) {
    if (!all && counts_[i] == said_[i]) continue;
    Say({.kind = RecordKind::kCounter,
         .detail = static_cast<uint8_t>(i),
         .number = counts_[i]});
  }
  said_ = counts_;
}

}  // namespace breakwater
