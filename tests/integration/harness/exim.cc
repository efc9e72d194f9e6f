#include "tests/integration/harness/exim.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

constexpr char kConfig[] = "/etc/exim4/exim4.conf";
constexpr char kLog[] = "/var/log/exim4/mainlog";
constexpr char kMail[] = "/var/mail/virtual";
constexpr char kSockets[] = "/run/breakwater";
constexpr uid_t kMailOwner = 5000;  // nobody else's in the root

// Nothing leaves the namespace and nothing waits for DNS; the defaults of the
// rest are what is to be tested.
constexpr char kTemplate[] = R"(primary_hostname = mail.test
local_interfaces = <; 0.0.0.0 ; ::0
daemon_smtp_ports = 25
smtp_accept_max = 100
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_connect = acl_check_connect
acl_smtp_rcpt = acl_check_rcpt
begin acl
acl_check_connect:
$connect
acl_check_rcpt:
  accept domains = mail.test
         verify = recipient
  deny
begin routers
mailboxes:
  driver = accept
  domains = mail.test
  local_parts = $users
  transport = maildir
begin transports
maildir:
  driver = appendfile
  directory = /var/mail/virtual/$local_part_data
  maildir_format
  user = $owner
  group = $owner
)";

}  // namespace

absl::StatusOr<std::unique_ptr<Exim>> Exim::Start(const Namespace& where,
                                                  EximOptions options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("exim");
  if (!root.ok()) return root.status();
  std::unique_ptr<Exim> exim(
      new Exim(where, *std::move(root), std::move(options)));
  absl::Status status = exim->Configure();
  if (!status.ok()) return status;
  // Returns when it is listening.
  status = RunIn(where, exim->root_->Chroot({"/usr/sbin/exim4", "-bd"}))
               .ToStatus("starting Exim");
  if (!status.ok()) {
    return absl::InternalError(
        absl::StrCat(status.message(), "\n", exim->Log()));
  }
  return exim;
}

Exim::~Exim() { Stop(); }

void Exim::Stop() {
  for (const pid_t pid : root_->Processes()) kill(pid, SIGTERM);
  root_->EndProcesses();
}

absl::Status Exim::Configure() const {
  const std::string path = root_->Path(kConfig);
  absl::Status status = WriteFile(
      path, absl::StrReplaceAll(
                kTemplate, {{"$connect", options_.connect_acl},
                            {"$users", absl::StrJoin(options_.users, " : ")},
                            {"$owner", absl::StrCat(kMailOwner)}}));
  if (!status.ok()) return status;
  // Exim refuses one that others could write.
  chmod(path.c_str(), 0644);
  const std::string mail = root_->Path(kMail);
  std::error_code error;
  std::filesystem::create_directories(mail, error);
  if (error || chown(mail.c_str(), kMailOwner, kMailOwner) != 0) {
    return absl::InternalError(absl::StrCat("making ", mail));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Exim::MakeSocketDirectory(uid_t owner) {
  const absl::StatusOr<gid_t> group = root_->GroupId("Debian-exim");
  if (!group.ok()) return group.status();
  const std::string path = root_->Path(kSockets);
  // The mode last: chown takes the set-group-id bit away.
  if ((mkdir(path.c_str(), 0750) != 0 && errno != EEXIST) ||
      chown(path.c_str(), owner, *group) != 0 ||
      chmod(path.c_str(), 02750) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  }
  return path;
}

std::vector<std::string> Exim::Mailbox(const std::string& user) const {
  std::vector<std::string> messages;
  std::error_code ignored;
  const std::string path = absl::StrCat(root_->Path(kMail), "/", user, "/new");
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    messages.push_back(ReadFile(entry.path().string()));
  }
  return messages;
}

bool Exim::WaitForMail(const std::string& user, size_t count,
                       std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return Mailbox(user).size() >= count; }, patience);
}

std::string Exim::Log() const { return ReadFile(root_->Path(kLog)); }

bool Exim::WaitForLog(const std::string& text,
                      std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return Log().find(text) != std::string::npos; },
                   patience);
}

}  // namespace breakwater::testing
