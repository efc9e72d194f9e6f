#include "daemon/checks/socket_places.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "daemon/system/privileges.h"

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

// A start by hand, to which a start by the unit follows some day.
class StartAsRootTest : public SocketPlacesTest {
 protected:
  void TearDown() override {
    if (program_ > 0) {
      kill(program_, SIGTERM);
      waitpid(program_, nullptr, 0);
    }
    SocketPlacesTest::TearDown();
  }

  void Start(std::vector<std::string> arguments) {
    const std::string file = base_ + "/breakwater.toml";
    std::ofstream(file) << absl::Substitute(R"(
user = "nobody"
zones = ["list.test"]
milter.socket = ""
policy.sockets = ["unix:$0/door/policy.sock"]
policy.group = "mail"
control.socket = "$0/control.sock"
enforcer.socket = "$0/enforcer.sock"
memory.file = ""
firewall.backend = "none"
)",
                                            base_);
    arguments.insert(arguments.begin(), BREAKWATERD_PROGRAM);
    arguments.insert(arguments.end(), {"--config", file});
    program_ = fork();
    if (program_ != 0) return;
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(127);
  }
  bool Listens() const {
    for (int i = 0; i < 1000; ++i) {
      if (fs::is_socket(base_ + "/door/policy.sock")) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void ExpectTheDoorIsAsTheUnitNeedsIt() {
    EXPECT_EQ(Door().st_uid, FindUser("nobody")->user);
    EXPECT_EQ(Door().st_gid, *FindGroup("mail"));
    EXPECT_EQ(Door().st_mode & 07777, 02750u);
  }

 private:
  pid_t program_ = 0;
};

TEST_F(StartAsRootTest, MakesTheDirectoriesAsTheUnitDoes) {
  Start({});
  ASSERT_TRUE(Listens());
  ExpectTheDoorIsAsTheUnitNeedsIt();
}

TEST_F(StartAsRootTest, AlsoWithoutAParent) {
  Start({"--alone"});
  ASSERT_TRUE(Listens());
  ExpectTheDoorIsAsTheUnitNeedsIt();
}

}  // namespace
}  // namespace breakwater
