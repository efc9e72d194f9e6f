#include "core/base/list_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <vector>

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr size_t kLargest = 1 << 20;

class ListFileTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(mkdtemp(directory_.data()), nullptr); }
  void TearDown() override {
    unlink(path().c_str());
    rmdir(directory_.c_str());
  }

  std::string path() const { return directory_ + "/list"; }
  void Write(std::string_view text) {
    std::ofstream(path(), std::ios::binary) << text;
  }
  std::vector<std::string> Lines() const {
    std::vector<std::string> lines;
    auto file = ListFile::Open(path(), kLargest);
    if (!file.ok()) return {std::string(file.status().message())};
    while (true) {
      const auto line = file->NextLine();
      if (!line.ok()) return {std::string(line.status().message())};
      if (!*line) return lines;
      lines.emplace_back(**line);
    }
  }

  std::string directory_ = testing::TempDir() + "list_file_XXXXXX";
};

std::string Complaint(const std::string& path, size_t largest = kLargest) {
  return std::string(ReadTextFile(path, largest).status().message());
}

TEST_F(ListFileTest, GivesLineAfterLine) {
  Write("a\n\n b \nlast");
  EXPECT_THAT(Lines(), ElementsAre("a", "", " b ", "last"));
  Write("");
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(ListFileTest, WhatWindowsAddsIsNoPartOfALine) {
  Write(
      "\xef\xbb\xbf"
      "192.0.2.1\r\n192.0.2.2\r\n");
  EXPECT_THAT(Lines(), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_EQ(*ReadTextFile(path(), kLargest), "192.0.2.1\r\n192.0.2.2\r\n");
}

TEST_F(ListFileTest, Utf16IsRefused) {
  Write(
      std::string_view("\xff\xfe"
                       "1\0\n\0",
                       6));
  EXPECT_THAT(Complaint(path()), StartsWith(path() + ": is UTF-16"));
}

TEST_F(ListFileTest, LinesMayBeLongerThanWhatIsReadAtOnce) {
  const std::string line(200'000, 'x');
  Write(line + "\nb\n" + line);
  EXPECT_THAT(Lines(), ElementsAre(line, "b", line));
}

TEST_F(ListFileTest, ADirectoryIsNoEmptyFile) {
  EXPECT_EQ(
      Complaint(directory_),
      directory_ + ": cannot be read: it is a directory, not a regular file");
}

TEST_F(ListFileTest, APipeIsNotWaitedFor) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  EXPECT_THAT(Complaint(path()), EndsWith("is a pipe, not a regular file"));
}

TEST_F(ListFileTest, ADeviceIsNoFile) {
  EXPECT_THAT(Complaint("/dev/zero"), HasSubstr("it is a device"));
  EXPECT_THAT(Complaint("/dev/null"), HasSubstr("it is a device"));
}

TEST_F(ListFileTest, WhatIsNotThereIsToldByItsName) {
  EXPECT_EQ(Complaint(path()),
            path() + ": cannot be read: No such file or directory");
  EXPECT_TRUE(absl::IsNotFound(ReadTextFile(path(), kLargest).status()));
}

TEST_F(ListFileTest, AnErrorWhileReadingIsNoEnd) {
  // A regular file that can be opened, and whose first byte cannot be read.
  EXPECT_THAT(Complaint("/proc/self/mem"),
              StartsWith("/proc/self/mem: cannot be read to its end: "));
}

TEST_F(ListFileTest, AFileThatEndsBeforeItsSizeIsNotWhole) {
  // Says that it has a page, and holds some bytes.
  const char short_file[] = "/sys/kernel/uevent_seqnum";
  if (access(short_file, R_OK) != 0) GTEST_SKIP() << "there is no /sys";
  EXPECT_THAT(Complaint(short_file), HasSubstr("it has 4096 bytes, and only"));
}

TEST_F(ListFileTest, AFileThatIsTooLargeIsRefused) {
  Write(std::string(4096, '#'));
  EXPECT_EQ(Complaint(path(), 4096), "");
  EXPECT_EQ(Complaint(path(), 4095), path() + ": is larger than 3 KiB");
}

TEST(EntryOfTest, IsWhatStandsBeforeAComment) {
  EXPECT_EQ(EntryOf("  a@x.example  # why"), "a@x.example");
  EXPECT_EQ(EntryOf("a#b@x.example"), "a#b@x.example");
  EXPECT_EQ(EntryOf("# a"), "");
  EXPECT_EQ(EntryOf("\ta \r"), "a");
}

}  // namespace
}  // namespace breakwater
