#include "daemon/link/enforcer_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <thread>

#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Lt;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

Network Net(std::string_view text) { return *Network::Parse(text); }

Record Entry(std::string_view network, Duration left) {
  const Instant now = Clock::now();
  return TimedRecord(RecordKind::kEntry, Net(network), now + left, now);
}

Instant EndOf(const Record& ban) {
  const Instant now = Clock::now();
  return now + LeftOf(ban, now);
}

// But for the milliseconds in which ends are said.
auto IsAbout(Instant end) {
  return AllOf(Gt(end - milliseconds(5)), Lt(end + milliseconds(50)));
}

auto Unbans(std::string_view network) {
  return AllOf(Field(&Record::kind, RecordKind::kUnban),
               Field(&Record::network, Net(network)));
}

Connection SomeConnection(uint16_t port) {
  return {.client = *IpAddress::Parse("198.51.100.7"),
          .client_port = port,
          .server = *IpAddress::Parse("192.0.2.25"),
          .server_port = 25};
}

// The other end of the conversation, played by the test.
class EnforcerLinkTest : public testing::Test {
 protected:
  EnforcerLinkTest()
      : path_(absl::StrCat(testing::TempDir(), "/link.", getpid(), ".sock")) {
    Listen();
    link_.emplace(loop_, metrics_,
                  EnforcerLink::Options{.socket = path_,
                                        .accepted = {geteuid()},
                                        .first_repeat = milliseconds(50)});
    link_->Start({
        .bans =
            [this] {
              std::vector<EnforcerLink::InForce> in_force;
              for (const Ban& ban : bans_) {
                in_force.push_back({ban.network, ban.expires});
              }
              return in_force;
            },
        .adopt =
            [this](const Network& network, Duration left) {
              adopted_.push_back(
                  absl::StrCat(network.ToString(), " ",
                               std::chrono::ceil<seconds>(left).count(), "s"));
            },
        .withdraw =
            [this](const Network& network) {
              withdrawn_.push_back(network.ToString());
            },
        .protect = [this] { protected_ = link_->protections().size(); },
        .lifting =
            [this](const Network& network) {
              lifting_.push_back(network.ToString());
            },
    });
  }
  ~EnforcerLinkTest() override {
    link_.reset();
    Hang();
    close(listening_);
    unlink(path_.c_str());
  }

