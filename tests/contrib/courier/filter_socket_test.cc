#include "contrib/courier/filter_socket.h"

#include <sys/stat.h>

#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contrib/courier/scratch.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ParseFileNames, EndAtTheEmptyLine) {
  EXPECT_THAT(ParseFileNames("/a/D1\n/a/c 1\n\n/b\n"),
              ElementsAre("/a/D1", "/a/c 1"));
  EXPECT_THAT(ParseFileNames("/a/D1\n/a/c"), ElementsAre("/a/D1", "/a/c"));
  EXPECT_THAT(ParseFileNames(""), IsEmpty());
  EXPECT_THAT(ParseFileNames("\n/a\n"), IsEmpty());
}

class FilterSocketTest : public ::testing::Test {
 protected:
  bool Exists(const std::string& name) {
    return std::filesystem::exists(scratch_.path() + name);
  }
  std::string Path() { return scratch_.path() + "/allfilters/breakwater"; }

  Scratch scratch_;
  FilterSocket socket_{scratch_.path(), "breakwater"};
};

TEST_F(FilterSocketTest, AppearsForCouriersGroupUnderItsNameAlone) {
  scratch_.File("../filters/breakwater", "of an older version");
  ASSERT_TRUE(socket_.Open());
  struct stat made;
  ASSERT_EQ(stat(Path().c_str(), &made), 0);
  EXPECT_TRUE(S_ISSOCK(made.st_mode));
  EXPECT_EQ(made.st_mode & 0777, 0660u);
  EXPECT_FALSE(Exists("/allfilters/.breakwater"));
  EXPECT_FALSE(Exists("/filters/breakwater"));
}

TEST_F(FilterSocketTest, TakesThePlaceOfOneThatWasLeftBehind) {
  {
    FilterSocket left(scratch_.path(), "breakwater");
    ASSERT_TRUE(left.Open());
  }
  ASSERT_TRUE(Exists("/allfilters/breakwater"));
  EXPECT_TRUE(socket_.Open());
}

TEST_F(FilterSocketTest, CannotBeOpenedWhereCourierIsNot) {
  FilterSocket nowhere(scratch_.path() + "/missing", "breakwater");
  EXPECT_FALSE(nowhere.Open());
  EXPECT_EQ(errno, ENOENT);
  FilterSocket far(scratch_.path() + std::string(200, 'x'), "breakwater");
  EXPECT_FALSE(far.Open());
  EXPECT_EQ(errno, ENAMETOOLONG);
}

TEST_F(FilterSocketTest, SaysWhatIsAnsweredToEachMessage) {
  ASSERT_TRUE(socket_.Open());
  std::thread server([this] {
    socket_.Serve([](const FilterRequest& request) {
      EXPECT_EQ(request.asker, getpid());
      return "250 " + std::to_string(request.files.size());
    });
  });
  EXPECT_EQ(AskFilter(Path(), "/a/D1\n/a/c1\n\n"), "250 2\n");
  EXPECT_EQ(AskFilter(Path(), "/a/D1\n/a/c1\n/a/c2\n\n"), "250 3\n");
  socket_.Withdraw();
  server.join();
}

TEST_F(FilterSocketTest, AnswersManyAtATimeByAsManyThreads) {
  ASSERT_TRUE(socket_.Open());
  std::atomic<int> inside = 0;
  const auto answer = [&inside](const FilterRequest&) -> std::string {
    ++inside;
    while (inside < 4) std::this_thread::yield();
    return "200 Ok";
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { socket_.Serve(answer); });
  }
  std::vector<std::thread> askers;
  for (int i = 0; i < 4; ++i) {
    askers.emplace_back([this] {
      EXPECT_EQ(AskFilter(Path(), "/a/D1\n/a/c1\n\n"), "200 Ok\n");
    });
  }
  for (std::thread& asker : askers) asker.join();
  socket_.Withdraw();
  for (std::thread& thread : threads) thread.join();
}

TEST_F(FilterSocketTest, AnswersWhoWaitsWhenItIsWithdrawn) {
  ASSERT_TRUE(socket_.Open());
  std::vector<std::thread> askers;
  std::atomic<int> connected = 0;
  for (int i = 0; i < 3; ++i) {
    askers.emplace_back([this, &connected] {
      const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_un address = UnixAddress(Path());
      EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&address),
                        sizeof address),
                0);
      ++connected;
      (void)send(fd, "/a/D1\n/a/c1\n\n", 13, MSG_NOSIGNAL);
      EXPECT_EQ(ReadUntil(fd, ""), "200 Ok\n");
      close(fd);
    });
  }
  while (connected < 3) std::this_thread::yield();
  socket_.Withdraw();
  EXPECT_FALSE(Exists("/allfilters/breakwater"));
  socket_.Serve([](const FilterRequest&) -> std::string { return "200 Ok"; });
  for (std::thread& asker : askers) asker.join();
}

TEST_F(FilterSocketTest, LeavesAnothersSocketWhenItIsWithdrawn) {
  ASSERT_TRUE(socket_.Open());
  FilterSocket next(scratch_.path(), "breakwater");
  ASSERT_TRUE(next.Open());
  socket_.Withdraw();
  EXPECT_TRUE(Exists("/allfilters/breakwater"));
  next.Withdraw();
  EXPECT_FALSE(Exists("/allfilters/breakwater"));
}

TEST_F(FilterSocketTest, AsksAboutNoFilesWhenTheAskerGoesAway) {
  ASSERT_TRUE(socket_.Open());
  std::vector<size_t> files;
  std::thread server([&] {
    socket_.Serve([&files](const FilterRequest& request) {
      files.push_back(request.files.size());
      return std::string("200 Ok");
    });
  });
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = UnixAddress(Path());
  ASSERT_EQ(
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address),
      0);
  (void)send(fd, "/a/D1\n", 6, MSG_NOSIGNAL);
  close(fd);
  EXPECT_EQ(AskFilter(Path(), "/a/D1\n/a/c1\n\n"), "200 Ok\n");
  socket_.Withdraw();
  server.join();
  EXPECT_THAT(files, ElementsAre(0, 2));
}

}  // namespace
}  // namespace breakwater
