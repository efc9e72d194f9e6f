#include "core/net/listen_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::HasSubstr;

class ListenSocketTest : public ::testing::Test {
 protected:
  ~ListenSocketTest() override { std::filesystem::remove_all(directory_); }

  static std::string ErrorOf(const std::string& spec) {
    const auto fd = Listen(spec, "", 0600);
    if (!fd.ok()) return std::string(fd.status().message());
    close(*fd);
    return "none";
  }
  mode_t Mode() const {
    struct stat info {};
    stat(path_.c_str(), &info);
    return info.st_mode & 07777;
  }

  const std::string directory_ =
      absl::StrCat(::testing::TempDir(), "listen-", getpid());
  const std::string path_ = directory_ + "/deeper/socket";
};

TEST_F(ListenSocketTest, MakesDirectoryAndSocketWithItsMode) {
  const auto fd = Listen("unix:" + path_, "", 0617);
  ASSERT_TRUE(fd.ok()) << fd.status();
  EXPECT_EQ(Mode(), 0617u);
  close(*fd);
}

TEST_F(ListenSocketTest, GivesTheSocketToAGroup) {
  const auto fd = Listen("unix:" + path_, absl::StrCat(getgid()), 0660);
  ASSERT_TRUE(fd.ok()) << fd.status();
  close(*fd);
  const auto unknown = Listen("unix:" + path_, "no-such-group", 0660);
  EXPECT_THAT(std::string(unknown.status().message()),
              HasSubstr("there is no group no-such-group"));
}

// Else the next start, which may be that user's, could not take it away.
TEST_F(ListenSocketTest, MadeByRootItBelongsToWhoeverIsToHaveIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  const auto fd = Listen("unix:" + path_, "", 0660, 65'534);
  ASSERT_TRUE(fd.ok()) << fd.status();
  close(*fd);
  struct stat info {};
  stat(path_.c_str(), &info);
  EXPECT_EQ(info.st_uid, 65'534U);
  EXPECT_EQ(Mode(), 0660u);
}

// As root it would be whatever file the link's owner wants.
TEST_F(ListenSocketTest, FollowsNoLinkThatHasTakenTheSocketsPlace) {
  close(Listen("unix:" + path_, "", 0600).value());
  const std::string secret = directory_ + "/secret";
  ASSERT_TRUE(std::filesystem::create_directory(secret));
  std::filesystem::permissions(secret, std::filesystem::perms(0700));
  std::filesystem::remove(path_);
  std::filesystem::create_symlink(secret, path_);
  EXPECT_FALSE(SetSocketAccess(path_, "", 0666).ok());
  EXPECT_EQ(Mode(), 0700u);  // of what the link names
}

TEST_F(ListenSocketTest, SaysWhatToDoAboutAnotherUsersSocket) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  close(Listen("unix:" + path_, "", 0600).value());
  for (const std::string& part : {directory_, directory_ + "/deeper"}) {
    std::filesystem::permissions(part, std::filesystem::perms(0755));
  }
  ASSERT_EQ(seteuid(65'534), 0);
  const std::string error = ErrorOf("unix:" + path_);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_THAT(error, HasSubstr(path_ + " is another user's socket"));
  EXPECT_THAT(error, HasSubstr("remove it"));
}

TEST_F(ListenSocketTest, ReplacesASocketThatNobodyAnswersOn) {
  close(Listen("unix:" + path_, "", 0600).value());
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(ErrorOf("unix:" + path_), "none");
}

TEST_F(ListenSocketTest, LeavesASocketAloneThatIsInUse) {
  const int first = Listen("unix:" + path_, "", 0600).value();
  EXPECT_EQ(ErrorOf("unix:" + path_),
            path_ + " is in use: another program answers there");
  close(first);
}

TEST_F(ListenSocketTest, LeavesAloneWhatIsNoSocket) {
  std::filesystem::create_directories(directory_ + "/deeper");
  std::ofstream(path_) << "precious";
  EXPECT_EQ(ErrorOf("unix:" + path_),
            path_ + " is not a socket, and is left alone");
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ListenSocketTest, ListensOnBothInternetFamilies) {
  EXPECT_EQ(ErrorOf("inet:127.0.0.1:0"), "none");
  EXPECT_EQ(ErrorOf("inet:[::1]:0"), "none");
  const int first = Listen("inet:127.0.0.1:0", "", 0).value();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(first, reinterpret_cast<sockaddr*>(&address), &size);
  EXPECT_THAT(ErrorOf(absl::StrCat("inet:127.0.0.1:", ntohs(address.sin_port))),
              HasSubstr("binding inet:127.0.0.1:"));
  close(first);
}

TEST_F(ListenSocketTest, SaysWhatASocketLooksLike) {
  for (const char* spec :
       {"", "unix", "inet:", "inet:10040", "inet:localhost:1", "inet:::1:1",
        "inet:127.0.0.1:70000", "inet:127.0.0.1:", "tcp:127.0.0.1:1"}) {
    EXPECT_THAT(ErrorOf(spec), HasSubstr("write \"unix:/path\" or"));
  }
  EXPECT_THAT(ErrorOf("unix:relative"), HasSubstr("not the absolute path"));
  EXPECT_THAT(ErrorOf("unix:/" + std::string(200, 'x')), HasSubstr("too long"));
}

}  // namespace
}  // namespace breakwater
