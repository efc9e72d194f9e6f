// Peers that talk garbage, and crowds: each is dealt with, and nothing else is
// disturbed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

// A connection to one of the daemon's unix sockets.
class Peer {
 public:
  explicit Peer(const std::string& path) {
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{.sun_family = AF_UNIX};
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address),
                         sizeof address) == 0;
    const timeval patience{.tv_sec = 10};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  Peer(Peer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~Peer() {
    if (fd_ >= 0) close(fd_);
  }
  bool connected() const { return connected_; }
  // How much the other side took before it closed.
  size_t Say(std::string_view bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t n =
          send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<size_t>(n);
    }
    return sent;
  }
  void EndOfWords() { shutdown(fd_, SHUT_WR); }
  // Up to what one read brings; empty when the other side has closed.
  std::string Hear() {
    char buffer[4096];
    const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : "";
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
};

std::string PolicyRequest(const std::string& client) {
  return absl::StrCat(
      "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
      "protocol_name=SMTP\nclient_address=",
      client,
      "\nclient_port=4711\nserver_address=192.0.2.25\nserver_port=25\n\n");
}

size_t ResidentKilobytes(pid_t pid) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string word; status >> word;) {
    size_t kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes;
  }
  return 0;
}

class HostileTest : public WholePathTest {
 protected:
  void StartBothDoors(const std::string& config = "") {
    Parts parts{.policy = true, .milter = true, .rules = false};
    parts.config = config;
    StartParts(parts);
  }
  std::string Socket(const std::string& name) {
    return absl::StrCat(postfix_->QueueDirectory(), "/breakwater/", name);
  }
};

TEST_F(HostileTest, BadPolicyRequestsAreLoggedClosedAndDisturbNobody) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  const std::string good = PolicyRequest(kClean);
  const std::string bad[] = {
      "no equals sign\n\n",
      "request=smtpd_access_policy\nprotocol_state=CONNECT\n\n",
      "client_address=1.2.3.4\n" + good,
      std::string("request=smtpd_access_policy\nclient_address=\0\n\n", 46),
      "request=junk\n" + good.substr(good.find('\n') + 1),
  };
  for (const std::string& request : bad) {
    Peer peer(Socket("policy.sock"));
    ASSERT_TRUE(peer.connected());
    peer.Say(request);
    EXPECT_EQ(peer.Hear(), "") << request;
  }
  EXPECT_THAT(breakwater_->Log(), HasSubstr("event=bad-input"));
  ExpectMailFlows(kClean);
}

TEST_F(HostileTest, APolicyRequestWithoutEndIsCutOff) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  Peer peer(Socket("policy.sock"));
  const std::string mebibyte(1 << 20, 'x');
  size_t taken = 0;
  for (int i = 0; i < 100; ++i) {
    const size_t now = peer.Say(mebibyte);
    taken += now;
    if (now < mebibyte.size()) break;
  }
  EXPECT_LT(taken, size_t{4} << 20);
  ExpectMailFlows(kClean);
}

TEST_F(HostileTest, APolicyRequestMayComeOneByteAtATime) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  Peer peer(Socket("policy.sock"));
  for (const char c : PolicyRequest(kClean)) peer.Say({&c, 1});
  EXPECT_EQ(peer.Hear(), "action=DUNNO\n\n");
}

TEST_F(HostileTest, MilterPeersThatLeaveOrTalkGarbageDisturbNobody) {
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  for (int i = 0; i < 20; ++i) {
    Peer leaves(Socket("milter.sock"));
    ASSERT_TRUE(leaves.connected());
    Peer talks(Socket("milter.sock"));
    talks.Say(std::string("\xff\xff\xff\xffOgarbage", 12));
    Peer garbles(Socket("milter.sock"));
    garbles.Say(std::string("\0\0\0\x05Oabcd", 9));
  }
  ExpectMailFlows(kClean);
  EXPECT_TRUE(breakwater_->Running());
}

std::string Frame(char command, std::string_view payload) {
  const auto size = static_cast<uint32_t>(payload.size() + 1);
  std::string frame;
  for (const int shift : {24, 16, 8, 0}) {
    frame += static_cast<char>(size >> shift);
  }
  return frame + command + std::string(payload);
}

// A whole conversation of an MTA's.
std::vector<std::string> MilterSession() {
  using namespace std::string_literals;
  return {Frame('O', "\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"s),
          Frame('D', "C{daemon_addr}\000192.0.2.25\0{daemon_port}\00025\0"s),
          Frame('C', "client.test\0004\x12g198.19.0.1\0"s),
          Frame('H', "client.test\0"s),
          Frame('U', "XFOO\0"s),
          Frame('D', "M{auth_authen}\0\0"s),
          Frame('M', "<a@client.test>\0SIZE=1\0"s),
          Frame('R', "<b@mail.test>\0"s),
          Frame('T', ""),
          Frame('L', "Subject\0hello\0"s),
          Frame('E', "")};
}

