#include "policy/session_memory.h"

#include <gtest/gtest.h>

#include <vector>

namespace breakwater {
namespace {

using std::chrono::minutes;

SessionKey KeyAt(uint16_t port) {
  return {.connection = {.client = *IpAddress::Parse("198.51.100.7"),
                         .client_port = port,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = 25}};
}

class SessionMemoryTest : public testing::Test {
 protected:
  void Remember(uint16_t port, const std::string& id = "") {
    memory_.Remember(
        {.key = KeyAt(port), .verdict = {.id = id}, .asked = now_});
  }
  const SessionMemory::Session* Find(uint16_t port) {
    return memory_.Find(KeyAt(port), now_);
  }

  Instant now_ = Clock::now();
  std::vector<uint16_t> forgotten_;
  SessionMemory memory_{{.most = 3, .idle = minutes(10)},
                        [this](const SessionKey& key) {
                          forgotten_.push_back(key.connection.client_port);
                        }};
};

TEST_F(SessionMemoryTest, KnowsASessionByItsConnection) {
  Remember(1, "a");
  Remember(2, "b");
  ASSERT_TRUE(Find(1));
  EXPECT_EQ(Find(1)->verdict.id, "a");
  EXPECT_EQ(Find(2)->verdict.id, "b");
  EXPECT_FALSE(Find(3));
}

TEST_F(SessionMemoryTest, ALaterVerdictTakesTheFormersPlace) {
  Remember(1, "a");
  Remember(1, "b");
  EXPECT_EQ(Find(1)->verdict.id, "b");
  EXPECT_EQ(memory_.size(), 1u);
}

TEST_F(SessionMemoryTest, ForgetsTheOneNotAskedAboutForLongestWhenItIsFull) {
  for (const int port : {1, 2, 3, 1, 4}) {
    Remember(static_cast<uint16_t>(port));
  }
  EXPECT_EQ(memory_.size(), 3u);
  EXPECT_EQ(forgotten_, std::vector<uint16_t>{2});
  EXPECT_TRUE(Find(1));
  EXPECT_FALSE(Find(2));
}

TEST_F(SessionMemoryTest, ForgetsWhatNothingWasAskedAboutForLong) {
  Remember(1);
  now_ += minutes(6);
  Remember(2);
  now_ += minutes(6);
  EXPECT_FALSE(Find(1));
  EXPECT_TRUE(Find(2));
  EXPECT_EQ(forgotten_, std::vector<uint16_t>{1});
}

TEST_F(SessionMemoryTest, WhatIsForgottenOnPurposeIsNotTold) {
  Remember(1);
  memory_.Forget(KeyAt(1));
  memory_.Forget(KeyAt(1));
  EXPECT_EQ(memory_.size(), 0u);
  EXPECT_TRUE(forgotten_.empty());
}

TEST(SessionKey, IsTheConnectionOrElseTheMessage) {
  PolicyRequest request{.instance = "fbe.6b012148.c29e.0"};
  request.client.connection.client = *IpAddress::Parse("198.51.100.7");
  EXPECT_EQ(SessionKey::Of(request).instance, "fbe.6b012148.c29e.0");
  EXPECT_TRUE(SessionKey::Of(request).IsValid());
  request.client.connection = KeyAt(1).connection;
  EXPECT_EQ(SessionKey::Of(request), KeyAt(1));
}

TEST(SessionKey, WithoutPortsAndMessageNothingIsRemembered) {
  PolicyRequest request;
  request.client.connection.client = *IpAddress::Parse("198.51.100.7");
  EXPECT_FALSE(SessionKey::Of(request).IsValid());
}

}  // namespace
}  // namespace breakwater
