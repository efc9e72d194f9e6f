#include "daemon/checks/unit_sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace breakwater {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A host's files below a directory of the test's own, with the unit as it is
// installed, but for a user whom every host has.
class UnitSandboxTest : public testing::Test {
 protected:
  UnitSandboxTest() {
    Write("/usr/lib/systemd/system/breakwaterd.service",
          absl::StrReplaceAll(Contents(BREAKWATER_SOURCE_DIR
                                       "/etc/systemd/breakwaterd.service.in"),
                              {{"User=breakwater", "User=nobody"}}));
    config_.policy.sockets = {"unix:/var/spool/postfix/breakwater/policy.sock"};
    config_.milter.socket = "unix:/run/breakwater-sendmail/milter.sock";
  }
  ~UnitSandboxTest() override { fs::remove_all(root_); }

  static std::string Contents(const std::string& file) {
    std::ifstream stream(file);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
  }
  void Write(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(root_ + file).parent_path());
    std::ofstream(root_ + file) << text;
  }
  std::vector<std::string> Problems() {
    const auto sandbox = ReadUnitSandbox("breakwaterd.service", root_);
    EXPECT_TRUE(sandbox.has_value());
    return SandboxProblems(config_, *sandbox, root_);
  }

  const std::string root_ =
      absl::StrCat(testing::TempDir(), "/unit-sandbox.", getpid());
  Config config_ = DefaultConfig();
};

TEST_F(UnitSandboxTest, TheUsualPlacesAreAllWritable) {
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(UnitSandboxTest, AMemoryElsewhereIsNamedWithWhatWouldDo) {
  config_.memory.file = "/srv/mail/memory.db";
  EXPECT_THAT(Problems(),
              ElementsAre(AllOf(HasSubstr("memory.file: "),
                                HasSubstr("ReadWritePaths=/srv/mail"))));
}

TEST_F(UnitSandboxTest, ADropInCounts) {
  config_.memory.file = "/srv/mail/memory.db";
  Write("/etc/systemd/system/breakwaterd.service.d/override.conf",
        "[Service]\nReadWritePaths=-/srv/mail\n");
  EXPECT_THAT(Problems(), IsEmpty());
  Write("/etc/systemd/system/breakwaterd.service.d/override.conf",
        "[Service]\nReadWritePaths=\nReadWritePaths=/srv/ma\n");
  // Nor is it a directory whose name only begins so.
  EXPECT_THAT(Problems(), testing::Contains(HasSubstr("/srv/mail")));
}

TEST_F(UnitSandboxTest, AUnitOfTheAdminsOwnCountsInsteadOfOurs) {
  config_.memory.file = "/srv/mail/memory.db";
  Write("/etc/systemd/system/breakwaterd.service", "[Service]\nUser=nobody\n");
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(UnitSandboxTest, ASocketInPostfixsPrivateDirectoryIsNamed) {
  config_.policy.sockets = {"unix:/var/spool/postfix/private/policy.sock"};
  fs::create_directories(root_ + "/var/spool/postfix/private");
  chmod((root_ + "/var/spool/postfix/private").c_str(), 0700);
  Write("/etc/systemd/system/breakwaterd.service.d/x.conf",
        "[Service]\nReadWritePaths=/var/spool/postfix/private\n");
  EXPECT_THAT(Problems(),
              ElementsAre(AllOf(HasSubstr("policy.sockets: user nobody"),
                                HasSubstr("/var/spool/postfix/private"))));
}

TEST_F(UnitSandboxTest, FilesThatItDoesNotSeeAreNamed) {
  config_.protect.files = {"/home/admin/networks", "/etc/breakwater/networks"};
  config_.spare_files = {"/tmp/forwarders"};
  config_.offence_files = {"/root/traps"};
  EXPECT_THAT(
      Problems(),
      ElementsAre(AllOf(HasSubstr("protect.files: "), HasSubstr("/home")),
                  AllOf(HasSubstr("spare.files: "), HasSubstr("/tmp")),
                  AllOf(HasSubstr("offence.files: "), HasSubstr("/root"))));
}

TEST_F(UnitSandboxTest, SoAreThoseThatTheConfigurationNamesForTraps) {
  Write("/traps", "trap@example.org\n");
  const auto config = ParseConfig(
      absl::StrCat("zones = [\"list.test\"]\n[[offence]]\nkind = \"trap\"\n"
                   "files = [\"",
                   root_, "/traps\"]\n"),
      "b.toml");
  ASSERT_TRUE(config.ok()) << config.status();
  UnitSandbox sandbox{.unit = "breakwaterd.service"};
  sandbox.hidden = {root_};
  EXPECT_THAT(SandboxProblems(*config, sandbox, root_),
              testing::Contains(HasSubstr("offence.files: ")));
}

TEST_F(UnitSandboxTest, AHostWithoutTheUnitHasNoSandbox) {
  EXPECT_FALSE(ReadUnitSandbox("breakwaterd.service", root_ + "/none"));
}

}  // namespace
}  // namespace breakwater