  void Listen() {
    unlink(path_.c_str());
    listening_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX};
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(
        bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address),
        0);
    ASSERT_EQ(listen(listening_, 1), 0);
  }
  void Hang() {
    if (peer_ >= 0) close(peer_);
    peer_ = -1;
    heard_.clear();
  }

  void LoseEnforcer() {
    Hang();
    loop_.restart();
    loop_.run_for(milliseconds(20));
    EXPECT_FALSE(link_->connected());
  }

  // Lets the loop run until the descriptor has something to read.
  bool RunUntilReadable(int fd) {
    const Instant limit = Clock::now() + seconds(5);
    pollfd waiting{.fd = fd, .events = POLLIN};
    while (Clock::now() < limit) {
      loop_.restart();
      loop_.run_for(milliseconds(2));
      if (poll(&waiting, 1, 0) > 0) return true;
    }
    return false;
  }
  void Accept() {
    ASSERT_TRUE(RunUntilReadable(listening_));
    peer_ = accept(listening_, nullptr, nullptr);
  }
  Record Hear() {
    if (heard_.empty() && RunUntilReadable(peer_)) {
      std::vector<uint8_t> packet(kMostRecords * kRecordSize);
      const ssize_t size = recv(peer_, packet.data(), packet.size(), 0);
      for (ssize_t at = 0; at < size; at += kRecordSize) {
        heard_.push_back(*DecodeRecord(
            absl::MakeConstSpan(packet.data() + at, kRecordSize)));
      }
    }
    if (heard_.empty()) return {};
    const Record record = heard_.front();
    heard_.pop_front();
    return record;
  }
  void Say(const Record& record) {
    const RecordBytes bytes = EncodeRecord(record);
    ASSERT_EQ(send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    loop_.restart();
    loop_.run_for(milliseconds(5));
  }
  // Answers a packet of which this one order is refused.
  void Refuse(const Record& order, Refusal why) {
    Say({.kind = RecordKind::kRefused,
         .detail = static_cast<uint8_t>(why),
         .serial = order.serial,
         .network = order.network});
    Say({.kind = RecordKind::kApplied, .serial = order.serial});
  }
  bool IsSilentFor(Duration time) {
    loop_.restart();
    loop_.run_for(time);
    pollfd waiting{.fd = peer_, .events = POLLIN};
    return heard_.empty() && poll(&waiting, 1, 0) == 0;
  }
  // The opening, after which the link serves.
  void Open(const std::vector<Record>& entries = {}) {
    Accept();
    EXPECT_EQ(Hear().kind, RecordKind::kHello);
    EXPECT_EQ(Hear().kind, RecordKind::kList);
    Say({.kind = RecordKind::kHello, .number = kProtocolVersion});
    Say({.kind = RecordKind::kProtectedEnd});
    for (const Record& entry : entries) Say(entry);
    Say({.kind = RecordKind::kEntriesEnd});
  }

  const std::string path_;
  asio::io_context loop_;
  Metrics metrics_;
  std::optional<EnforcerLink> link_;
  int listening_ = -1;
  int peer_ = -1;
  std::deque<Record> heard_;

  std::vector<Ban> bans_;
  std::vector<std::string> adopted_;
  std::vector<std::string> withdrawn_;
  size_t protected_ = 0;
  std::vector<std::string> lifting_;  // of which something has changed
};

// Whether all is settled, once that is known.
class Settling {
 public:
  Settling(asio::io_context& loop, EnforcerLink& link, Duration longest) {
    asio::co_spawn(
        loop,
        [this, &link, longest]() -> asio::awaitable<void> {
          const bool settled = co_await link.Settled(longest);
          answer = settled;
        },
        asio::detached);
    Run(loop);
  }
  static void Run(asio::io_context& loop) {
    loop.restart();
    loop.run_for(milliseconds(20));
  }
  std::optional<bool> answer;
};

TEST_F(EnforcerLinkTest, WhomTheEnforcerProtectsIsKnownOnceItHasToldAll) {
  Accept();
  EXPECT_EQ(Hear().kind, RecordKind::kHello);
  Say({.kind = RecordKind::kHello, .number = kProtocolVersion});
  Say({.kind = RecordKind::kProtected,
       .detail = static_cast<uint8_t>(ProtectionSource::kMynetworks),
       .network = Net("192.0.2.0/24")});
  EXPECT_FALSE(link_->has_told_protections());
  Say({.kind = RecordKind::kProtectedEnd});
  EXPECT_TRUE(link_->has_told_protections());
  // And stays so while it is away.
  Hang();
  Accept();
  EXPECT_FALSE(link_->connected());
  EXPECT_TRUE(link_->has_told_protections());
}

TEST_F(EnforcerLinkTest, WhatIsConfiguredStaysIfTheEnforcerSaysOnlyTheRest) {
  Accept();
  const auto say = [this](ProtectionSource source, std::string_view network) {
    Say({.kind = RecordKind::kProtected,
         .detail = static_cast<uint8_t>(source),
         .network = Net(network)});
  };
  const auto known = [this] {
    std::vector<Network> networks = link_->configured().networks();
    for (const auto& protection : link_->protections()) {
      networks.push_back(protection.network);
    }
    return networks;
  };
  say(ProtectionSource::kConfigured, "192.0.2.0/24");
  say(ProtectionSource::kOwnAddress, "203.0.113.1");
  Say({.kind = RecordKind::kProtectedEnd});
  say(ProtectionSource::kOwnAddress, "203.0.113.2");
  Say({.kind = RecordKind::kProtectedEnd, .number = 1});
  EXPECT_THAT(known(), ElementsAre(Net("192.0.2.0/24"), Net("203.0.113.2")));
  say(ProtectionSource::kOwnAddress, "203.0.113.2");
  Say({.kind = RecordKind::kProtectedEnd});
  EXPECT_THAT(known(), ElementsAre(Net("203.0.113.2")));
}

