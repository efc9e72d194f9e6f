#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/cable.h"
#include "tests/firewall/backend_kinds.h"

namespace breakwater {

inline void PrintTo(const ElementFailure& failure, std::ostream* out) {
  *out << failure.index << ": " << failure.status;
}

inline Network Net(const std::string& text) { return *Network::Parse(text); }

// What must be true of every backend, on the real kernel: the sets and rules
// are in this thread's network namespace, with the mail server; the clients are
// at the other end of a cable.
class EveryBackend
    : public testing::TestWithParam<std::shared_ptr<BackendKind>> {
 public:
  static std::string NameOf(
      const testing::TestParamInfo<std::shared_ptr<BackendKind>>& info) {
    return info.param->name();
  }

 protected:
  static constexpr uint32_t kUsual = 600;

  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
  }
  BackendKind& kind() { return *GetParam(); }

  void Run(const std::string& command) {
    ASSERT_TRUE(NetNamespace::Run(command)) << command;
  }
  // With the rules that make it take effect.
  void Open(TimedSetsOptions options = {}) {
    options.usual_seconds = std::min(options.usual_seconds, kUsual);
    if (kind().rules_first()) Run(kind().Rules(options.extend, seconds_));
    sets_ = kind().Open(options);
    ASSERT_NE(sets_, nullptr);
    if (!kind().rules_first()) Run(kind().Rules(options.extend, seconds_));
    ASSERT_THAT(sets_->Check().wrong, testing::IsEmpty());
  }
  void LayCable() {
    cable_.emplace();
    for (const char* client :
         {"192.0.2.5/23", "192.0.2.6/23", "192.0.3.7/23", "2001:db8:0:5::5/47",
          "2001:db8:0:5:aa::9/47", "2001:db8:0:6::6/47", "2001:db8:0:1ff::1/47",
          "2001:db8:1:5::5/47"}) {
      cable_->AddClient(client);
    }
    listener_ = ListenOn("::", 25);
  }
  bool CanConnect(const char* client) { return cable_->CanConnect(client); }
  void Ban(const std::string& network, uint32_t length = kUsual) {
    EXPECT_THAT(sets_->Add(std::vector<TimedNetwork>{
                    {Net(network), std::chrono::seconds(length)}}),
                testing::IsEmpty());
  }
  static bool Eventually(const std::function<bool()>& true_now) {
    const auto end =
        std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!true_now()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return true;
  }

  NetNamespace namespace_;
  std::optional<Cable> cable_;
  TcpSocketFd listener_;
  uint32_t seconds_ = kUsual;  // as the rule has it
  std::unique_ptr<BanSets> sets_;
};

}  // namespace breakwater
