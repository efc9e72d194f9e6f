#include "daemon/enforcer/enforcer_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>

#include "tests/daemon/test_daemon.h"
#include "tests/fakes/net_namespace.h"

namespace breakwater {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Network Net(const char* text) { return *Network::Parse(text); }
Record Ban(const Network& network, Duration length = 600s) {
  const Instant now = Clock::now();
  return TimedRecord(RecordKind::kBan, network, now + length, now);
}
Record Ban(const char* network) { return Ban(Net(network)); }
Record Unban(const char* network) {
  return {.kind = RecordKind::kUnban, .network = Net(network)};
}
auto IsKind(RecordKind kind) { return Field(&Record::kind, kind); }
auto Refuses(const char* network, Refusal why) {
  return AllOf(IsKind(RecordKind::kRefused),
               Field(&Record::network, Net(network)),
               Field(&Record::detail, static_cast<uint8_t>(why)));
}

// Sets that only remember.
class MemorySets final : public BanSets {
 public:
  struct State {
    std::mutex mutex;
    std::map<Network, Duration> elements;
    int batches = 0;
    bool gone = false;
    bool flushed = false;
    bool lists = true;
    bool prefixes = true;
    WideningRules widening;
    absl::Status wrong;
    absl::Status failure;
  };
  explicit MemorySets(State& state) : state_(state) {}

  const char* name() const override { return "memory"; }
  Capabilities capabilities() const override {
    const std::lock_guard lock(state_.mutex);
    return {.lists = state_.lists, .prefixes = state_.prefixes};
  }
  void SetWidening(const WideningRules& rules) override {
    const std::lock_guard lock(state_.mutex);
    state_.widening = rules;
  }
  SetsCheck Check() override {
    const std::lock_guard lock(state_.mutex);
    SetsCheck check;
    check.made = std::exchange(state_.gone, false) ? 1 : 0;
    check.flushed = std::exchange(state_.flushed, false) ? 1 : 0;
    if (!state_.wrong.ok()) check.wrong.push_back(state_.wrong);
    return check;
  }
  std::vector<ElementFailure> Add(
      absl::Span<const TimedNetwork> elements) override {
    const std::lock_guard lock(state_.mutex);
    ++state_.batches;
    std::vector<ElementFailure> failures;
    for (size_t i = 0; i < elements.size(); ++i) {
      if (state_.gone) {
        failures.push_back({i, absl::NotFoundError("the set is gone")});
      } else if (!state_.failure.ok()) {
        failures.push_back({i, state_.failure});
      } else {
        state_.elements[elements[i].network] = elements[i].left;
      }
    }
    return failures;
  }
  std::vector<ElementFailure> Remove(
      absl::Span<const Network> networks) override {
    const std::lock_guard lock(state_.mutex);
    for (const Network& network : networks) state_.elements.erase(network);
    return {};
  }
  absl::StatusOr<std::vector<TimedNetwork>> List() override {
    const std::lock_guard lock(state_.mutex);
    std::vector<TimedNetwork> list;
    for (const auto& [network, left] : state_.elements) {
      list.push_back({network, left});
    }
    return list;
  }

 private:
  State& state_;
};

class EnforcerServerTest : public testing::Test {
 protected:
  EnforcerServerTest() : path_(directory_.File("enforcer.sock")) {
    config_.rules.protected_networks.Add(Net("198.51.100.0/24"));
    config_.rules.protected_networks.Add(Net("2001:db8:5::7"));
  }
  void StartEnforcer() {
    enforcer_ = std::make_unique<TestEnforcer>(
        path_, std::make_unique<MemorySets>(state_), nullptr, config_);
  }
  std::unique_ptr<TestDaemon> Connect() {
    auto daemon = std::make_unique<TestDaemon>(path_);
    EXPECT_TRUE(daemon->connected());
    daemon->SayHello();
    daemon->ReadTo(RecordKind::kProtectedEnd);
    return daemon;
  }
  // In seconds, as the kernel gets them.
  std::map<Network, uint32_t> Elements() {
    const std::lock_guard lock(state_.mutex);
    std::map<Network, uint32_t> elements;
    for (const auto& [network, left] : state_.elements) {
      elements[network] = ToSeconds(left);
    }
    return elements;
  }

