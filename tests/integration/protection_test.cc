// Whoever is protected stays out of the sets, whatever the lists, the daemon or
// an operator say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "core/record.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kProtect[] = R"(
[protect]
networks = ["198.18.0.0/24", "2001:db8:bad1::/64"]
)";

class ProtectionTest : public WholePathTest {
 protected:
  void StartProtected() {
    Parts parts{.policy = true, .milter = true};
    parts.config = kProtect;
    parts.listed = {{"0.0.0.0/1"}, {"128.0.0.0/1"}, {"2001:db8::/32"}};
    StartParts(parts);
  }
};

TEST_F(ProtectionTest, AListedClientInAProtectedNetworkDeliversItsMail) {
  StartProtected();
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  ExpectMailFlows("2001:db8:bad1::5");
  EXPECT_FALSE(IsBanned(kListed));
}

TEST_F(ProtectionTest, OwnAddressAndGatewayAreFoundAndNeverBanned) {
  StartProtected();
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_THAT(Ask({"status"}), AllOf(HasSubstr(Network::kMtaAddress),
                                     HasSubstr(Network::kGateway),
                                     HasSubstr(Network::kMtaAddress6)));
  for (const char* address :
       {Network::kMtaAddress, Network::kGateway, Network::kMtaAddress6,
        Network::kGateway6, "127.0.0.1", "::1", kListed}) {
    EXPECT_THAT(Ask({"ban", address}), HasSubstr("protected")) << address;
  }
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
  EXPECT_THAT(sets_->Entries("breakwater6"), IsEmpty());
}

// Speaks to the enforcer as the daemon does, with the daemon's uid.
class EnforcerPeer {
 public:
  explicit EnforcerPeer(const std::string& path) {
    fd_ = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX};
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    [[maybe_unused]] const int failed =
        connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    const timeval patience{.tv_sec = 2};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~EnforcerPeer() { close(fd_); }
  void Say(const Record& record) {
    const RecordBytes bytes = EncodeRecord(record);
    [[maybe_unused]] const ssize_t sent =
        send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // The next record of the wanted kind.
  std::optional<Record> Next(RecordKind kind) {
    for (;;) {
      for (; at_ < size_; at_ += kRecordSize) {
        const auto record = DecodeRecord(
            absl::MakeConstSpan(packet_.data() + at_, kRecordSize));
        if (record.ok() && record->kind == kind) {
          at_ += kRecordSize;
          return *record;
        }
      }
      const ssize_t got = recv(fd_, packet_.data(), packet_.size(), 0);
      if (got <= 0) return std::nullopt;
      size_ = static_cast<size_t>(got);
      at_ = 0;
    }
  }

 private:
  int fd_ = -1;
  std::array<uint8_t, kMostRecords * kRecordSize> packet_;
  size_t size_ = 0;
  size_t at_ = 0;
};

TEST_F(ProtectionTest, TheEnforcerRefusesEvenWhenTheDaemonAsksForIt) {
  StartProtected();
  ASSERT_FALSE(HasFatalFailure());
  // The daemon's place, which its parent is kept from filling, and its uid.
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_GT(daemon, 0);
  ASSERT_EQ(kill(breakwater_->pid(), SIGSTOP), 0);
  ASSERT_EQ(kill(daemon, SIGKILL), 0);
  const uid_t home = geteuid();
  ASSERT_EQ(seteuid(65534), 0);
  std::optional<EnforcerPeer> peer;
  // The enforcer takes a moment to see that the daemon has gone.
  const bool greeted = WaitUntil([&] {
    peer.emplace(breakwater_->directory() + "/enforcer.sock");
    peer->Say({.kind = RecordKind::kHello, .number = kProtocolVersion});
    return peer->Next(RecordKind::kHello).has_value();
  });
  ASSERT_EQ(seteuid(home), 0);
  ASSERT_TRUE(greeted);
  uint32_t serial = 100;
  for (const char* network :
       {"192.0.2.25", "192.0.2.1", "127.0.0.1", "198.18.0.5",
        "2001:db8:25::/64", "2001:db8:bad1::/64", "::/64"}) {
    peer->Say({.kind = RecordKind::kBan,
               .serial = ++serial,
               .network = *breakwater::Network::Parse(network),
               .seconds = 600});
    const auto refused = peer->Next(RecordKind::kRefused);
    ASSERT_TRUE(refused) << network;
    EXPECT_EQ(refused->network.ToString(), network);
    EXPECT_EQ(static_cast<Refusal>(refused->detail), Refusal::kProtected);
  }
  EXPECT_THAT(sets_->Entries("breakwater4"), IsEmpty());
  EXPECT_THAT(sets_->Entries("breakwater6"), IsEmpty());
  kill(breakwater_->pid(), SIGCONT);
}

}  // namespace
}  // namespace breakwater::testing
