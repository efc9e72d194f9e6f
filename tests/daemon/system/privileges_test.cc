#include "daemon/system/privileges.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <iostream>

namespace breakwater {
namespace {

using testing::HasSubstr;

// Privileges do not come back: each test gives them up in a child, whose exit
// status says whether all was as it should be.
bool InAChild(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool Has(cap_value_t capability, cap_flag_t flag) {
  cap_t caps = cap_get_proc();
  cap_flag_value_t value = CAP_CLEAR;
  cap_get_flag(caps, capability, flag, &value);
  cap_free(caps);
  return value == CAP_SET;
}

bool HasNothingBut(std::vector<cap_value_t> kept) {
  for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); ++cap) {
    const bool wanted = std::ranges::find(kept, cap) != kept.end();
    if (Has(cap, CAP_PERMITTED) != wanted ||
        Has(cap, CAP_EFFECTIVE) != wanted ||
        (cap_get_bound(cap) == 1) != wanted || cap_get_ambient(cap) == 1) {
      return false;
    }
  }
  return true;
}

class PrivilegesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root, to give it up";
  }
};

TEST_F(PrivilegesTest, TheDaemonKeepsNothing) {
  EXPECT_TRUE(InAChild([] {
    return DropPrivileges("nobody", false).ok() && geteuid() == 65'534 &&
           getegid() == 65'534 && HasNothingBut({}) &&
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && setuid(0) != 0;
  }));
}

TEST_F(PrivilegesTest, TheEnforcerKeepsNetAdmin) {
  EXPECT_TRUE(InAChild([] {
    return DropPrivileges("nobody", true).ok() && geteuid() == 65'534 &&
           HasNothingBut({CAP_NET_ADMIN}) && setuid(0) != 0;
  }));
}

TEST_F(PrivilegesTest, NoGroupOfRootsStays) {
  EXPECT_TRUE(InAChild([] {
    if (!DropPrivileges("nobody", false).ok()) return false;
    gid_t groups[64];
    const int count = getgroups(64, groups);
    return std::find(groups, groups + count, 0) == groups + count;
  }));
}

TEST_F(PrivilegesTest, AUserMayBeANumberThatNobodyHas) {
  EXPECT_TRUE(InAChild([] {
    return DropPrivileges("54321", false).ok() && geteuid() == 54'321 &&
           getegid() == 54'321 && getgroups(0, nullptr) == 1;
  }));
}

TEST_F(PrivilegesTest, AnUnknownUserIsNamed) {
  const absl::Status status = DropPrivileges("no-such-user", false);
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("there is no user \"no-such-user\""));
  EXPECT_EQ(geteuid(), 0U);
}

// Whatever its name: a host may have a "toor".
TEST_F(PrivilegesTest, NobodyBecomesRoot) {
  EXPECT_TRUE(InAChild([] {
    const absl::Status status = DropPrivileges("0", false);
    return absl::IsInvalidArgument(status) &&
           status.message() ==
               "the user \"0\" is root; write one without privileges";
  }));
}

TEST_F(PrivilegesTest, WithoutRootOnlyTheRestIsGivenUp) {
  EXPECT_TRUE(InAChild([] {
    // As systemd starts a unit with User= and AmbientCapabilities=.
    return DropPrivileges("nobody", true).ok() &&
           DropPrivileges("no-such-user", true).ok() &&
           Has(CAP_NET_ADMIN, CAP_EFFECTIVE);
  }));
}

TEST_F(PrivilegesTest, WithoutRootAMissingCapabilityIsNamed) {
  EXPECT_TRUE(InAChild([] {
    if (!DropPrivileges("nobody", false).ok()) return false;
    const absl::Status status = DropPrivileges("nobody", true);
    return absl::IsPermissionDenied(status) &&
           status.message().find("CAP_NET_ADMIN is missing") !=
               absl::string_view::npos;
  }));
}

TEST(Privileges, UsersAreFoundByNameAndNumber) {
  EXPECT_EQ(FindUser("root")->user, 0U);
  EXPECT_EQ(FindUser("0")->name, "root");
  EXPECT_EQ(FindUser("54321")->user, 54'321U);
  EXPECT_TRUE(absl::IsNotFound(FindUser("no such user").status()));
  EXPECT_EQ(*FindGroup("root"), 0U);
  EXPECT_EQ(*FindGroup("54321"), 54'321U);
  EXPECT_TRUE(absl::IsNotFound(FindGroup("no such group").status()));
}

}  // namespace
}  // namespace breakwater