TEST_F(EnforcerLinkTest, IsSettledOnceWhatWasOrderedIsCarriedOut) {
  Open();
  link_->Ban(Net("198.51.100.7"), minutes(10));
  const Record first = Hear();
  link_->Ban(Net("198.51.100.8"), minutes(10));
  const Settling settling(loop_, *link_, seconds(5));
  Say({.kind = RecordKind::kApplied, .serial = first.serial});
  EXPECT_FALSE(settling.answer) << "the second one is on its way";
  Say({.kind = RecordKind::kApplied, .serial = Hear().serial});
  EXPECT_EQ(settling.answer, true);
  EXPECT_EQ(Settling(loop_, *link_, seconds(5)).answer, true) << "none is left";
}

TEST_F(EnforcerLinkTest, AnEnforcerWithNothingToDoIsAskedForASignOfLife) {
  Open();
  EXPECT_FALSE(link_->owes_since());
  const Record beat = Hear();
  EXPECT_EQ(beat.kind, RecordKind::kHello);
  EXPECT_NE(beat.serial, 0u);
  EXPECT_TRUE(link_->owes_since());
  EXPECT_TRUE(link_->connected());
  Say({.kind = RecordKind::kApplied, .serial = beat.serial});
  EXPECT_FALSE(link_->owes_since());
  EXPECT_TRUE(IsSilentFor(seconds(1)));
}

TEST_F(EnforcerLinkTest, IsNotSettledWithAnEnforcerThatIsAwayOrSilent) {
  EXPECT_EQ(Settling(loop_, *link_, seconds(5)).answer, false) << "not there";
  Open();
  link_->Ban(Net("198.51.100.7"), minutes(10));
  EXPECT_EQ(Settling(loop_, *link_, milliseconds(1)).answer, false);
  const Settling settling(loop_, *link_, seconds(5));
  EXPECT_FALSE(settling.answer);
  Hang();
  Settling::Run(loop_);
  EXPECT_EQ(settling.answer, false);
}

