#include "core/base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

class LogTest : public testing::Test {
 protected:
  void TearDown() override { SetLeastSeverity(Severity::kInfo); }

  template <typename Write>
  std::string Captured(Write write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, OneEventIsOneLineOfKeysAndValues) {
  const std::string line = Captured([] {
    Log(Severity::kInfo, "reject").Add("client", "192.0.2.5").Add("port", 4711);
  });
  EXPECT_THAT(line, MatchesRegex("time=[0-9]+-[0-9]+-[0-9]+T[0-9:]+\\.[0-9]+Z "
                                 "program=[a-z_-]+ level=info event=reject "
                                 "client=192\\.0\\.2\\.5 port=4711\n"));
}

TEST_F(LogTest, ValuesWithSpacesOrNoneAreQuoted) {
  const std::string line = Captured([] {
    Log(Severity::kInfo, "x")
        .Add("a", "two words")
        .Add("b", "")
        .Add("c", "k=v");
  });
  EXPECT_THAT(line, EndsWith(" a=\"two words\" b=\"\" c=\"k=v\"\n"));
}

TEST_F(LogTest, AStrangersTextForgesNeitherKeyNorLine) {
  const std::string line = Captured([] {
    Log(Severity::kInfo, "x").Add("helo", "a\" event=ban\r\nevent=ban %s\x1b");
  });
  EXPECT_THAT(
      line, EndsWith(" helo=\"a\\\" event=ban\\x0d\\x0aevent=ban %s\\x1b\"\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(LogTest, ALongValueIsCut) {
  const std::string line = Captured(
      [] { Log(Severity::kInfo, "x").Add("helo", std::string(100'000, 'a')); });
  EXPECT_LT(line.size(), 600u);
  EXPECT_THAT(line, HasSubstr("aaa...\"\n"));
}

TEST_F(LogTest, WhatIsBelowTheLeastSeverityIsNotSaid) {
  const auto write = [] {
    Log(Severity::kDebug, "debug");
    Log(Severity::kWarning, "warning");
  };
  EXPECT_THAT(Captured(write), HasSubstr("level=warning event=warning\n"));
  SetLeastSeverity(Severity::kError);
  EXPECT_THAT(Captured(write), IsEmpty());
  SetLeastSeverity(Severity::kDebug);
  EXPECT_THAT(Captured(write), HasSubstr("level=debug event=debug\n"));
}

TEST_F(LogTest, TheJournalReadsThePriorityOffTheLinesBeginning) {
  const std::string lines = Captured([] {
    struct stat file;
    fstat(STDERR_FILENO, &file);
    setenv("JOURNAL_STREAM",
           absl::StrCat(file.st_dev, ":", file.st_ino).c_str(), 1);
    OpenLog(LogTarget::kStderr, "x");
    Log(Severity::kError, "a");
    Log(Severity::kInfo, "b");
    // Of a service whose stderr leads elsewhere.
    setenv("JOURNAL_STREAM", "1:2", 1);
    OpenLog(LogTarget::kStderr, "x");
    Log(Severity::kError, "c");
    unsetenv("JOURNAL_STREAM");
  });
  EXPECT_THAT(lines, MatchesRegex("<3>time=.*event=a\n<6>time=.*event=b\n"
                                  "time=.*event=c\n"));
}

TEST_F(LogTest, LinesOfSeveralThreadsDoNotMix) {
  const std::string lines = Captured([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (int j = 0; j < 100; ++j) Log(Severity::kInfo, "x").Add("j", j);
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  size_t count = 0;
  for (size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
    EXPECT_EQ(lines.compare(at, 5, "time="), 0);
    ++count;
  }
  EXPECT_EQ(count, 400u);
}

}  // namespace
}  // namespace breakwater