  // Without root it is not made, and the addresses of the host count.
  NetNamespace namespace_;
  TestDirectory directory_;
  std::string path_;
  Config config_;
  MemorySets::State state_;
  std::unique_ptr<TestEnforcer> enforcer_;
};

TEST_F(EnforcerServerTest, GreetsAndSaysWhatItProtects) {
  StartEnforcer();
  TestDaemon daemon(path_);
  daemon.SayHello();
  const std::vector<Record> greeting = daemon.ReadTo(RecordKind::kProtectedEnd);
  ASSERT_FALSE(greeting.empty());
  EXPECT_EQ(greeting[0].kind, RecordKind::kHello);
  EXPECT_EQ(greeting[0].number, kProtocolVersion);
  EXPECT_THAT(greeting,
              Contains(AllOf(
                  IsKind(RecordKind::kProtected),
                  Field(&Record::network, Net("198.51.100.0/24")),
                  Field(&Record::detail,
                        static_cast<uint8_t>(ProtectionSource::kConfigured)))));
}

TEST_F(EnforcerServerTest, GivesASignOfLifeWhenItIsAsked) {
  StartEnforcer();
  auto daemon = Connect();
  const std::vector<Record> answer =
      daemon->Order({{.kind = RecordKind::kHello, .number = kProtocolVersion}});
  ASSERT_FALSE(answer.empty());
  EXPECT_EQ(answer.back().kind, RecordKind::kApplied);
}

TEST_F(EnforcerServerTest, AnswersAPacketOfOrdersOnceAllIsInTheSets) {
  StartEnforcer();
  auto daemon = Connect();
  const auto answer =
      daemon->Order({Ban("192.0.2.5"), Ban(Net("2001:db8::/64"), 24h)});
  EXPECT_EQ(answer.back().kind, RecordKind::kApplied);
  EXPECT_EQ(answer.back().serial, daemon->serial());
  EXPECT_THAT(Elements(),
              ElementsAre(std::pair(Net("192.0.2.5"), 600U),
                          std::pair(Net("2001:db8::/64"), 86'400U)));
  EXPECT_EQ(state_.batches, 1);
}

TEST_F(EnforcerServerTest, TheOrderOfOrdersCounts) {
  StartEnforcer();
  auto daemon = Connect();
  daemon->Order({Ban("192.0.2.5"), Unban("192.0.2.5"), Unban("192.0.2.6"),
                 Ban("192.0.2.6")});
  EXPECT_THAT(Elements(), ElementsAre(std::pair(Net("192.0.2.6"), 600U)));
}

TEST_F(EnforcerServerTest, RefusesWhateverWouldHitAProtectedAddress) {
  StartEnforcer();
  auto daemon = Connect();
  for (const char* network :
       {"127.0.0.1", "127.9.9.9", "0.0.0.0/0", "::/0", "::1", "::/64",
        "fe80::/64", "169.254.1.1", "198.51.100.7", "198.51.100.0/24",
        "198.0.0.0/8", "2001:db8:5::/64", "2001:db8:5::7", "2001:db8::/32"}) {
    const auto answer = daemon->Order({Ban(network), Ban("192.0.2.5")});
    EXPECT_THAT(answer, Contains(Refuses(network, Refusal::kProtected)))
        << network;
    EXPECT_EQ(answer.back().kind, RecordKind::kApplied);
  }
  EXPECT_THAT(Elements(), ElementsAre(std::pair(Net("192.0.2.5"), 600U)));
}

TEST_F(EnforcerServerTest, ANetworkWithOneProtectedAddressInItIsRefused) {
  config_.rules.widening.members = {1, 1, 1};
  const IpAddress v4 = *IpAddress::Parse("203.0.113.77");
  const IpAddress v6 = *IpAddress::Parse("2001:db8:77:3077:5::1");
  config_.rules.protected_networks.Add({.address = v4});
  config_.rules.protected_networks.Add({.address = v6});
  StartEnforcer();
  auto daemon = Connect();
  for (const Width width : kAllWidths) {
    const Network hit = Widened(IsV4(width) ? v4 : v6, width);
    IpAddress next = hit.address;
    ++next.bytes[IsV4(width) ? 13 : 3];
    const Network clear = Widened(next, width);
    const auto answer = daemon->Order({Ban(hit), Ban(clear)});
    EXPECT_THAT(answer,
                Contains(Refuses(hit.ToString().c_str(), Refusal::kProtected)));
    EXPECT_THAT(answer, Contains(IsKind(RecordKind::kRefused)).Times(1));
    EXPECT_TRUE(Elements().contains(clear)) << clear.ToString();
    EXPECT_FALSE(Elements().contains(hit)) << hit.ToString();
  }
}

TEST_F(EnforcerServerTest, OnlyConfiguredWidthsAreTakenAndAReloadCounts) {
  config_.rules.widening.members = {0, 8, 0};
  StartEnforcer();
  auto daemon = Connect();
  for (const char* network :
       {"192.0.2.0/24", "2001:db8::/48", "2001:db8::/52", "2001:db8::/57",
        "2001:db8::/63", "2001:db8::1", "192.0.2.0/31", "198.18.0.0/16"}) {
    EXPECT_THAT(daemon->Order({Ban(network)}),
                Contains(Refuses(network, Refusal::kTooWide)))
        << network;
  }
  daemon->Order({Ban("2001:db8::/56")});
  EXPECT_THAT(Elements(), ElementsAre(std::pair(Net("2001:db8::/56"), 600U)));
  enforcer_->config().rules.widening.members = {4, 0, 0};
  daemon->Order({{.kind = RecordKind::kReload}});
  EXPECT_THAT(daemon->Order({Ban("192.0.2.0/24"), Ban("2001:db8:0:100::/56")}),
              Contains(Refuses("2001:db8:0:100::/56", Refusal::kTooWide)));
  EXPECT_THAT(Elements(), SizeIs(2));
  const std::lock_guard lock(state_.mutex);
  EXPECT_EQ(state_.widening.Members(Width::kV4By24), 4U);
}

TEST_F(EnforcerServerTest, ABackendThatHoldsNoNetworksIsNotAskedTo) {
  config_.rules.widening.members = {4, 8, 32};
  MemorySets::State other;
  state_.prefixes = false;
  std::vector<std::unique_ptr<BanSets>> both;
  both.push_back(std::make_unique<MemorySets>(state_));
  both.push_back(std::make_unique<MemorySets>(other));
  enforcer_ =
      std::make_unique<TestEnforcer>(path_, std::move(both), nullptr, config_);
  auto daemon = Connect();
  daemon->Order({Ban("2001:db8::/56"), Ban("192.0.2.1"), Ban("192.0.2.0/24")});
  EXPECT_THAT(Elements(), ElementsAre(std::pair(Net("192.0.2.1"), 600U)));
  EXPECT_THAT(other.elements, SizeIs(3));
  {
    const std::lock_guard lock(other.mutex);
    other.failure = absl::InternalError("no");
  }
  // In force nowhere; the client still is in the first one.
  const auto answer =
      daemon->Order({Ban("192.0.2.2"), Ban("2001:db8:0:100::/56")});
  EXPECT_THAT(answer,
              Contains(Refuses("2001:db8:0:100::/56", Refusal::kKernel)));
  EXPECT_THAT(answer, Contains(IsKind(RecordKind::kRefused)).Times(1));
  enforcer_.reset();
}

TEST_F(EnforcerServerTest, ABurstBeyondItsLimitIsRefused) {
  config_.enforcer.bans_per_second = 1;
  config_.enforcer.ban_burst = 2;
  StartEnforcer();
  auto daemon = Connect();
  const auto answer =
      daemon->Order({Ban("192.0.2.1"), Ban("192.0.2.2"), Ban("192.0.2.3")});
  EXPECT_THAT(answer, Contains(Refuses("192.0.2.3", Refusal::kTooFast)));
  EXPECT_THAT(Elements(), SizeIs(2));
}

TEST_F(EnforcerServerTest, ADaemonThatOrdersAReloadGainsNoBurst) {
  config_.enforcer.bans_per_second = 1;
  config_.enforcer.ban_burst = 100;
  StartEnforcer();
  auto daemon = Connect();
  daemon->Order(std::vector<Record>(100, Ban("192.0.2.1")));
  daemon->Order({{.kind = RecordKind::kReload}});
  EXPECT_THAT(daemon->Order(std::vector<Record>(100, Ban("192.0.2.2"))),
              Contains(Refuses("192.0.2.2", Refusal::kTooFast)));
}

TEST_F(EnforcerServerTest, AReloadDoesNotEndARefill) {
  config_.enforcer.bans_per_second = 1;
  config_.enforcer.ban_burst = 1;
  StartEnforcer();
  auto daemon = Connect();
  daemon->Order({{.kind = RecordKind::kList}});
  daemon->Order({Ban("192.0.2.1"), {.kind = RecordKind::kReload}});
  EXPECT_THAT(daemon->Order(std::vector<Record>(100, Ban("192.0.2.2"))),
              Not(Contains(IsKind(RecordKind::kRefused))));
}

TEST_F(EnforcerServerTest, OrdersBesideAReloadAreJudgedByTheNewRules) {
  StartEnforcer();
  auto daemon = Connect();
  enforcer_->config().rules.widening.members = {4, 0, 0};
  enforcer_->config().rules.protected_networks.Add(Net("203.0.113.9"));
  const auto answer = daemon->Order(
      {Ban("203.0.113.9"), {.kind = RecordKind::kReload}, Ban("192.0.2.0/24")});
  EXPECT_THAT(answer, Contains(Refuses("203.0.113.9", Refusal::kProtected)));
  EXPECT_THAT(Elements(), ElementsAre(std::pair(Net("192.0.2.0/24"), 600U)));
}

TEST_F(EnforcerServerTest, SaysWhyTheKernelRefused) {
  state_.failure = absl::ResourceExhaustedError("full");
  StartEnforcer();
  auto daemon = Connect();
  EXPECT_THAT(daemon->Order({Ban("192.0.2.1")}),
              Contains(Refuses("192.0.2.1", Refusal::kSetFull)));
  {
    const std::lock_guard lock(state_.mutex);
    state_.failure = absl::InternalError("no");
  }
  EXPECT_THAT(daemon->Order({Ban("192.0.2.1")}),
              Contains(Refuses("192.0.2.1", Refusal::kKernel)));
}

TEST_F(EnforcerServerTest, SetsThatVanishedAreMadeAgainWithinTheSameOrder) {
  StartEnforcer();
  auto daemon = Connect();
  {
    const std::lock_guard lock(state_.mutex);
    state_.gone = true;
  }
  const auto answer = daemon->Order({Ban("192.0.2.1")});
  EXPECT_THAT(answer, Contains(IsKind(RecordKind::kSetsMade)));
  EXPECT_THAT(answer, Not(Contains(IsKind(RecordKind::kRefused))));
  EXPECT_THAT(Elements(), SizeIs(1));
}

TEST_F(EnforcerServerTest, SetsThatVanishAreMissedWithoutAnyOrder) {
  StartEnforcer();
  auto daemon = Connect();
  {
    const std::lock_guard lock(state_.mutex);
    state_.gone = true;
  }
  EXPECT_EQ(daemon->ReadTo(RecordKind::kSetsMade).back().kind,
            RecordKind::kSetsMade);
}

TEST_F(EnforcerServerTest, SetsThatSomebodyEmptiesAreFilledAgainAtAnySpeed) {
  config_.enforcer.bans_per_second = 1;
  config_.enforcer.ban_burst = 1;
  StartEnforcer();
  auto daemon = Connect();
  {
    const std::lock_guard lock(state_.mutex);
    state_.flushed = true;
  }
  EXPECT_EQ(daemon->ReadTo(RecordKind::kSetsMade).back().kind,
            RecordKind::kSetsMade);
  EXPECT_THAT(
      daemon->Order({Ban("192.0.2.1"), Ban("192.0.2.2"), Ban("192.0.2.3")}),
      Not(Contains(IsKind(RecordKind::kRefused))));
  EXPECT_THAT(Elements(), SizeIs(3));
}

TEST_F(EnforcerServerTest, SetsThatAreWrongAreCountedWhileTheyAre) {
  const auto hears = [](TestDaemon& daemon, uint64_t wrong) {
    while (true) {
      const auto records = daemon.ReadTo(RecordKind::kCounter);
      if (records.empty()) return false;
      if (records.back().number == wrong &&
          records.back().detail ==
              static_cast<uint8_t>(EnforcerCounter::kSetsWrong)) {
        return true;
      }
    }
  };
  StartEnforcer();
  auto daemon = Connect();
  EXPECT_TRUE(hears(*daemon, 0));
  {
    const std::lock_guard lock(state_.mutex);
    state_.wrong = absl::FailedPreconditionError("has type hash:net");
  }
  EXPECT_TRUE(hears(*daemon, 1));
  {
    const std::lock_guard lock(state_.mutex);
    state_.wrong = absl::OkStatus();
  }
  EXPECT_TRUE(hears(*daemon, 0));
}

TEST_F(EnforcerServerTest, ASetThatCannotListIsFilledAgainAfterARestart) {
  config_.enforcer.bans_per_second = 1;
  config_.enforcer.ban_burst = 1;
  state_.lists = false;
  StartEnforcer();
  auto daemon = Connect();
  daemon->Send({{.kind = RecordKind::kList}});
  EXPECT_EQ(daemon->ReadTo(RecordKind::kEntriesEnd).back().kind,
            RecordKind::kEntriesEnd);
  EXPECT_THAT(
      daemon->Order({Ban("192.0.2.1"), Ban("192.0.2.2"), Ban("192.0.2.3")}),
      Not(Contains(IsKind(RecordKind::kRefused))));
}

TEST_F(EnforcerServerTest, SetsThatTheBootHasEmptiedAreFilledAtAnySpeedOnce) {
  config_.enforcer.bans_per_second = 1;
  config_.enforcer.ban_burst = 1;
  config_.most_bans = 3;
  StartEnforcer();
  auto daemon = Connect();
  daemon->Send({{.kind = RecordKind::kList}});
  daemon->ReadTo(RecordKind::kEntriesEnd);
  EXPECT_THAT(
      daemon->Order({Ban("192.0.2.1"), Ban("192.0.2.2"), Ban("192.0.2.3")}),
      Not(Contains(IsKind(RecordKind::kRefused))));
  // A daemon that asks again and again is not let off the limit.
  daemon->Order({{.kind = RecordKind::kList}});
  EXPECT_THAT(daemon->Order({Ban("192.0.2.4"), Ban("192.0.2.5")}),
              Contains(Refuses("192.0.2.5", Refusal::kTooFast)));
}

TEST_F(EnforcerServerTest, ABanGoesIntoAllBackendsAndAFailureInOneStopsNone) {
  MemorySets::State other;
  std::vector<std::unique_ptr<BanSets>> both;
  both.push_back(std::make_unique<MemorySets>(state_));
  both.push_back(std::make_unique<MemorySets>(other));
  enforcer_ =
      std::make_unique<TestEnforcer>(path_, std::move(both), nullptr, config_);
  auto daemon = Connect();
  daemon->Order({Ban("192.0.2.1")});
  EXPECT_THAT(Elements(), SizeIs(1));
  EXPECT_THAT(other.elements, SizeIs(1));
  {
    const std::lock_guard lock(state_.mutex);
    state_.failure = absl::InternalError("no");
  }
  EXPECT_THAT(daemon->Order({Ban("192.0.2.2")}),
              Not(Contains(IsKind(RecordKind::kRefused))));
  EXPECT_THAT(Elements(), SizeIs(1));
  EXPECT_THAT(other.elements, SizeIs(2));
  {
    const std::lock_guard lock(other.mutex);
    other.failure = absl::InternalError("no");
  }
  EXPECT_THAT(daemon->Order({Ban("192.0.2.3")}),
              Contains(Refuses("192.0.2.3", Refusal::kKernel)));
  enforcer_.reset();
}

TEST_F(EnforcerServerTest, ADaemonThatComesLaterIsToldOfSetsMadeMeanwhile) {
  StartEnforcer();
  {
    const std::lock_guard lock(state_.mutex);
    state_.gone = true;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1300));
  TestDaemon daemon(path_);
  daemon.SayHello();
  EXPECT_EQ(daemon.ReadTo(RecordKind::kSetsMade).back().kind,
            RecordKind::kSetsMade);
}

TEST_F(EnforcerServerTest, ListsWhatTheSetsHold) {
  for (uint32_t i = 0; i < 10'000; ++i) {
    state_.elements[Network::OfClient(IpAddress::FromV4(0xc6120000 + i))] = 60s;
  }
  StartEnforcer();
  auto daemon = Connect();
  daemon->Send({{.kind = RecordKind::kList}});
  const auto answer = daemon->ReadTo(RecordKind::kEntriesEnd);
  EXPECT_EQ(answer.back().kind, RecordKind::kEntriesEnd);
  EXPECT_EQ(std::ranges::count(answer, RecordKind::kEntry, &Record::kind),
            10'000);
}

TEST_F(EnforcerServerTest, ADaemonThatDoesNotReadItsListIsNotWaitedFor) {
  for (uint32_t i = 0; i < 100'000; ++i) {
    state_.elements[Network::OfClient(IpAddress::FromV4(0xc6120000 + i))] = 60s;
  }
  StartEnforcer();
  auto idle = Connect();
  idle->Send({{.kind = RecordKind::kList}});
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  {
    const std::lock_guard lock(state_.mutex);
    state_.gone = true;  // still noticed and put right
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  const std::lock_guard lock(state_.mutex);
  EXPECT_FALSE(state_.gone);
}

TEST_F(EnforcerServerTest, AnAddressThatBecomesProtectedLeavesTheSet) {
  state_.elements[Net("203.0.113.9")] = 600s;
  state_.elements[Net("198.51.100.9")] = 600s;  // configured meanwhile
  state_.elements[Net("2001:db8:5::/56")] = 600s;
  StartEnforcer();
  EXPECT_THAT(Elements(), ElementsAre(std::pair(Net("203.0.113.9"), 600U)));
  auto daemon = Connect();
  enforcer_->config().rules.protected_networks.Add(Net("203.0.113.0/24"));
  daemon->Send({{.kind = RecordKind::kReload}});
  EXPECT_THAT(daemon->ReadTo(RecordKind::kProtectedEnd),
              Contains(Field(&Record::network, Net("203.0.113.0/24"))));
  EXPECT_THAT(Elements(), IsEmpty());
  EXPECT_THAT(daemon->Order({Ban("203.0.113.9")}),
              Contains(Refuses("203.0.113.9", Refusal::kProtected)));
}

TEST_F(EnforcerServerTest, WhatIsConfiguredIsSaidAgainOnlyWhenItIsAnother) {
  StartEnforcer();
  auto daemon = Connect();
  const auto configured =
      Contains(Field(&Record::network, Net("198.51.100.0/24")));
  daemon->Send({{.kind = RecordKind::kReload}});
  std::vector<Record> said = daemon->ReadTo(RecordKind::kProtectedEnd);
  EXPECT_THAT(said, Not(configured));
  EXPECT_EQ(said.back().number, 1u) << "those stay";
  enforcer_->config().rules.protected_networks.Add(Net("203.0.113.0/24"));
  daemon->Send({{.kind = RecordKind::kReload}});
  said = daemon->ReadTo(RecordKind::kProtectedEnd);
  EXPECT_THAT(said, configured);
  EXPECT_EQ(said.back().number, 0u) << "these are all";
}

TEST_F(EnforcerServerTest, CountsWhatItDoes) {
  StartEnforcer();
  auto daemon = Connect();
  daemon->Order({Ban("192.0.2.1"), Ban("127.0.0.1"), Unban("192.0.2.9")});
  std::map<uint8_t, uint64_t> counts;
  while (counts[static_cast<uint8_t>(EnforcerCounter::kRemoved)] == 0) {
    const auto records = daemon->ReadTo(RecordKind::kCounter);
    ASSERT_FALSE(records.empty());
    counts[records.back().detail] = records.back().number;
  }
  const auto last = daemon->ReadTo(RecordKind::kCounter);
  EXPECT_EQ(counts[static_cast<uint8_t>(EnforcerCounter::kAdded)], 1U);
  EXPECT_EQ(last.back().detail,
            static_cast<uint8_t>(EnforcerCounter::kRefused));
  EXPECT_EQ(last.back().number, 1U);
}

// ---- Bad daemons ------------------------------------------------------------

struct Garbage {
  const char* name;
  std::vector<uint8_t> packet;
  const char* log;
};
std::vector<uint8_t> Bytes(const Record& record, size_t copies = 1) {
  std::vector<uint8_t> packet;
  for (size_t i = 0; i < copies; ++i) {
    const RecordBytes bytes = EncodeRecord(record);
    packet.insert(packet.end(), bytes.begin(), bytes.end());
  }
  return packet;
}

TEST_F(EnforcerServerTest, AGarbledPacketEndsTheConversationAndNothingElse) {
  StartEnforcer();
  auto broken = Bytes(Ban("192.0.2.5"));
  broken[0] = 99;
  auto two = Bytes(Ban("192.0.2.5"), 2);
  two[kRecordSize] = 0xff;
  const Garbage cases[] = {
      {"one byte", {1}, "no multiple of 80"},
      {"one byte too many", std::vector<uint8_t>(81), "no multiple of 80"},
      {"unknown kind", broken, "kind is 99"},
      {"a good order before a bad one", two, "kind is 255"},
      {"too many", Bytes(Ban("192.0.2.5"), kMostRecords + 1), "more than"},
      {"the enforcer's word", Bytes({.kind = RecordKind::kApplied}),
       "not for a daemon"},
      {"another version",
       Bytes({.kind = RecordKind::kHello, .number = kProtocolVersion + 1}),
       "of one release"},
      {"a ban for no time", Bytes({.kind = RecordKind::kBan}),
       "seconds of a ban"},
  };
  for (const Garbage& garbage : cases) {
    auto daemon = Connect();
    testing::internal::CaptureStderr();
    EXPECT_TRUE(daemon->SendBytes(garbage.packet)) << garbage.name;
    EXPECT_TRUE(daemon->IsClosed()) << garbage.name;
    const std::string log = testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr("event=daemon-left")) << garbage.name;
    EXPECT_THAT(log, HasSubstr(garbage.log)) << garbage.name;
  }
  EXPECT_THAT(Elements(), IsEmpty());
  EXPECT_EQ(Connect()->Order({Ban("192.0.2.5")}).back().kind,
            RecordKind::kApplied);
}

TEST_F(EnforcerServerTest, OrdersBeforeHelloAreNotTaken) {
  StartEnforcer();
  TestDaemon daemon(path_);
  daemon.Send({Ban("192.0.2.5")});
  daemon.ReadTo(RecordKind::kHello);
  EXPECT_TRUE(daemon.IsClosed());
  EXPECT_THAT(Elements(), IsEmpty());
}

TEST_F(EnforcerServerTest, ASecondDaemonIsTurnedAwayUntilTheFirstHasGone) {
  StartEnforcer();
  auto first = Connect();
  TestDaemon second(path_);
  EXPECT_TRUE(second.IsClosed());
  EXPECT_EQ(first->Order({Ban("192.0.2.5")}).back().kind, RecordKind::kApplied);
  first.reset();
  EXPECT_EQ(Connect()->Order({Ban("192.0.2.6")}).back().kind,
            RecordKind::kApplied);
}

TEST_F(EnforcerServerTest, SaysGoodbyeWhenItIsToldToEnd) {
  StartEnforcer();
  auto daemon = Connect();
  enforcer_.reset();
  EXPECT_EQ(daemon->ReadTo(RecordKind::kGoodbye).back().kind,
            RecordKind::kGoodbye);
}

TEST_F(EnforcerServerTest, TheSetsStayWhenItEnds) {
  StartEnforcer();
  Connect()->Order({Ban("192.0.2.5")});
  enforcer_.reset();
  EXPECT_THAT(Elements(), SizeIs(1));
}

}  // namespace
}  // namespace breakwater