TEST_F(EnforcerLinkTest, ABanThatIsSaidAgainEndsWhenItWouldHaveEnded) {
  bans_ = {{.network = Net("198.51.100.7"),
            .expires = Clock::now() + milliseconds(9'900)},
           {.network = Net("198.51.100.8"),
            .expires = Clock::now() - milliseconds(1)}};
  Open();
  const Record again = Hear();
  EXPECT_EQ(again.network, Net("198.51.100.7"));
  EXPECT_THAT(EndOf(again), IsAbout(bans_[0].expires));
  EXPECT_TRUE(heard_.empty()) << "has ended";
}

TEST_F(EnforcerLinkTest, SaysABanAndWaitsForItsAnswer) {
  Open();
  link_->Ban(Net("198.51.100.7"), minutes(10));
  const Record ban = Hear();
  EXPECT_EQ(ban.kind, RecordKind::kBan);
  EXPECT_EQ(ban.network, Net("198.51.100.7"));
  EXPECT_EQ(ban.seconds, 600u);

  // What comes meanwhile collects, and goes as one packet.
  link_->Ban(Net("198.51.100.8"), minutes(10));
  link_->EndAfterReply(SomeConnection(4711));
  loop_.restart();
  loop_.run_for(milliseconds(20));
  pollfd silent{.fd = peer_, .events = POLLIN};
  EXPECT_EQ(poll(&silent, 1, 0), 0);
  Say({.kind = RecordKind::kApplied, .serial = ban.serial});
  EXPECT_EQ(Hear().network, Net("198.51.100.8"));
  ASSERT_EQ(heard_.size(), 1u);
  EXPECT_EQ(Hear().connection, SomeConnection(4711));
}

TEST_F(EnforcerLinkTest, ABanThatHadToWaitEndsWhenItWouldHaveEnded) {
  Open();
  link_->Unban(Net("198.51.100.7"));
  const Record first = Hear();
  const Instant ends = Clock::now() + minutes(10);
  link_->Ban(Net("198.51.100.8"), minutes(10));
  std::this_thread::sleep_for(milliseconds(300));
  Say({.kind = RecordKind::kApplied, .serial = first.serial});
  EXPECT_THAT(EndOf(Hear()), IsAbout(ends));
}

TEST_F(EnforcerLinkTest, AdoptsWhatTheKernelHoldsAndTellsWhatItLacks) {
  bans_ = {
      {.network = Net("198.51.100.9"), .expires = Clock::now() + minutes(2)}};
  Open({Entry("198.51.100.7", seconds(77))});
  EXPECT_THAT(adopted_, ElementsAre("198.51.100.7 77s"));
  EXPECT_EQ(Hear().network, Net("198.51.100.9"));
  EXPECT_TRUE(link_->connected());
}

TEST_F(EnforcerLinkTest, DoesNotRepeatWhatTheKernelHoldsLongEnough) {
  bans_ = {
      {.network = Net("198.51.100.7"), .expires = Clock::now() + seconds(77)}};
  Open({Entry("198.51.100.7", seconds(77))});
  link_->Unban(Net("198.51.100.1"));
  EXPECT_EQ(Hear().kind, RecordKind::kUnban);
}

TEST_F(EnforcerLinkTest, SaysAllBansAgainWhenTheSetsHadToBeMade) {
  Open();
  bans_ = {
      {.network = Net("198.51.100.7"), .expires = Clock::now() + minutes(1)}};
  Say({.kind = RecordKind::kSetsMade});
  EXPECT_EQ(Hear().network, Net("198.51.100.7"));
}

TEST_F(EnforcerLinkTest, SaysAllBansWhenSetsHadToBeMadeBeforeTheListEnds) {
  bans_ = {
      {.network = Net("198.51.100.7"), .expires = Clock::now() + seconds(77)}};
  Open({{.kind = RecordKind::kSetsMade}, Entry("198.51.100.7", seconds(77))});
  link_->Unban(Net("198.51.100.1"));
  const Record ban = Hear();
  EXPECT_EQ(ban.kind, RecordKind::kBan);
  EXPECT_EQ(ban.network, Net("198.51.100.7"));
}

TEST_F(EnforcerLinkTest, WhatIsNewGoesBeforeAllBansThatAreSaidAgain) {
  for (uint32_t i = 0; i < 2'000; ++i) {
    bans_.push_back(
        {.network = Network::OfClient(IpAddress::FromV4(0x0a000000 + i)),
         .expires = Clock::now() + minutes(10)});
  }
  Open();
  const uint32_t serial = Hear().serial;
  link_->Ban(Net("198.51.100.7"), minutes(10));
  // And a lifted one does not come back with the rest.
  link_->Unban(Net("10.0.7.0"));
  for (size_t i = 1; i < kMostRecords; ++i) Hear();
  Say({.kind = RecordKind::kApplied, .serial = serial});
  EXPECT_EQ(Hear().network, Net("198.51.100.7"));
  EXPECT_EQ(Hear().kind, RecordKind::kUnban);
  size_t said = kMostRecords;
  while (said < 1'999) {
    const Record ban = Hear();
    ASSERT_EQ(ban.kind, RecordKind::kBan);
    EXPECT_NE(ban.network, Net("10.0.7.0"));
    ++said;
    if (heard_.empty()) {
      Say({.kind = RecordKind::kApplied, .serial = ban.serial});
    }
  }
}

TEST_F(EnforcerLinkTest, WithdrawsABanThatIsRefusedAsProtected) {
  Open();
  Say({.kind = RecordKind::kRefused,
       .detail = static_cast<uint8_t>(Refusal::kProtected),
       .network = Net("198.51.100.7")});
  Say({.kind = RecordKind::kRefused,
       .detail = static_cast<uint8_t>(Refusal::kTooFast),
       .network = Net("198.51.100.8")});
  EXPECT_THAT(withdrawn_, ElementsAre("198.51.100.7"));
}

TEST_F(EnforcerLinkTest, ABanThatIsRefusedForNowIsSaidUntilItIsTaken) {
  Open();
  const Instant ends = Clock::now() + minutes(10);
  link_->Ban(Net("198.51.100.7"), minutes(10));
  for (const Refusal why :
       {Refusal::kTooFast, Refusal::kKernel, Refusal::kTooWide}) {
    const Record ban = Hear();
    EXPECT_EQ(ban.kind, RecordKind::kBan) << RefusalName(why);
    EXPECT_EQ(ban.network, Net("198.51.100.7"));
    EXPECT_THAT(EndOf(ban), IsAbout(ends));
    Refuse(ban, why);
  }
  const Record taken = Hear();
  EXPECT_EQ(taken.network, Net("198.51.100.7"));
  Say({.kind = RecordKind::kApplied, .serial = taken.serial});
  EXPECT_TRUE(IsSilentFor(milliseconds(500)));
}

TEST_F(EnforcerLinkTest, ALiftingThatTheKernelRefusedIsSaidAgain) {
  Open();
  link_->Unban(Net("198.51.100.7"));
  Refuse(Hear(), Refusal::kKernel);
  EXPECT_THAT(Hear(), Unbans("198.51.100.7"));
}

TEST_F(EnforcerLinkTest, ARefusedBanIsNotSaidBehindItsLifting) {
  Open();
  link_->Ban(Net("198.51.100.7"), minutes(10));
  const Record ban = Hear();
  link_->Unban(Net("198.51.100.7"));  // waits
  Refuse(ban, Refusal::kTooFast);
  const Record unban = Hear();
  EXPECT_THAT(unban, Unbans("198.51.100.7"));
  Say({.kind = RecordKind::kApplied, .serial = unban.serial});
  EXPECT_TRUE(IsSilentFor(milliseconds(300)));
}

TEST_F(EnforcerLinkTest, ARefusedBanThatHasEndedIsNotSaidAgain) {
  Open();
  link_->Ban(Net("198.51.100.7"), milliseconds(40));  // less than the pause
  Refuse(Hear(), Refusal::kTooFast);
  EXPECT_TRUE(IsSilentFor(milliseconds(300)));
}

TEST_F(EnforcerLinkTest, AProtectedOneIsNotSaidAgain) {
  Open();
  link_->Ban(Net("198.51.100.7"), minutes(10));
  Refuse(Hear(), Refusal::kProtected);
  EXPECT_TRUE(IsSilentFor(milliseconds(300)));
}

TEST_F(EnforcerLinkTest, ManyRefusalsDoNotFillTheLog) {
  Open();
  testing::internal::CaptureStderr();
  for (uint32_t i = 0; i < 100; ++i) {
    Say({.kind = RecordKind::kRefused,
         .detail = static_cast<uint8_t>(Refusal::kTooFast),
         .network = Network::OfClient(IpAddress::FromV4(0x0a000000 + i))});
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("event=ban-refused"));
  EXPECT_THAT(log, Not(HasSubstr("client=10.0.0.99")));
}

TEST_F(EnforcerLinkTest, TellsAReturnedEnforcerOfLiftedBansAndSparedSessions) {
  Open();
  link_->Spare(SomeConnection(4711));
  EXPECT_EQ(Hear().kind, RecordKind::kSpare);
  LoseEnforcer();
  EXPECT_THAT(link_->trouble(), HasSubstr("enforcer"));
  link_->Unban(Net("198.51.100.7"));

  Open({Entry("198.51.100.7", seconds(300))});
  EXPECT_THAT(adopted_, ElementsAre());
  EXPECT_EQ(Hear().network, Net("198.51.100.7"));
  EXPECT_EQ(Hear().connection, SomeConnection(4711));
}

TEST_F(EnforcerLinkTest, ALiftingThatWasUnderWayWhenTheEnforcerWentIsRepeated) {
  Open();
  link_->Unban(Net("198.51.100.7"));
  EXPECT_EQ(Hear().kind, RecordKind::kUnban);  // and is never answered
  link_->Unban(Net("198.51.100.8"));           // waits behind it
  LoseEnforcer();
  Open({Entry("198.51.100.7", seconds(300)),
        Entry("198.51.100.8", seconds(300))});
  EXPECT_THAT(adopted_, ElementsAre());
  const Record orders[] = {Hear(), Hear()};
  EXPECT_THAT(orders, UnorderedElementsAre(Unbans("198.51.100.7"),
                                           Unbans("198.51.100.8")));
}

TEST_F(EnforcerLinkTest, ALiftingIsToBeRememberedUntilItIsConfirmed) {
  const std::vector<Network> asked = {Net("198.51.100.7"), Net("192.0.2.1")};
  Open();
  link_->Unban(Net("198.51.100.7"));
  EXPECT_THAT(lifting_, ElementsAre("198.51.100.7"));
  EXPECT_THAT(link_->Liftings(asked),
              ElementsAre(Field(&Lifting::network, Net("198.51.100.7"))));
  Say({.kind = RecordKind::kApplied, .serial = Hear().serial});
  EXPECT_THAT(lifting_, ElementsAre("198.51.100.7", "198.51.100.7"));
  EXPECT_THAT(link_->Liftings(asked), IsEmpty());
}

TEST_F(EnforcerLinkTest, OneThatTheKernelRefusedIsNotConfirmed) {
  const std::vector<Network> asked = {Net("198.51.100.7")};
  Open();
  link_->Unban(Net("198.51.100.7"));
  Refuse(Hear(), Refusal::kKernel);
  EXPECT_THAT(link_->Liftings(asked), SizeIs(1));
  const Record again = Hear();
  Say({.kind = RecordKind::kApplied, .serial = again.serial});
  EXPECT_THAT(link_->Liftings(asked), IsEmpty());
}

TEST_F(EnforcerLinkTest, ABanBehindALiftingTakesItsPlaceOnceItIsCarriedOut) {
  const std::vector<Network> asked = {Net("198.51.100.7")};
  Open();
  link_->Unban(Net("198.51.100.7"));
  Refuse(Hear(), Refusal::kKernel);
  link_->Ban(Net("198.51.100.7"), minutes(10));
  const Record ban = Hear();
  EXPECT_EQ(ban.kind, RecordKind::kBan);
  EXPECT_THAT(link_->Liftings(asked), SizeIs(1));
  Say({.kind = RecordKind::kApplied, .serial = ban.serial});
  EXPECT_THAT(link_->Liftings(asked), IsEmpty());
}

TEST_F(EnforcerLinkTest, ABanBehindALiftingThatWasUnderWayIsInForce) {
  Open();
  link_->Ban(Net("198.51.100.1"), minutes(10));
  EXPECT_EQ(Hear().kind, RecordKind::kBan);
  link_->Unban(Net("198.51.100.7"));
  link_->Ban(Net("198.51.100.7"), minutes(10));
  bans_ = {
      {.network = Net("198.51.100.7"), .expires = Clock::now() + minutes(10)}};
  LoseEnforcer();
  Open();
  EXPECT_THAT(Hear(), Unbans("198.51.100.7"));
  const Record ban = Hear();
  EXPECT_EQ(ban.kind, RecordKind::kBan);
  EXPECT_EQ(ban.network, Net("198.51.100.7"));
}

TEST_F(EnforcerLinkTest, AShorterBanAfterALiftingTakesTheLongerOnesPlace) {
  Open();
  LoseEnforcer();
  link_->Unban(Net("198.51.100.7"));
  link_->Ban(Net("198.51.100.7"), minutes(10));
  bans_ = {
      {.network = Net("198.51.100.7"), .expires = Clock::now() + minutes(10)}};
  Open({Entry("198.51.100.7", seconds(86'400))});
  EXPECT_THAT(adopted_, ElementsAre());
  EXPECT_THAT(Hear(), Unbans("198.51.100.7"));
  const Record ban = Hear();
  EXPECT_EQ(ban.kind, RecordKind::kBan);
  EXPECT_LE(ban.seconds, 600u);
}

TEST_F(EnforcerLinkTest, ManyLiftingsAreRememberedWhileTheEnforcerIsAway) {
  constexpr uint32_t kMany = 150'000;
  for (uint32_t i = 0; i < kMany; ++i) {
    link_->Unban(Network::OfClient(IpAddress::FromV4(0x0a000000 + i)));
  }
  Open();
  for (uint32_t said = 0; said < kMany; ++said) {
    const Record unban = Hear();
    ASSERT_EQ(unban.kind, RecordKind::kUnban) << said;
    if (!heard_.empty()) continue;
    // Hear lets the loop run on.
    const Record applied = {.kind = RecordKind::kApplied,
                            .serial = unban.serial};
    const RecordBytes bytes = EncodeRecord(applied);
    ASSERT_GT(send(peer_, bytes.data(), bytes.size(), MSG_NOSIGNAL), 0);
  }
}

TEST_F(EnforcerLinkTest, LeavesAnEnforcerOfAnotherVersion) {
  Accept();
  Say({.kind = RecordKind::kHello, .number = kProtocolVersion + 1});
  EXPECT_FALSE(link_->connected());
  EXPECT_THAT(link_->trouble(), HasSubstr("protocol"));
}

TEST_F(EnforcerLinkTest, LeavesAnEnforcerThatTalksGarbage) {
  Open();
  std::vector<uint8_t> garbage(kRecordSize, 0xff);
  ASSERT_GT(send(peer_, garbage.data(), garbage.size(), MSG_NOSIGNAL), 0);
  loop_.restart();
  loop_.run_for(milliseconds(20));
  EXPECT_THAT(link_->trouble(), HasSubstr("kind"));
}

TEST_F(EnforcerLinkTest, AnEnforcerThatSaidGoodbyeIsNotMissedWhileItRestarts) {
  testing::internal::CaptureStderr();
  Open();
  Say({.kind = RecordKind::kGoodbye});
  LoseEnforcer();
  close(listening_);
  loop_.restart();
  loop_.run_for(milliseconds(300));  // it is tried, in vain
  EXPECT_THAT(link_->trouble(), HasSubstr("cannot connect"));
  Listen();
  Open();
  EXPECT_TRUE(link_->connected());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              Not(HasSubstr("enforcer-lost")));
}

TEST_F(EnforcerLinkTest, AnEnforcerThatDiesIsMissedAtOnce) {
  testing::internal::CaptureStderr();
  Open();
  LoseEnforcer();
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("level=error event=enforcer-lost"));
}

TEST_F(EnforcerLinkTest, WhetherItIsThereIsKnownOnceItHasToldItsSets) {
  Accept();
  EXPECT_EQ(Hear().kind, RecordKind::kHello);
  EXPECT_FALSE(link_->has_tried());
  Say({.kind = RecordKind::kHello, .number = kProtocolVersion});
  EXPECT_FALSE(link_->has_tried());
  Say({.kind = RecordKind::kEntriesEnd});
  EXPECT_TRUE(link_->has_tried());
}

TEST_F(EnforcerLinkTest, ThatItIsAwayIsKnownToo) {
  close(listening_);
  loop_.restart();
  loop_.run_for(milliseconds(20));
  EXPECT_TRUE(link_->has_tried());
  Listen();
}

}  // namespace
}  // namespace breakwater
