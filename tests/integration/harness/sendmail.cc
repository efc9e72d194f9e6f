#include "tests/integration/harness/sendmail.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

constexpr char kMc[] = "/etc/mail/test.mc";
constexpr char kCf[] = "/etc/mail/sendmail.cf";
constexpr char kQueue[] = "/var/spool/mqueue";
constexpr char kMail[] = "/var/mail/";
constexpr char kLog[] = "/var/log/mail.log";
constexpr char kCertificate[] = "/etc/mail/tls/test.pem";
constexpr char kKey[] = "/etc/mail/tls/test.key";
constexpr int kFirstUser = 5000;  // nobody else's in the root

constexpr char kNameService[] = "passwd: files\ngroup: files\nhosts: files\n";

// Debian's sendmail.mc without what needs DNS, what slows every client down
// (greet_pause, throttles) and what a busy machine would trip over (the load
// limits). Local mail goes to mbox files by way of mail.local.
constexpr char kMcHead[] = R"(divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
HACK(`nodns')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confDOMAIN_NAME', `mail.test')dnl
define(`confLOG_LEVEL', `14')dnl
define(`confTO_IDENT', `0')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`local_lmtp')dnl
LOCAL_DOMAIN(`mail.test')dnl
)";

constexpr char kMcTail[] = R"(
MAILER_DEFINITIONS
MAILER(`local')dnl
MAILER(`smtp')dnl
)";

constexpr char kMcTls[] = R"(
define(`confCACERT_PATH', `/etc/ssl/certs')dnl
define(`confCACERT', `/etc/mail/tls/test.pem')dnl
define(`confSERVER_CERT', `/etc/mail/tls/test.pem')dnl
define(`confSERVER_KEY', `/etc/mail/tls/test.key')dnl
)";

// The fourth field of /proc/PID/stat; the second, the name, may hold anything.
pid_t ParentOf(pid_t pid) {
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(stat.rfind(')') + 1), ' ', absl::SkipEmpty());
  int parent = 0;
  return fields.size() > 1 && absl::SimpleAtoi(fields[1], &parent) ? parent : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Sendmail>> Sendmail::Start(
    const Namespace& where, SendmailOptions options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("sendmail");
  if (!root.ok()) return root.status();
  std::unique_ptr<Sendmail> sendmail(
      new Sendmail(where, *std::move(root), std::move(options)));
  absl::Status status = sendmail->Configure();
  if (!status.ok()) return status;
  status = sendmail->StartDaemon();
  if (!status.ok()) return status;
  return sendmail;
}

Sendmail::~Sendmail() { Stop(); }

void Sendmail::Stop() {
  if (daemon_ != nullptr) daemon_->Stop();
  // It leaves its children to their sessions.
  for (const pid_t pid : root_->Processes()) kill(pid, SIGTERM);
  root_->EndProcesses();
}

absl::Status Sendmail::Configure() const {
  std::string users;
  int id = kFirstUser;
  for (const std::string& user : options_.users) {
    absl::StrAppend(&users, user, ":x:", id++, ":8::/:/usr/sbin/nologin\n");
  }
  const std::string passwd = ReadFile(root_->Path("/etc/passwd"));
  // It looks for the whole name of the machine, and would look long.
  char machine[256] = "";
  gethostname(machine, sizeof machine - 1);
  const std::string hosts = absl::StrCat("127.0.0.1 mail.test localhost ",
                                         machine, "\n::1 localhost\n");
  for (const auto& [name, content] :
       {std::pair{"/etc/passwd", passwd + users},
        std::pair{"/etc/hosts", hosts},
        std::pair{"/etc/nsswitch.conf", std::string(kNameService)},
        std::pair{kMc, Mc()}}) {
    const absl::Status status = WriteFile(root_->Path(name), content);
    if (!status.ok()) return status;
  }
  if (options_.tls) {
    const absl::Status status = MakeCertificate();
    if (!status.ok()) return status;
  }
  const CommandResult made = Run(root_->Chroot({"m4", kMc}));
  const absl::Status status = made.ToStatus("making sendmail.cf");
  return status.ok() ? WriteFile(root_->Path(kCf), made.out) : status;
}

absl::Status Sendmail::MakeCertificate() const {
  return Run({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
              "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
              "/CN=mail.test", "-out", root_->Path(kCertificate), "-keyout",
              root_->Path(kKey)})
      .ToStatus("making a certificate");
}

std::string Sendmail::Mc() const {
  std::string mc = absl::StrCat(kMcHead, "define(`confMAX_DAEMON_CHILDREN', `",
                                options_.process_limit, "')dnl\n");
  for (const std::string& daemon : options_.daemons) {
    absl::StrAppend(&mc, "DAEMON_OPTIONS(`", daemon, "')dnl\n");
  }
  if (options_.tls) mc += kMcTls;
  return absl::StrCat(mc, absl::StrJoin(options_.mc, "\n"), kMcTail);
}

absl::Status Sendmail::StartDaemon() {
  absl::StatusOr<std::unique_ptr<Syslog>> syslog =
      Syslog::Start(root_->Path("/dev/log"), root_->Path(kLog));
  if (!syslog.ok()) return syslog.status();
  syslog_ = *std::move(syslog);

  const InNamespace here(where_);
  // -bD: stays in the foreground. Without -q it never looks at the queue: what
  // cannot be delivered at once is a failure, not a later success.
  absl::StatusOr<std::unique_ptr<Process>> daemon =
      Process::Start(root_->Chroot({"/usr/sbin/sendmail", "-bD"}),
                     root_->Path("/var/log/sendmail.out"));
  if (!daemon.ok()) return daemon.status();
  daemon_ = *std::move(daemon);
  const bool listens = WaitUntil([&] {
    return !daemon_->Running() ||
           !RunIn(where_, {"ss", "-Hltn", "sport", "=", ":25"}).out.empty();
  });
  if (listens && daemon_->Running()) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("Sendmail does not start: ", daemon_->Log(), "\n", Log()));
}

absl::StatusOr<std::string> Sendmail::MakeSocketDirectory(uid_t owner) {
  const std::string path = root_->Path(kSocketDirectory);
  if ((mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) ||
      chown(path.c_str(), owner, 0) != 0 || chmod(path.c_str(), 0755) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  }
  return path;
}

std::vector<std::string> Sendmail::Mailbox(const std::string& user) const {
  // mbox: "From " at the beginning of a line begins a message, and a message's
  // own has a '>' before it.
  std::vector<std::string> messages = absl::StrSplit(
      absl::StrCat("\n", ReadFile(root_->Path(kMail + user))), "\nFrom ");
  messages.erase(messages.begin());
  return messages;
}

bool Sendmail::WaitForMail(const std::string& user, size_t count,
                           std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return Mailbox(user).size() >= count; }, patience);
}

size_t Sendmail::Queued() const {
  size_t count = 0;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(root_->Path(kQueue), ignored)) {
    if (entry.path().filename().string().starts_with("qf")) ++count;
  }
  return count;
}

std::string Sendmail::Log() const { return ReadFile(root_->Path(kLog)); }

bool Sendmail::LogContains(const std::string& text) const {
  return Log().find(text) != std::string::npos;
}

bool Sendmail::WaitForLog(const std::string& text,
                          std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return LogContains(text); }, patience);
}

// -Am: as the mail server. Debian's `sendmail -bs` would otherwise be a client
// of the daemon's, on 127.0.0.1.
std::vector<std::string> Sendmail::SubmitCommand() const {
  return root_->Chroot({"/usr/sbin/sendmail", "-Am", "-bs"});
}

// Those of the daemon itself: what delivers in the background is a child of
// such a child, or of nobody.
std::vector<pid_t> Sendmail::Children() const {
  std::vector<pid_t> children = root_->Processes();
  std::erase_if(children, [this](pid_t pid) {
    return daemon_ == nullptr || ParentOf(pid) != daemon_->pid();
  });
  return children;
}

size_t Sendmail::OpenSessions() const { return OpenConnections(where_, 25); }

}  // namespace breakwater::testing
