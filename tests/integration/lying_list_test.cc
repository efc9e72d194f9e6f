// A list that begins to list the world while mail flows: how many pay for it,
// and that nobody stays banned.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

// Asks the policy server as Postfix does at CONNECT, about anybody.
class PolicyClient {
 public:
  explicit PolicyClient(const std::string& path)
      : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(
        connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address),
        0)
        << path;
  }
  PolicyClient(const PolicyClient&) = delete;
  PolicyClient& operator=(const PolicyClient&) = delete;
  ~PolicyClient() { close(socket_); }

  void Ask(const std::string& client) {
    const std::string request =
        absl::StrCat("request=smtpd_access_policy\nprotocol_state=CONNECT\n",
                     "client_address=", client, "\n\n");
    EXPECT_EQ(send(socket_, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  bool IsRejected() {
    std::string answer;
    char buffer[1024];
    while (!absl::EndsWith(answer, "\n\n")) {
      const ssize_t size = recv(socket_, buffer, sizeof buffer, 0);
      if (size <= 0) break;
      answer.append(buffer, static_cast<size_t>(size));
    }
    EXPECT_TRUE(absl::StartsWith(answer, "action=")) << answer;
    return absl::StrContains(answer, "521");
  }

 private:
  const int socket_;
};

class LyingListTest : public BreakwaterTest {
 protected:
  static constexpr int kAtOnce = 20;

  void SetUp() override {
    BreakwaterTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        fault_, DnsFault::Start(
                    mta(), {.rules = {DnsFault::ListTheWorldOnceSpoiled()}}));
    policy_ = std::make_unique<TempDirectory>(*TempDirectory::Make());
    ASSERT_EQ(chmod(policy_->path().c_str(), 0777), 0);
    const std::string socket = policy_->path() + "/policy.sock";
    StartService({.policy = {"unix:" + socket},
                  .rules = false,
                  .dns_server = "127.0.0.3",
                  .listed = {{"198.18.0.0/16"}}});
    ASSERT_FALSE(HasFatalFailure());
    for (int i = 0; i < kAtOnce; ++i) {
      clients_.push_back(std::make_unique<PolicyClient>(socket));
    }
  }

  // The next clients, of whom four in ten are on the list. Returns those that
  // are not and were rejected all the same.
  std::vector<std::string> NextClients() {
    std::vector<std::string> honest;
    for (int i = 0; i < kAtOnce; ++i) {
      ++number_;
      const bool listed = i % 5 < 2;
      const std::string address =
          absl::StrCat(listed ? "198.18." : "198.19.", number_ / 250 % 250, ".",
                       number_ % 250 + 1);
      clients_[i]->Ask(address);
      honest.push_back(listed ? "" : address);
    }
    std::vector<std::string> wronged;
    for (int i = 0; i < kAtOnce; ++i) {
      if (clients_[i]->IsRejected() && !honest[i].empty()) {
        wronged.push_back(honest[i]);
      }
    }
    return wronged;
  }

  std::unique_ptr<DnsFault> fault_;
  std::unique_ptr<TempDirectory> policy_;
  std::vector<std::unique_ptr<PolicyClient>> clients_;
  int number_ = 0;
};

TEST_F(LyingListTest, AListThatBeginsToListTheWorldLeavesNobodyBanned) {
  // No client comes twice: the cache would speak for it.
  while (number_ < 5000) ASSERT_TRUE(NextClients().empty());
  const int before = number_;
  BREAKWATER_ASSERT_OK(fault_->Spoil());

  std::vector<std::string> wronged;
  const auto began = steady_clock::now();
  auto last = began;
  while (number_ < 40'000 && steady_clock::now() < began + seconds(5)) {
    const std::vector<std::string> more = NextClients();
    if (!more.empty()) last = steady_clock::now();
    wronged.insert(wronged.end(), more.begin(), more.end());
  }
  EXPECT_TRUE(breakwater_->WaitForLog("event=zone-lied"));
  const std::string log = breakwater_->Log();
  size_t was_banned = 0;
  for (const std::string& client : wronged) {
    was_banned +=
        absl::StrContains(log, absl::StrCat("event=ban client=", client, " "));
    EXPECT_TRUE(WaitUntil([&] { return !IsBanned(client); })) << client;
  }
  std::printf(
      "%d clients before; wrongly rejected %zu, of them banned for a "
      "moment %zu, within %lld ms of the lie\n%s\n",
      before, wronged.size(), was_banned,
      static_cast<long long>(
          std::chrono::duration_cast<std::chrono::milliseconds>(last - began)
              .count()),
      log.substr(log.find("event=zone-lied"), 100).c_str());
  EXPECT_GT(wronged.size(), 0u) << "else there was no lie";
  EXPECT_LT(wronged.size(), 200u);
  EXPECT_THAT(Ask({"status"}), HasSubstr("lists-everything"));
  EXPECT_THAT(Ask({"bans"}), Not(HasSubstr("198.19.")));
}

}  // namespace
}  // namespace breakwater::testing
