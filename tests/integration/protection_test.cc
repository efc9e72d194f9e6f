// Whoever is protected stays out of the sets, whatever the lists, the daemon or
// an operator say.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/types/record.h"
#include "tests/integration/harness/temp_directory.h"
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
  // Whether the client is refused and then kept out.
  bool ExpectBan(const std::string& client) {
    const absl::StatusOr<Session> session = Open(client);
    return session.ok() && session->banner.code == 521 &&
           WaitUntil([&] { return IsBanned(client); });
  }
  // In sshd's place: whoever connects need not be accepted.
  int ListenInMta(uint16_t port) {
    const InNamespace here(mta());
    const int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in6 address{.sin6_family = AF_INET6,
                               .sin6_port = htons(port)};
    EXPECT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
              0);
    EXPECT_EQ(listen(listener, 10), 0);
    return listener;
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

TEST_F(ProtectionTest, WhoIsInAFileStaysProtectedWhenTheFileIsNoneAnyMore) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory made, TempDirectory::Make());
  const std::string file = made.path() + "/networks";
  ASSERT_EQ(chmod(made.path().c_str(), 0755), 0);
  BREAKWATER_ASSERT_OK(WriteFile(file, "198.18.0.0/24\n"));
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  Parts parts{.policy = true};
  parts.config = absl::StrCat("[protect]\nfiles = [\"", file, "\"]\n");
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_EQ(unlink(file.c_str()), 0);
  ASSERT_EQ(mkdir(file.c_str(), 0755), 0);
  EXPECT_THAT(Ask({"reload"}), HasSubstr("networks: cannot be read: it is a "
                                         "directory"));
  ExpectMailFlows(kListed);
  // The command line reads the file too, for the control socket.
  ASSERT_EQ(rmdir(file.c_str()), 0);
  BREAKWATER_ASSERT_OK(WriteFile(file, "198.18.99.0/24\n"));
  EXPECT_THAT(Ask({"ban", kListed}), HasSubstr("protected"));
  EXPECT_FALSE(IsBanned(kListed));
}

// ---- What else the enforcer finds by itself --------------------------------

TEST_F(ProtectionTest, SpecialRangesAndResolversAreProtected) {
  Parts parts{.policy = true};
  parts.dns_server = "203.0.113.53";
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  for (const char* address :
       {"10.1.2.3", "192.168.0.1", "fd00::1", "203.0.113.53"}) {
    EXPECT_THAT(Ask({"ban", address}), HasSubstr("protected")) << address;
  }
  EXPECT_THAT(Ask({"status"}),
              HasSubstr(R"({"network":"203.0.113.53","why":"resolver"})"));
  // What everybody has who comes through a NAT64 is not banned either.
  EXPECT_THAT(Ask({"ban", "64:ff9b::c000:205"}), HasSubstr("shared"));
}

TEST_F(ProtectionTest, WhereTheConfigurationSaysSoPrivateAddressesAreBanned) {
  Parts parts{.policy = true};
  parts.config = "[protect]\nspecial_ranges = false\n";
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  Ask({"ban", "10.1.2.3"});
  EXPECT_TRUE(WaitUntil([&] { return IsBanned("10.1.2.3"); }));
}