// One thing in it is not as it was.
void Mutate(std::vector<std::string>& session, std::mt19937& random) {
  const auto below = [&random](size_t end) { return random() % end; };
  std::string& frame = session[below(session.size())];
  switch (below(5)) {
    case 0:
      frame[below(frame.size())] = static_cast<char>(random());
      break;
    case 1:  // its length is true, what is in it is cut off
      frame = Frame(frame[4], frame.substr(5, below(frame.size())));
      break;
    case 2:
      frame = Frame("ABCDEHKLMNOQRTU?"[below(16)], frame.substr(5));
      break;
    case 3:
      std::swap(frame, session[below(session.size())]);
      break;
    case 4:
      frame.insert(below(frame.size()), 1, '\0');
      break;
  }
}

TEST_F(HostileTest, NoMilterPeersBytesEndTheDaemon) {
  StartBothDoors("[[offence]]\nkind = \"rejected-commands\"\nafter = 1000\n");
  ASSERT_FALSE(HasFatalFailure());
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  std::mt19937 random(30);
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> session = MilterSession();
    for (int times = 1 + i % 3; times > 0; --times) Mutate(session, random);
    Peer peer(Socket("milter.sock"));
    ASSERT_TRUE(peer.connected()) << i;
    for (const std::string& frame : session) peer.Say(frame);
    peer.EndOfWords();
    while (!peer.Hear().empty()) {
    }
  }
  EXPECT_EQ(breakwater_->ChildPid("breakwaterd"), daemon);
  EXPECT_THAT(breakwater_->Log(),
              HasSubstr("event=bad-input front=milter peer=uid:0,pid:"));
  ExpectMailFlows(kClean);
}

TEST_F(HostileTest, WithFewDescriptorsACrowdTakesNeitherDoorNorControl) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 3000) GTEST_SKIP() << "needs 3,000 descriptors";
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  StartBothDoors();
  ASSERT_FALSE(HasFatalFailure());
  // The next daemon of the same parent has so few.
  const rlimit few{.rlim_cur = 256, .rlim_max = 256};
  ASSERT_EQ(prlimit(breakwater_->pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  const pid_t before = breakwater_->ChildPid("breakwaterd");
  kill(before, SIGKILL);
  ASSERT_TRUE(WaitUntil([&] {
    const pid_t now = breakwater_->ChildPid("breakwaterd");
    return now != 0 && now != before && Peer(Socket("policy.sock")).connected();
  }));
  std::vector<Peer> crowd;
  for (const char* door : {"policy.sock", "milter.sock"}) {
    for (int i = 0; i < 1000; ++i) {
      crowd.emplace_back(Socket(door));
      ASSERT_TRUE(crowd.back().connected()) << i;
    }
  }
  std::this_thread::sleep_for(seconds(1));
  // A listed client is judged, and the operator is answered.
  Peer policy(Socket("policy.sock"));
  policy.Say(PolicyRequest(kListed));
  EXPECT_THAT(policy.Hear(), HasSubstr("action=521"));
  EXPECT_THAT(Ask({"status"}), HasSubstr("the policy door had no room for "));
  EXPECT_THAT(breakwater_->Log(),
              HasSubstr("event=too-many-connections front=milter"));
  EXPECT_THAT(breakwater_->Log(), Not(HasSubstr("accept-failed")));
  crowd.clear();
  ExpectMailFlows(kClean);
}

TEST_F(HostileTest, TenThousandClientsAtOnceKeepMemoryBounded) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 12'000) GTEST_SKIP() << "needs 12,000 descriptors";
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  StartBothDoors("");
  ASSERT_FALSE(HasFatalFailure());
  const pid_t daemon = breakwater_->ChildPid("breakwaterd");
  const size_t before = ResidentKilobytes(daemon);

  list_->Pause();
  std::vector<Peer> crowd;
  for (int i = 0; i < 10'000; ++i) {
    crowd.emplace_back(Socket("policy.sock"));
    ASSERT_TRUE(crowd.back().connected()) << i;
    crowd.back().Say(
        PolicyRequest(absl::StrCat("198.19.", i / 250, ".", i % 250 + 1)));
  }
  size_t answered = 0;
  for (Peer& peer : crowd) {
    if (peer.Hear() == "action=DUNNO\n\n") ++answered;
  }
  // Some are turned away by the limit of connections: Postfix asks again, or
  // goes on without us.
  EXPECT_GE(answered, 4000u);
  EXPECT_LT(ResidentKilobytes(daemon) - before, 100u * 1024);
  list_->Resume();
  crowd.clear();
  ExpectMailFlows(kClean);
}

}  // namespace
}  // namespace breakwater::testing
