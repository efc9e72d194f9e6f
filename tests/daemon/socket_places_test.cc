#include "daemon/socket_places.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "daemon/privileges.h"

namespace breakwater {
namespace {

namespace fs = std::filesystem;

class SocketPlacesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to give directories away";
    fs::create_directories(base_);
    config_.user = "nobody";
    config_.milter.socket = "";
    config_.policy.sockets = {
        absl::StrCat("unix:", base_, "/door/policy.sock")};
  }
  void TearDown() override { fs::remove_all(base_); }

  struct stat Door() {
    struct stat file {};
    EXPECT_EQ(stat((base_ + "/door").c_str(), &file), 0);
    return file;
  }

  const std::string base_ =
      absl::StrCat(testing::TempDir(), "/places.", getpid());
  Config config_ = DefaultConfig();
};

TEST_F(SocketPlacesTest, AMissingDirectoryIsTheDaemonsAndTheConfiguredGroups) {
  config_.policy.access.group = "mail";
  EXPECT_EQ(MakeSocketPlaces(config_), 0);
  EXPECT_EQ(Door().st_uid, FindUser("nobody")->user);
  EXPECT_EQ(Door().st_gid, *FindGroup("mail"));
  EXPECT_EQ(Door().st_mode & 07777, 02750u);
}

TEST_F(SocketPlacesTest, AGroupThatTheHostLacksIsNoFailure) {
  config_.policy.access.group = "no-such-group";
  EXPECT_EQ(MakeSocketPlaces(config_), 0);
  EXPECT_EQ(Door().st_uid, FindUser("nobody")->user);
}

TEST_F(SocketPlacesTest, WhatIsThereStaysAsItIs) {
  fs::create_directory(base_ + "/door");
  chmod((base_ + "/door").c_str(), 0711);
  EXPECT_EQ(MakeSocketPlaces(config_), 0);
  EXPECT_EQ(Door().st_uid, 0u);
  EXPECT_EQ(Door().st_mode & 07777, 0711u);
}

TEST_F(SocketPlacesTest, ADirectoryIsMadeOnlyInOneThatIsThere) {
  config_.policy.sockets = {absl::StrCat("unix:", base_, "/a/b/policy.sock")};
  EXPECT_EQ(MakeSocketPlaces(config_), 0);
  EXPECT_FALSE(fs::exists(base_ + "/a"));
}

}  // namespace
}  // namespace breakwater