TEST_F(ProtectionTest, PostfixSaysWhichNetworksAreItsOwn) {
  Parts parts{.policy = true};
  parts.main_cf = {
      "mynetworks = 127.0.0.0/8 198.18.0.0/28 [2001:db8:bad1::]/64 hash:/nets"};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(ExpectBan(kListed));
  // The enforcer's user may not chroot, but may run what is in there.
  const auto inside = [this](const char* path) {
    return postfix_->root().Path(path);
  };
  Service service = ServiceOf(parts);
  service.config = absl::StrCat(
      "[protect]\nmynetworks = true\npostconf = [\"",
      inside("/lib64/ld-linux-x86-64.so.2"), "\", \"--library-path\", \"",
      inside("/usr/lib/postfix"), ":", inside("/usr/lib/x86_64-linux-gnu"),
      "\", \"", inside("/usr/sbin/postconf"), "\", \"-c\", \"",
      inside("/etc/postfix"), "\"]\n");
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(service)));
  Ask({"reload"});
  ASSERT_TRUE(WaitUntil([&] { return !IsBanned(kListed); }))
      << breakwater_->Log();
  EXPECT_THAT(Ask({"ban", "2001:db8:bad1::7"}), HasSubstr("protected"));
  EXPECT_TRUE(breakwater_->WaitForLog("left_out=hash:/nets"));
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("event=protection-incomplete") !=
           std::string::npos;
  }));
  // A change of main.cf needs no word to Breakwater.
  BREAKWATER_ASSERT_OK(postfix_->Reload({"mynetworks = 203.0.113.0/24"}));
  EXPECT_TRUE(WaitUntil(
      [&] {
        return Ask({"ban", kClean}).find("protected") != std::string::npos;
      },
      std::chrono::seconds(20)));
}

TEST_F(ProtectionTest, WhoWorksHereOverSshIsProtected) {
  Parts parts{.policy = true};
  parts.config = "[protect]\nssh_peers = true\nssh_after = \"1s\"\n";
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  Ask({"ban", kClean6});
  ASSERT_TRUE(WaitUntil([&] { return IsBanned(kClean6); }));
  const int sshd = ListenInMta(22);
  const auto v4 = SmtpClient::Connect(
      world(), {.from = kClean, .to = Network::kMtaAddress, .port = 22});
  const auto v6 = SmtpClient::Connect(
      world(), {.from = kClean6, .to = Network::kMtaAddress6, .port = 22});
  ASSERT_TRUE(v4.ok() && v6.ok());
  // Seen twice, which takes two looks.
  EXPECT_TRUE(WaitUntil(
      [&] {
        const std::string status = Ask({"status"});
        return status.find(absl::StrCat(R"({"network":")", kClean,
                                        R"(","why":"SSH peer"})")) !=
                   std::string::npos &&
               !IsBanned(kClean6);
      },
      std::chrono::seconds(20)))
      << Ask({"status"});
  EXPECT_THAT(Ask({"ban", kClean}), HasSubstr("protected"));
  EXPECT_THAT(Ask({"bans"}), HasSubstr(R"("total":0)"));
  close(sshd);
}

TEST_F(ProtectionTest, UntilTheEnforcerHasToldWhomItProtectsAllMailPasses) {
  Parts parts{.policy = true};
  parts.config = "[protect]\nssh_peers = true\n";
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(breakwater_->WaitForLog("event=protection-known"));
  const pid_t enforcer = breakwater_->ChildPid("breakwater-enforcer");
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  ASSERT_GT(enforcer, 0);
  ASSERT_GT(daemon, 0);
  ASSERT_EQ(kill(enforcer, SIGSTOP), 0);
  ASSERT_EQ(kill(daemon, SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("all mail passes until it does") !=
           std::string::npos;
  })) << breakwater_->Log();
  ExpectMailFlows(kListed);
  EXPECT_FALSE(IsBanned(kListed));
  ASSERT_EQ(kill(enforcer, SIGCONT), 0);
  EXPECT_TRUE(WaitUntil([&] {
    return Ask({"status"}).find("all mail passes until") == std::string::npos;
  }));
  EXPECT_TRUE(ExpectBan(kListed)) << breakwater_->Log();
}

// ---- breakwater allow -------------------------------------------------------

