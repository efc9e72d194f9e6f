// Whatever a hostile daemon orders: nothing that is protected ever gets into a
// set.

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <set>

#include "core/base/log.h"
#include "tests/daemon/test_daemon.h"
#include "tests/fakes/net_namespace.h"
#include "tests/fakes/random_networks.h"

namespace breakwater {
namespace {

// What is in the sets, and what must not be.
struct Kernel {
  std::mutex mutex;
  NetworkSet forbidden;
  std::set<Network> held;
  int added = 0;

  bool Forbids(const Network& network) const {
    return AlwaysProtected().FindOverlap(network) ||
           SpecialRanges().FindOverlap(network) ||
           SharedRanges().FindOverlap(network) ||
           forbidden.FindOverlap(network);
  }
};

class CheckedSets final : public BanSets {
 public:
  explicit CheckedSets(Kernel& kernel) : kernel_(kernel) {}

  const char* name() const override { return "checked"; }
  Capabilities capabilities() const override { return {.lists = true}; }
  SetsCheck Check() override { return {}; }
  std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) override {
    const std::lock_guard lock(kernel_.mutex);
    for (const auto& [network, left] : elements) {
      if (kernel_.Forbids(network)) {
        ADD_FAILURE() << network.ToString() << " reached the set";
      }
      kernel_.held.insert(network);
      ++kernel_.added;
    }
    return {};
  }
  std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) override {
    const std::lock_guard lock(kernel_.mutex);
    for (const Network& network : networks) kernel_.held.erase(network);
    return {};
  }
  absl::StatusOr<std::vector<TimedNetwork>> List() override {
    const std::lock_guard lock(kernel_.mutex);
    std::vector<TimedNetwork> list;
    for (const Network& network : kernel_.held) {
      list.push_back({network, std::chrono::seconds(600)});
    }
    return list;
  }

 private:
  Kernel& kernel_;
};

class EnforcerPropertyTest : public testing::Test {
 protected:
  EnforcerPropertyTest() {
    SetLeastSeverity(Severity::kError);
    Config config = DefaultConfig();
    config.enforcer.bans_per_second = config.enforcer.ban_burst = 1'000'000'000;
    config.rules.widening.members = {2, 2, 2};
    enforcer_ = std::make_unique<TestEnforcer>(
        path_, std::make_unique<CheckedSets>(kernel_), nullptr, config);
    daemon_ = std::make_unique<TestDaemon>(path_);
    daemon_->SayHello();
    daemon_->ReadTo(RecordKind::kProtectedEnd);
    ChangeProtections();
  }
  ~EnforcerPropertyTest() override { SetLeastSeverity(Severity::kInfo); }

  void ChangeProtections() {
    std::vector<Network> networks = random_.Protections();
    enforcer_->config().rules.protected_networks = NetworkSet(networks);
    {
      const std::lock_guard lock(kernel_.mutex);
      kernel_.forbidden = NetworkSet(networks);
    }
    random_.SetNear(std::move(networks));
    daemon_->Send({{.kind = RecordKind::kReload}});
    daemon_->ReadTo(RecordKind::kApplied);
    const std::lock_guard lock(kernel_.mutex);
    for (const Network& network : kernel_.held) {
      ASSERT_FALSE(kernel_.Forbids(network)) << network.ToString();
    }
    kernel_.held.clear();
  }

  Record Order() {
    const int kind = random_.Below(20);
    const Instant now = Clock::now();
    Record record = TimedRecord(
        RecordKind::kBan, random_.AnyNetwork(),
        now + std::chrono::seconds(1 + random_.Below(100'000)), now);
    if (kind == 0) record.kind = RecordKind::kUnban;
    // "::" has no connections: that would be no sound record.
    const IpAddress client = random_.Address();
    if (kind == 1 && !client.IsUnspecified()) {
      record = {.kind = RecordKind::kDestroy,
                .connection = {.client = client,
                               .client_port = 4711,
                               .server = *IpAddress::Parse("192.0.2.25"),
                               .server_port = 25}};
    }
    return record;
  }

  // Without root it is not made, and the addresses of the host count.
  NetNamespace namespace_;
  RandomNetworks random_;
  Kernel kernel_;
  TestDirectory directory_;
  std::string path_ = directory_.File("enforcer.sock");
  std::unique_ptr<TestEnforcer> enforcer_;
  std::unique_ptr<TestDaemon> daemon_;
};

TEST_F(EnforcerPropertyTest, NoOrderEverBansWhatIsProtected) {
  constexpr int kPacketsBetweenChanges = 100;
  int ordered = 0;
  for (int packet = 1; ordered < kProposals && !HasFailure(); ++packet) {
    std::vector<Record> orders;
    while (orders.size() < kMostRecords) orders.push_back(Order());
    const std::vector<Record> answer = daemon_->Order(std::move(orders));
    ASSERT_FALSE(answer.empty());
    ASSERT_EQ(answer.back().kind, RecordKind::kApplied);
    ordered += static_cast<int>(kMostRecords);
    if (packet % kPacketsBetweenChanges == 0) ChangeProtections();
  }
  const std::lock_guard lock(kernel_.mutex);
  EXPECT_GT(kernel_.added, kProposals / 20);
  EXPECT_LT(kernel_.added, kProposals * 9 / 10);
}

}  // namespace
}  // namespace breakwater
