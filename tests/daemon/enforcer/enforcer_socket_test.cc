#include "daemon/enforcer/enforcer_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

using testing::HasSubstr;

const UserIds kMe{"", getuid(), getgid()};

mode_t ModeOf(const std::string& path) {
  struct stat file {};
  stat(path.c_str(), &file);
  return file.st_mode & 07777;
}

TEST(EnforcerSocket, OnlyTheDaemonsUserMayConnect) {
  const TestDirectory directory;
  const std::string path = directory.File("new/enforcer.sock");
  const auto listener = ListenForDaemon(path, kMe, getuid());
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(ModeOf(path), 0600U);
  EXPECT_EQ(ModeOf(directory.File("new")), 01775U);
}

TEST(EnforcerSocket, MadeByRootItIsAsTheEnforcersUserWouldMakeIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  const TestDirectory directory;
  const std::string path = directory.File("enforcer.sock");
  const auto listener = ListenForDaemon(path, {"", 65'534, 65'534}, 65'533);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat file {};
  stat(path.c_str(), &file);
  EXPECT_EQ(file.st_uid, 65'533U);
  EXPECT_EQ(file.st_gid, 65'534U);
  EXPECT_EQ(file.st_mode & 0777, 0660U);
}

TEST(EnforcerSocket, ASecondEnforcerIsRefused) {
  const TestDirectory directory;
  const std::string path = directory.File("enforcer.sock");
  const auto first = ListenForDaemon(path, kMe, getuid());
  ASSERT_TRUE(first.ok());
  const auto second = ListenForDaemon(path, kMe, getuid());
  EXPECT_TRUE(absl::IsAlreadyExists(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("another enforcer listens on " + path));
  EXPECT_TRUE(TestDaemon(path).connected());
}

TEST(EnforcerSocket, WhatADeadEnforcerLeftIsTakenAway) {
  const TestDirectory directory;
  const std::string path = directory.File("enforcer.sock");
  ASSERT_TRUE(ListenForDaemon(path, kMe, getuid()).ok());
  ASSERT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(ListenForDaemon(path, kMe, getuid()).ok());
}

TEST(EnforcerSocket, AFileThatIsNoSocketIsLeftAlone) {
  const TestDirectory directory;
  const std::string path = directory.File("enforcer.sock");
  std::ofstream(path) << "precious";
  EXPECT_TRUE(
      absl::IsAlreadyExists(ListenForDaemon(path, kMe, getuid()).status()));
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST(EnforcerSocket, APathTooLongForTheKernelIsNamed) {
  const std::string path = "/tmp/" + std::string(200, 'x');
  EXPECT_THAT(
      std::string(ListenForDaemon(path, kMe, getuid()).status().message()),
      HasSubstr("enforcer.socket"));
}

TEST(EnforcerSocket, AStrangerIsNamedByItsUid) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
  EXPECT_TRUE(CheckPeer(pair[0], {getuid()}).ok());
  const absl::Status status = CheckPeer(pair[0], {getuid() + 1});
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("uid " + std::to_string(getuid())));
  close(pair[0]);
  close(pair[1]);
}

}  // namespace
}  // namespace breakwater
