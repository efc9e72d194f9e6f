#include "daemon/system/failed_start.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "daemon/toml/lenient_key.h"

namespace breakwater {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::milliseconds;

class FailedStartTest : public testing::Test {
 protected:
  FailedStartTest() {
    fs::create_directory(failure_.directory);
    std::ofstream(failure_.config_file) << "wrong\n";
    Age(failure_.config_file, hours(1));
  }
  ~FailedStartTest() override { fs::remove_all(failure_.directory); }

  static void Age(const std::string& file, std::chrono::seconds by) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - by);
  }
  int64_t Pause() { return PauseFor(failure_).count(); }

  const std::string directory_ =
      absl::StrCat(testing::TempDir(), "/failed-start.", getpid());
  const FailedStart failure_ = {.program = "x",
                                .config_file = directory_ + "/config",
                                .why = "",
                                .directory = directory_,
                                .unit = milliseconds(1)};
};

TEST_F(FailedStartTest, TheFirstFailureEndsAtOnceAndOthersEndLater) {
  for (const int64_t pause : {0, 1, 2, 4, 8, 16, 16}) {
    EXPECT_EQ(Pause(), pause);
  }
}

TEST_F(FailedStartTest, BehindAnEditTheNextOneIsTheFirst) {
  Pause();
  Pause();
  Age(failure_.config_file, -hours(1));
  EXPECT_EQ(Pause(), 0);
}

TEST_F(FailedStartTest, AMinuteWithoutOneEndsTheCount) {
  Pause();
  Pause();
  Age(directory_ + "/x.failing", hours(1));
  EXPECT_EQ(Pause(), 0);
}

TEST_F(FailedStartTest, WhereNothingCanBeCountedNothingIsWaitedFor) {
  fs::remove_all(directory_);
  EXPECT_EQ(Pause(), 0);
  EXPECT_EQ(Pause(), 0);
}

TEST(SetPrefix, IsFoundInAFileThatIsWrong) {
  EXPECT_EQ(SetPrefixIn("colour = 1\nfirewall.set_prefix = \"mail\"\n"),
            "mail");
  EXPECT_EQ(SetPrefixIn("zones = [\n[firewall]\n  set_prefix='a-b_9' # ours\n"),
            "a-b_9");
  EXPECT_EQ(SetPrefixIn("#firewall.set_prefix = \"breakwater\"\n"),
            std::nullopt);
  EXPECT_EQ(SetPrefixIn("firewall.set_prefix = \"two words\"\n"), std::nullopt);
  EXPECT_EQ(
      SetPrefixIn("firewall.set_prefix = \"" + std::string(17, 'a') + "\"\n"),
      std::nullopt);
  EXPECT_EQ(SetPrefixIn(""), std::nullopt);
}

TEST(ControlSocket, IsFoundInAFileThatIsWrong) {
  EXPECT_EQ(ControlSocketIn("x = y\ncontrol.socket = \"/run/a\"\n"), "/run/a");
  EXPECT_EQ(ControlSocketIn("[ milter ]\nsocket = \"unix:/m\"\r\n[control]\r\n"
                            "socket='/run/b'\r\n"),
            "/run/b");
  EXPECT_EQ(ControlSocketIn("[control\nsocket = \"/run/b\"\n"), "/run/b");
  for (const char* none :
       {"", "[", "[report]\nsocket = \"/run/r\"\n", "control.socket = /run/a\n",
        "control.socket = \"/run/a\n", "control.socket = \"run\"\n",
        "#control.socket = \"/run/a\"\n",
        "[control]\n[zone]\nsocket = \"/r\""}) {
    EXPECT_EQ(ControlSocketIn(none), std::nullopt) << none;
  }
}

}  // namespace
}  // namespace breakwater
