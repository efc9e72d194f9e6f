#include "contrib/tcp/refusal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr char kReply[] = "521 5.7.1 no";

// Two ends of a TCP connection: a reset is to be one.
class RefusalTest : public ::testing::Test {
 protected:
  RefusalTest() {
    const int listening = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    bind(listening, generic, size);
    listen(listening, 1);
    getsockname(listening, generic, &size);
    client_ = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(client_, generic, size), 0);
    server_ = accept(listening, nullptr, nullptr);
    close(listening);
  }
  ~RefusalTest() override {
    CloseServer();
    CloseClient();
  }

  void Say(const std::string& bytes) {
    EXPECT_EQ(write(client_, bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string ReadAll() {
    std::string all;
    char buffer[4096];
    ssize_t got;
    while ((got = read(client_, buffer, sizeof buffer)) > 0) {
      all.append(buffer, static_cast<size_t>(got));
    }
    return all;
  }
  // What Linux lets the client read nevertheless, others throw away.
  bool WasReset() {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error != 0;
  }
  // As the program's end does.
  void CloseServer() {
    if (server_ >= 0) close(std::exchange(server_, -1));
  }
  void CloseClient() {
    if (client_ >= 0) close(std::exchange(client_, -1));
  }

  int client_;
  int server_;
};

TEST_F(RefusalTest, TheBannerIsTheReply) {
  SayAsBanner(server_, server_, kReply);
  CloseServer();
  EXPECT_EQ(ReadAll(), "521 5.7.1 no\r\n");
}

TEST_F(RefusalTest, AClientThatSpokeFirstIsNotReset) {
  Say("EHLO zombie.example\r\nMAIL FROM:<a@example.org>\r\n");
  SayAsBanner(server_, server_, kReply);
  CloseServer();
  EXPECT_FALSE(WasReset());
  EXPECT_EQ(ReadAll(), "521 5.7.1 no\r\n");
}

TEST_F(RefusalTest, AClientThatSaysNothingIsNotWaitedFor) {
  const auto begin = SteadyClock::now();
  SayAsBanner(server_, server_, kReply);
  EXPECT_LT(SteadyClock::now() - begin, milliseconds(400));
}

TEST_F(RefusalTest, AClientThatNeverStopsIsWaitedForBriefly) {
  const std::string bytes(4096, 'x');
  Say(bytes);
  std::thread flood([&] {
    while (send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0)
      continue;
  });
  const auto begin = SteadyClock::now();
  SayAsBanner(server_, server_, kReply);
  EXPECT_LT(SteadyClock::now() - begin, seconds(10));
  CloseServer();
  flood.join();
}

TEST_F(RefusalTest, AClientThatHasVanishedDoesNoHarm) {
  CloseClient();
  SayAsBanner(server_, server_, kReply);
  SayInDialogue(server_, server_, kReply, seconds(20));
}

TEST_F(RefusalTest, PipesAreSpokenTo) {
  int in[2], out[2];
  ASSERT_EQ(pipe(in), 0);
  ASSERT_EQ(pipe(out), 0);
  SayAsBanner(in[0], out[1], kReply);
  char buffer[100];
  const ssize_t got = read(out[0], buffer, sizeof buffer);
  EXPECT_EQ(std::string(buffer, static_cast<size_t>(got)), "521 5.7.1 no\r\n");
  for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
}

TEST_F(RefusalTest, TheDialogueIsRblsmtpds) {
  Say("EHLO a\r\nhelo a\r\nMAIL FROM:<a@b>\nRSET\r\nNOOP\r\nRCPT TO:<a@b>\r\n"
      "DATA\r\n\r\nMAILX\r\nquit\r\nRCPT TO:<late@b>\r\n");
  SayInDialogue(server_, server_, "553 no", seconds(20));
  shutdown(server_, SHUT_WR);
  const std::string ok = "250 breakwater.local\r\n", no = "553 no\r\n";
  EXPECT_EQ(ReadAll(), "220 breakwater.local\r\n" + ok + ok + ok + ok + ok +
                           no + no + no + no + "221 breakwater.local\r\n");
}

TEST_F(RefusalTest, ALineOfAnyLengthIsOneCommand) {
  Say("NOOP " + std::string(5000, 'x') + "\r\nQUIT\r\n");
  SayInDialogue(server_, server_, "553 no", seconds(20));
  shutdown(server_, SHUT_WR);
  EXPECT_EQ(ReadAll(),
            "220 breakwater.local\r\n250 breakwater.local\r\n"
            "221 breakwater.local\r\n");
}

TEST_F(RefusalTest, TheDialogueEndsWithItsTime) {
  // And what arrives now and then does not make it longer.
  std::thread talker([this] {
    while (send(client_, "NOOP\r\n", 6, MSG_NOSIGNAL) > 0) {
      std::this_thread::sleep_for(milliseconds(5));
    }
  });
  const auto begin = SteadyClock::now();
  SayInDialogue(server_, server_, "553 no", milliseconds(100));
  const auto took = SteadyClock::now() - begin;
  EXPECT_GE(took, milliseconds(100));
  EXPECT_LT(took, seconds(10));
  CloseServer();
  talker.join();
}

TEST_F(RefusalTest, AClientThatReadsNothingDoesNotHoldTheDialogue) {
  std::thread talker([this] {
    while (send(client_, "RCPT\r\n", 6, MSG_NOSIGNAL) > 0) continue;
  });
  const auto begin = SteadyClock::now();
  SayInDialogue(server_, server_, "553 " + std::string(200, 'x'),
                milliseconds(300));
  EXPECT_LT(SteadyClock::now() - begin, seconds(10));
  CloseServer();
  talker.join();
}

}  // namespace
}  // namespace breakwater
