#include "tests/integration/tcpserver_door.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

std::string Tcpserver6() {
  const char* cache = getenv("BREAKWATER_CACHE");
  return absl::StrCat(cache == nullptr ? "/var/cache/breakwater" : cache,
                      "/tools/tcpserver6");
}

std::string Count(size_t number) { return absl::StrCat(number); }

// As whom tcpserver runs: root to nobody, and not the daemon's user.
constexpr uid_t kMailUid = 65533;

}  // namespace

std::string TcpserverDoorTest::PolicySocket() const {
  return absl::StrCat("unix:", directory_->path(), "/sockets/policy.sock");
}

absl::Status TcpserverDoorTest::MakeDirectories() {
  const std::string base = directory_->path();
  for (const char* name : {"/mail", "/drafts", "/sockets", "/bin"}) {
    std::filesystem::create_directory(base + name);
  }
  // The build may be where nobody else comes.
  for (const char* name : {"/breakwater-tcp", "/tcp_smtpd"}) {
    std::filesystem::copy_file(Breakwater::ProgramPath(name + 1),
                               base + "/bin" + name);
  }
  // The sockets' group is the directory's, as in etc/systemd's tmpfiles.
  const std::string sockets = base + "/sockets";
  if (chown((base + "/mail").c_str(), kMailUid, kMailUid) != 0 ||
      chown((base + "/drafts").c_str(), kMailUid, kMailUid) != 0 ||
      chown(sockets.c_str(), kDaemonUid, kMailUid) != 0 ||
      chmod(sockets.c_str(), 02750) != 0) {
    return absl::ErrnoToStatus(errno, "giving away directories");
  }
  return absl::OkStatus();
}

absl::Status TcpserverDoorTest::MakeRules(
    const std::vector<std::string>& lines) {
  const std::string cdb = directory_->path() + "/rules.cdb";
  return testing::Run({"tcprules", cdb, cdb + ".tmp"}, std::chrono::seconds(10),
                      absl::StrJoin(lines, "\n") + "\n")
      .ToStatus("tcprules");
}

absl::StatusOr<std::vector<std::string>> TcpserverDoorTest::CommandLine(
    const Door& door) {
  std::vector<std::string> words = {door.ipv6 ? Tcpserver6() : "tcpserver",
                                    "-v",
                                    "-R",
                                    "-H",
                                    "-l",
                                    "0",
                                    "-u",
                                    Count(kMailUid),
                                    "-g",
                                    Count(kMailUid),
                                    "-c",
                                    Count(static_cast<size_t>(door.slots))};
  if (!door.tcprules.empty()) {
    const absl::Status made = MakeRules(door.tcprules);
    if (!made.ok()) return made;
    words.insert(words.end(), {"-x", directory_->path() + "/rules.cdb"});
  }
  words.insert(words.end(), {door.ipv6 ? "::0" : "0", "25"});
  words.insert(words.end(), door.before.begin(), door.before.end());
  words.insert(words.end(), {directory_->path() + "/bin/breakwater-tcp", "-p",
                             PolicySocket()});
  words.insert(words.end(), door.options.begin(), door.options.end());
  words.insert(words.end(), {directory_->path() + "/bin/tcp_smtpd",
                             directory_->path() + "/mail"});
  return words;
}

void TcpserverDoorTest::StartDoor(const Door& door) {
  if (!testing::Run({"which", door.ipv6 ? Tcpserver6() : "tcpserver"}).ok()) {
    GTEST_SKIP() << "there is no tcpserver here: see contrib/lib.sh";
  }
  BREAKWATER_ASSERT_OK_AND_ASSIGN(TempDirectory directory,
                                  TempDirectory::Make());
  directory_ = std::make_unique<TempDirectory>(std::move(directory));
  BREAKWATER_ASSERT_OK(MakeDirectories());
  StartService({.policy = {PolicySocket()},
                .rules = door.rules,
                .mode = door.mode,
                .listed = door.listed});
  if (HasFatalFailure()) return;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> words,
                                  CommandLine(door));
  const InNamespace inside(mta());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      tcpserver_, Process::Start(words, directory_->path() + "/log"));
  ASSERT_TRUE(tcpserver_->WaitForLog("status: 0/")) << Log();
}

void TcpserverDoorTest::ExpectMailFlows(const std::string& from) {
  const size_t before = Messages().size();
  absl::StatusOr<Session> session = Open(from);
  ASSERT_TRUE(session.ok()) << session.status() << Log();
  ASSERT_EQ(session->banner.code, 220) << session->banner.text;
  const absl::StatusOr<SmtpReply> reply = session->client.SendMessage(
      "friend@example.org", "honest@mail.test", "Subject: hello\n\nhello\n");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->code, 250) << reply->text;
  EXPECT_EQ(Messages().size(), before + 1);
}

std::vector<std::string> TcpserverDoorTest::Messages() const {
  std::vector<std::string> messages;
  for (const auto& file :
       std::filesystem::directory_iterator(directory_->path() + "/mail")) {
    messages.push_back(ReadFile(file.path()));
  }
  return messages;
}

size_t TcpserverDoorTest::SlotsUsed() const {
  const std::string pid = Count(static_cast<size_t>(tcpserver_->pid()));
  const std::string children =
      ReadFile(absl::StrCat("/proc/", pid, "/task/", pid, "/children"));
  const std::vector<std::string> pids =
      absl::StrSplit(children, ' ', absl::SkipWhitespace());
  return pids.size();
}

bool TcpserverDoorTest::WaitForFreeSlots() {
  return WaitUntil([&] { return SlotsUsed() == 0; });
}

}  // namespace breakwater::testing
