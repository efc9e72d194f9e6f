#include "tests/integration/harness/postfix.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

constexpr char kQueue[] = "/var/spool/postfix";
constexpr char kMail[] = "/var/mail/virtual";
constexpr char kLog[] = "/var/log/postfix.log";
constexpr uid_t kMailOwner = 5000;  // nobody else's in the root

// Why each is there: nothing leaves the namespace and nothing waits for DNS;
// no limit but the process limit; no lookup of local users; the defaults of
// the rest are what is to be tested.
constexpr char kMainCf[] = R"(compatibility_level = 3.6
maillog_file = /var/log/postfix.log
myhostname = mail.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8 [::1]/128
inet_interfaces = all
inet_protocols = all
default_transport = discard
notify_classes =
biff = no
smtpd_peername_lookup = no
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_client_recipient_rate_limit = 0
smtpd_client_new_tls_session_rate_limit = 0
smtpd_client_auth_rate_limit = 0
in_flow_delay = 0
virtual_mailbox_domains = mail.test
virtual_mailbox_base = /var/mail/virtual
virtual_uid_maps = static:5000
virtual_gid_maps = static:5000
)";

// Debian's, without what delivers elsewhere.
constexpr char kMasterCf[] = R"(
pickup    unix  n       -       y       60      1       pickup
cleanup   unix  n       -       y       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
rewrite   unix  -       -       y       -       -       trivial-rewrite
bounce    unix  -       -       y       -       0       bounce
defer     unix  -       -       y       -       0       bounce
trace     unix  -       -       y       -       0       bounce
verify    unix  -       -       y       -       1       verify
flush     unix  n       -       y       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
showq     unix  n       -       y       -       -       showq
error     unix  -       -       y       -       -       error
retry     unix  -       -       y       -       -       error
discard   unix  -       -       y       -       -       discard
virtual   unix  -       n       n       -       -       virtual
anvil     unix  -       -       y       -       1       anvil
scache    unix  -       -       y       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
)";

}  // namespace

absl::StatusOr<std::unique_ptr<Postfix>> Postfix::Start(
    const Namespace& where, PostfixOptions options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("postfix");
  if (!root.ok()) return root.status();
  std::unique_ptr<Postfix> postfix(
      new Postfix(where, *std::move(root), std::move(options)));
  absl::Status status = postfix->Configure();
  if (!status.ok()) return status;
  // `postfix start` would look through the whole queue first and sleep for a
  // second. -w returns when the master is listening, and fails when it cannot.
  status = RunIn(where,
                 postfix->root_->Chroot({"/usr/lib/postfix/sbin/master", "-w"}))
               .ToStatus("starting Postfix");
  if (!status.ok()) {
    return absl::InternalError(
        absl::StrCat(status.message(), "\n", postfix->Log()));
  }
  return postfix;
}

Postfix::~Postfix() { Stop(); }

void Postfix::Stop() {
  // The master passes it on to all its children.
  if (pid_t master = MasterPid(); master != 0) kill(master, SIGTERM);
  root_->EndProcesses();
}

absl::Status Postfix::Reload(const std::vector<std::string>& main_cf) {
  options_.main_cf = main_cf;
  absl::Status status = Configure();
  if (!status.ok()) return status;
  pid_t master = MasterPid();
  if (master == 0) return absl::FailedPreconditionError("Postfix is stopped");
  // `postfix reload` does this, and then sleeps.
  size_t before = Log().size();
  kill(master, SIGHUP);
  bool done = WaitUntil([&] {
    return Log().find(": reload -- version", before) != std::string::npos;
  });
  return done ? absl::OkStatus()
              : absl::DeadlineExceededError("Postfix does not reload");
}

// The file survives its process, so the pid must still be one of ours.
pid_t Postfix::MasterPid() const {
  std::string text = ReadFile(QueueDirectory() + "/pid/master.pid");
  std::vector<pid_t> ours = root_->Processes();
  int pid = 0;
  bool found = absl::SimpleAtoi(text, &pid) &&
               std::find(ours.begin(), ours.end(), pid) != ours.end();
  return found ? pid : 0;
}

absl::Status Postfix::Configure() const {
  for (const auto& [name, content] :
       {std::pair{"/etc/postfix/main.cf", MainCf()},
        std::pair{"/etc/postfix/master.cf", MasterCf()}}) {
    std::string path = root_->Path(name);
    absl::Status status = WriteFile(path, content);
    if (!status.ok()) return status;
    // Each Postfix program waits until a file that was written just now is two
    // seconds old, lest it reads half of it.
    timespec past[2] = {{time(nullptr) - 10, 0}, {time(nullptr) - 10, 0}};
    utimensat(AT_FDCWD, path.c_str(), past, 0);
  }
  std::string mail = root_->Path(kMail);
  std::error_code error;
  std::filesystem::create_directories(mail, error);
  if (error || chown(mail.c_str(), kMailOwner, kMailOwner) != 0) {
    return absl::InternalError(absl::StrCat("making ", mail));
  }
  return absl::OkStatus();
}

std::string Postfix::MainCf() const {
  std::string mailboxes =
      absl::StrJoin(options_.users, ", ", [](std::string* out, const auto& it) {
        absl::StrAppend(out, "{", it, "@mail.test = ", it, "/}");
      });
  return absl::StrCat(kMainCf, "virtual_mailbox_maps = inline:{ ", mailboxes,
                      " }\n", absl::StrJoin(options_.main_cf, "\n"), "\n");
}

std::string Postfix::MasterCf() const {
  return absl::StrCat("smtp inet n - y - ", options_.process_limit, " smtpd",
                      kMasterCf, absl::StrJoin(options_.master_cf, "\n"), "\n");
}

std::string Postfix::QueueDirectory() const { return root_->Path(kQueue); }

absl::StatusOr<std::string> Postfix::MakeSocketDirectory(uid_t owner) {
  absl::StatusOr<gid_t> group = root_->GroupId("postfix");
  if (!group.ok()) return group.status();
  std::string path = QueueDirectory() + "/breakwater";
  // The mode last: chown takes the set-group-id bit away.
  if ((mkdir(path.c_str(), 0750) != 0 && errno != EEXIST) ||
      chown(path.c_str(), owner, *group) != 0 ||
      chmod(path.c_str(), 02750) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  }
  return path;
}

std::vector<std::string> Postfix::Mailbox(const std::string& user) const {
  std::vector<std::string> messages;
  std::error_code ignored;
  std::string path = absl::StrCat(root_->Path(kMail), "/", user, "/new");
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    messages.push_back(ReadFile(entry.path().string()));
  }
  return messages;
}

bool Postfix::WaitForMail(const std::string& user, size_t count,
                          std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return Mailbox(user).size() >= count; }, patience);
}

std::string Postfix::Log() const { return ReadFile(root_->Path(kLog)); }

bool Postfix::LogContains(const std::string& text) const {
  return Log().find(text) != std::string::npos;
}

bool Postfix::WaitForLog(const std::string& text,
                         std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return LogContains(text); }, patience);
}

size_t Postfix::SmtpdCount() const {
  std::vector<pid_t> pids = root_->Processes();
  return static_cast<size_t>(
      std::count_if(pids.begin(), pids.end(), [](pid_t pid) {
        std::string name = ReadFile(absl::StrCat("/proc/", pid, "/comm"));
        return absl::StripSuffix(name, "\n") == "smtpd";
      }));
}

size_t Postfix::OpenSessions() const { return OpenConnections(where_, 25); }

}  // namespace breakwater::testing