TEST_F(ProtectionTest, WhoIsAllowedComesInAtOnceInEveryBackend) {
  Parts parts{.policy = true, .milter = true};
  parts.config = "[firewall]\nbackend = [\"ipset\", \"nftables\"]\n";
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  const auto in_nftables = [this] {
    return RunIn(mta(), {"nft", "list", "ruleset"}).out.find(kListed) !=
           std::string::npos;
  };
  ASSERT_TRUE(ExpectBan(kListed));
  ASSERT_TRUE(WaitUntil(in_nftables));
  EXPECT_THAT(
      Ask({"allow", "198.18.0.0/28", "--for", "1h", "--reason", "test"}),
      HasSubstr(R"("unbanned":1)"));
  EXPECT_TRUE(WaitUntil([&] { return !IsBanned(kListed) && !in_nftables(); }));
  ExpectMailFlows(kListed);
  EXPECT_THAT(Ask({"explain", kListed}), HasSubstr("is allowed (test)"));
  EXPECT_THAT(Ask({"allow"}), HasSubstr("198.18.0.0/28"));
  Ask({"disallow", "198.18.0.0/28"});
  EXPECT_TRUE(ExpectBan(kListed));
}

TEST_F(ProtectionTest, AnAllowanceEndsByItself) {
  Parts parts{.policy = true};
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  Ask({"allow", kListed, "--for", "2s"});
  EXPECT_EQ(Open(kListed)->banner.code, 220);
  ASSERT_TRUE(breakwater_->WaitForLog("event=allowance-ended"));
  EXPECT_TRUE(ExpectBan(kListed));
}

// ---- A proxy that nobody has told us of -------------------------------------

TEST_F(ProtectionTest, WhenAllSeemToBeOneThatOneIsRefusedAndNotBanned) {
  Parts parts{.policy = true};
  parts.config =
      "[proxy]\naddresses = 1\nconnections = 5\nafter = \"1s\"\n"
      "[[offence]]\nkind = \"virus\"\n";
  StartParts(parts);
  ASSERT_FALSE(HasFatalFailure());
  ASSERT_TRUE(WaitUntil([&] {
    EXPECT_EQ(Open(kClean)->banner.code, 220);
    return breakwater_->Log().find("event=proxy-suspected") !=
           std::string::npos;
  }));
  EXPECT_THAT(Ask({"status"}),
              AllOf(HasSubstr(" seem to come from 203.0.113.9 ("),
                    HasSubstr("PROXY protocol")));
  // What one behind it did does not count against all.
  EXPECT_THAT(Ask({"report", kClean, "--offence", "virus"}),
              AllOf(HasSubstr(R"("effect":"withheld")"),
                    HasSubstr(R"("withheld":"proxy")")));
  EXPECT_FALSE(IsBanned(kClean));
  // Who does not come through it is banned as ever.
  EXPECT_TRUE(ExpectBan(kListed)) << breakwater_->Log();
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
  const gid_t home_group = getegid();
  ASSERT_EQ(setegid(65534), 0);  // by which it may open the socket
  ASSERT_EQ(seteuid(65534), 0);
  std::optional<EnforcerPeer> peer;
  // The enforcer takes a moment to see that the daemon has gone.
  const bool greeted = WaitUntil([&] {
    peer.emplace(breakwater_->directory() + "/enforcer.sock");
    peer->Say({.kind = RecordKind::kHello, .number = kProtocolVersion});
    return peer->Next(RecordKind::kHello).has_value();
  });
  ASSERT_EQ(seteuid(home), 0);
  ASSERT_EQ(setegid(home_group), 0);
  ASSERT_TRUE(greeted);
  uint32_t serial = 100;
  for (const char* network :
       {"192.0.2.25", "192.0.2.1", "127.0.0.1", "198.18.0.5",
        "2001:db8:25::/64", "2001:db8:bad1::/64", "::/64"}) {
    const breakwater::Instant now = breakwater::Clock::now();
    breakwater::Record ban = breakwater::TimedRecord(
        RecordKind::kBan, *breakwater::Network::Parse(network),
        now + std::chrono::minutes(10), now);
    ban.serial = ++serial;
    peer->Say(ban);
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
