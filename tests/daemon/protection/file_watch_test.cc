#include "daemon/protection/file_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

class FileWatchTest : public testing::Test {
 protected:
  void Write(const std::string& text) { std::ofstream(path_) << text; }

  TestDirectory directory_;
  const std::string path_ = directory_.File("file");
  FileWatch watch_;
};

TEST_F(FileWatchTest, NoticesEachChangeOnce) {
  Write("one");
  watch_.Watch({"/no/such/file", path_});
  EXPECT_FALSE(watch_.Changed());
  Write("three");
  EXPECT_TRUE(watch_.Changed());
  EXPECT_FALSE(watch_.Changed());
}

TEST_F(FileWatchTest, NoticesAFileThatComesGoesOrTakesTheOldOnesPlace) {
  watch_.Watch({path_});
  Write("one");
  EXPECT_TRUE(watch_.Changed());
  std::ofstream(path_ + ".new") << "two";
  std::filesystem::rename(path_ + ".new", path_);
  EXPECT_TRUE(watch_.Changed());
  std::filesystem::remove(path_);
  EXPECT_TRUE(watch_.Changed());
  EXPECT_FALSE(watch_.Changed());
}

TEST_F(FileWatchTest, ToBeWatchedAgainHidesNoChange) {
  watch_.Watch({path_});
  Write("one");
  watch_.Watch({path_});
  EXPECT_TRUE(watch_.Changed());
  watch_.Watch({});
  EXPECT_FALSE(watch_.Changed());
}

}  // namespace
}  // namespace breakwater
