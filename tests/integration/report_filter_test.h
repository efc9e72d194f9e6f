#pragma once

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/mta_root.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {

// A content filter that reports, as a milter of Postfix and in a root directory
// of its own, with the report socket in it.
class ReportFilterTest : public WholePathTest {
 protected:
  static constexpr char kEicar[] =
      "Subject: hello\n\n"
      "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*\n";
  // Before it is run. The file is this project's, the path the root's.
  void CopyIntoRoot(const std::string& file, const std::string& path) {
    const std::filesystem::path to = root_->Path(path);
    std::error_code error;
    std::filesystem::create_directories(to.parent_path(), error);
    std::filesystem::copy_file(BREAKWATER_SOURCE_DIR "/" + file, to, error);
    ASSERT_FALSE(error) << file << ": " << error.message();
  }
  // `user`: as which the filter runs, with a group of that name.
  void MakeRoot(const std::string& name, const std::string& user) {
    if (const auto why = MtaRoot::WhyNot(name)) GTEST_SKIP() << *why;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(root_, MtaRoot::Make(name));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(user_, root_->UserId(user));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(group_, root_->GroupId(user));
    // Its own name is not to be asked of any DNS.
    char host[256] = {};
    gethostname(host, sizeof host - 1);
    BREAKWATER_ASSERT_OK(
        WriteFile(root_->Path("/etc/hosts"),
                  absl::StrCat("127.0.0.1 localhost ", host, "\n")));
    std::filesystem::create_directories(root_->Path("/run/breakwater"));
  }
  // Postfix with the filter as its milter, and Breakwater beside it.
  void StartPostfix(const std::string& milter, const std::string& offences) {
    StartParts(
        {.policy = true,
         .config = absl::StrCat("[report]\nsocket = \"unix:",
                                root_->Path("/run/breakwater/report.sock"),
                                "\"\ngroup = \"", group_, "\"\nusers = [\"",
                                user_, "\"]\n", offences),
         .main_cf = {absl::StrCat("smtpd_milters = ", milter)}});
  }
  // A program of it that runs beside the test.
  void StartProgram(std::vector<std::string> argv) {
    const InNamespace there(mta());
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        std::unique_ptr<Process> program,
        Process::Start(root_->Chroot(std::move(argv)), root_->Path("/log")));
    programs_.push_back(std::move(program));
  }
  bool WaitForPort(uint16_t port) {
    return WaitUntil(
        [&] {
          return RunIn(mta(), {"ss", "-Hltn", absl::StrCat("sport = :", port)})
                     .out.find("LISTEN") != std::string::npos;
        },
        std::chrono::seconds(120), std::chrono::milliseconds(100));
  }
  void ExpectAVirusBansItsSender() {
    ExpectMailFlows("203.0.113.10");
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kClean));
    const absl::StatusOr<SmtpReply> reply = session.client.SendMessage(
        "zombie@example.org", "good@mail.test", kEicar);
    // The session ends with the ban, mostly before the reply is there.
    if (reply.ok()) {
      EXPECT_EQ(reply->code, 554) << reply->text;
    }
    EXPECT_TRUE(WaitUntil([&] { return IsBanned(kClean); })) << Logs();
    EXPECT_TRUE(IsDropped(kClean));
    EXPECT_TRUE(postfix_->Mailbox("good").empty());
    ExpectMailFlows("203.0.113.10");
  }
  std::string Logs() const {
    return absl::StrCat(breakwater_->Log(), "\n", ReadFile(root_->Path("/log")),
                        "\n", postfix_->Log());
  }

  std::unique_ptr<MtaRoot> root_;
  uid_t user_ = 0;
  gid_t group_ = 0;
  std::vector<std::unique_ptr<Process>> programs_;
};

}  // namespace breakwater::testing
