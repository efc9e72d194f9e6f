#include "tests/integration/harness/courier.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

constexpr char kConfig[] = "/etc/courier/";
constexpr char kFilters[] = "/usr/lib/courier/filters/";
constexpr char kHome[] = "/home/";
constexpr char kLog[] = "/var/log/courier.log";
constexpr int kFirstUser = 5000;  // nobody else's in the root

// crypt(3) of kCourierPassword.
constexpr char kPasswordHash[] =
    "$6$breakwater$PCtW7wR05AweOr3/qRx8tpb/AahVoQw9m1THMAdcLthARuVpvKDQNVEHE."
    "dYfqJr4ijMBnf49fFFCY50IEEmH.";

// Why each is there: the root has no /etc/services; no DNS is asked about the
// client or the sender, since what does not answer would hold each session.
constexpr char kEsmtpd[] = R"(
PORT=25
BOFHCHECKDNS=0
TCPDOPTS="-stderrlogger=/usr/sbin/courierlogger -noidentlookup -nodnslookup"
)";

// What the units of Debian's packages run, in their order. What they leave
// behind keeps the output open.
constexpr char kStart[] = R"(exec >/var/log/courier.out 2>&1 </dev/null
set -e
makesmtpaccess
authdaemond start
courier start
courierfilter start
esmtpd start
)";

// From /proc/PID/stat: the second field, the name, may hold anything.
struct ProcessStat {
  std::string name;
  pid_t parent = 0;
};

ProcessStat StatOf(pid_t pid) {
  ProcessStat result;
  const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  const size_t begin = stat.find('(');
  const size_t end = stat.rfind(')');
  if (begin == stat.npos || end == stat.npos) return result;
  result.name = stat.substr(begin + 1, end - begin - 1);
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(end + 1), ' ', absl::SkipEmpty());
  int parent = 0;
  if (fields.size() > 1 && absl::SimpleAtoi(fields[1], &parent)) {
    result.parent = parent;
  }
  return result;
}

// The libraries of a program, by their paths.
std::vector<std::string> LibrariesOf(const std::string& program) {
  std::vector<std::string> libraries;
  const CommandResult listed = Run({"ldd", program});
  for (const auto line : absl::StrSplit(listed.out, '\n')) {
    for (const auto word : absl::StrSplit(line, ' ')) {
      if (absl::StartsWith(word, "/")) libraries.emplace_back(word);
    }
  }
  return libraries;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Courier>> Courier::Start(
    const Namespace& where, CourierOptions options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("courier");
  if (!root.ok()) return root.status();
  std::unique_ptr<Courier> courier(
      new Courier(where, *std::move(root), std::move(options)));
  for (const auto step :
       {&Courier::Configure, &Courier::AddUsers, &Courier::AddPrograms}) {
    const absl::Status status = (*courier.*step)();
    if (!status.ok()) return status;
  }
  const absl::Status status = courier->StartDaemons();
  if (!status.ok()) return status;
  return courier;
}

Courier::~Courier() { Stop(); }

void Courier::Stop() {
  // None of them looks after the others.
  for (const pid_t pid : root_->Processes()) kill(pid, SIGTERM);
  root_->EndProcesses();
}

absl::Status Courier::Configure() const {
  const std::string esmtpd = root_->Path(absl::StrCat(kConfig, "esmtpd"));
  const std::string limits =
      absl::StrCat("MAXDAEMONS=", options_.process_limit,
                   "\nMAXPERC=", options_.process_limit,
                   "\nMAXPERIP=", options_.process_limit, "\n");
  for (const auto& [path, content] :
       {std::pair(esmtpd,
                  absl::StrCat(ReadFile(esmtpd), kEsmtpd, limits,
                               absl::StrJoin(options_.esmtpd, "\n"), "\n")),
        std::pair(root_->Path(absl::StrCat(kConfig, "me")),
                  std::string("mail.test\n")),
        std::pair(root_->Path(absl::StrCat(kConfig, "locals")),
                  std::string("mail.test\n")),
        std::pair(root_->Path(absl::StrCat(kConfig, "defaultdomain")),
                  std::string("mail.test\n"))}) {
    const absl::Status status = WriteFile(path, content);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Courier::AddUsers() const {
  std::string passwd = ReadFile(root_->Path("/etc/passwd"));
  std::string shadow = ReadFile(root_->Path("/etc/shadow"));
  uid_t id = kFirstUser;
  for (const std::string& user : options_.users) {
    absl::StrAppend(&passwd, user, ":x:", id, ":8::", kHome, user,
                    ":/bin/sh\n");
    absl::StrAppend(&shadow, user, ":", kPasswordHash, ":19000:0:99999:7:::\n");
    const std::string home = root_->Path(kHome + user);
    for (const char* part :
         {"", "/Maildir", "/Maildir/new", "/Maildir/cur", "/Maildir/tmp"}) {
      const std::string path = home + part;
      if (mkdir(path.c_str(), 0700) != 0 || chown(path.c_str(), id, 8) != 0) {
        return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
      }
    }
    ++id;
  }
  const absl::Status status = WriteFile(root_->Path("/etc/passwd"), passwd);
  if (!status.ok()) return status;
  return WriteFile(root_->Path("/etc/shadow"), shadow);
}

absl::Status Courier::AddFile(const std::string& from,
                              const std::string& to) const {
  const std::filesystem::path place = root_->Path(to);
  std::error_code error;
  std::filesystem::create_directories(place.parent_path(), error);
  std::filesystem::copy_file(
      from, place, std::filesystem::copy_options::overwrite_existing, error);
  if (!error) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("copying ", from, " to ", to, ": ", error.message()));
}

absl::Status Courier::AddPrograms() const {
  std::error_code error;
  for (const auto& [from, to] : options_.programs) {
    absl::Status status = AddFile(from, to);
    for (const std::string& library : LibrariesOf(from)) {
      const bool there = access(root_->Path(library).c_str(), F_OK) == 0;
      if (status.ok() && !there) status = AddFile(library, library);
    }
    if (!status.ok()) return status;
  }
  for (const std::string& filter : options_.filters) {
    std::filesystem::create_symlink(
        kFilters + filter,
        root_->Path(absl::StrCat(kConfig, "filters/active/", filter)), error);
    if (error) {
      return absl::InternalError(
          absl::StrCat("enabling ", filter, ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

absl::Status Courier::StartDaemons() {
  const absl::StatusOr<uid_t> user = root_->UserId("courier");
  const absl::StatusOr<gid_t> group = root_->GroupId("courier");
  if (!user.ok()) return user.status();
  if (!group.ok()) return group.status();
  // As systemd-tmpfiles makes them.
  const std::string run = root_->Path("/run/courier");
  const std::string auth = run + "/authdaemon";
  if (mkdir(run.c_str(), 0775) != 0 || chmod(run.c_str(), 0775) != 0 ||
      chown(run.c_str(), 0, *group) != 0 || mkdir(auth.c_str(), 0750) != 0 ||
      chown(auth.c_str(), *user, *group) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("making ", run));
  }
  // As everywhere; goes with the root.
  if (mount("proc", root_->Path("/proc").c_str(), "proc", 0, nullptr) != 0) {
    return absl::ErrnoToStatus(errno, "mounting proc");
  }
  absl::StatusOr<std::unique_ptr<Syslog>> syslog =
      Syslog::Start(root_->Path("/dev/log"), root_->Path(kLog));
  if (!syslog.ok()) return syslog.status();
  syslog_ = *std::move(syslog);

  absl::Status status =
      RunIn(where_, root_->Chroot({"sh", "-c", kStart})).ToStatus("starting");
  if (status.ok() && !WaitUntil([&] {
        return !RunIn(where_, {"ss", "-Hltn", "sport", "=", ":25"}).out.empty();
      })) {
    status = absl::DeadlineExceededError("couriertcpd does not listen");
  }
  if (status.ok()) return status;
  return absl::InternalError(
      absl::StrCat("Courier: ", status.message(), "\n",
                   ReadFile(root_->Path("/var/log/courier.out")), "\n", Log()));
}

absl::StatusOr<std::string> Courier::MakeSocketDirectory(uid_t owner) {
  const absl::StatusOr<gid_t> group = root_->GroupId("courier");
  if (!group.ok()) return group.status();
  const std::string path = root_->Path(kSocketDirectory);
  std::error_code error;
  std::filesystem::create_directories(path, error);
  // The mode last: chown takes the set-group-id bit away.
  if (error || chown(path.c_str(), owner, *group) != 0 ||
      chmod(path.c_str(), 02750) != 0) {
    return absl::InternalError(absl::StrCat("making ", path));
  }
  return path;
}

std::vector<std::string> Courier::Mailbox(const std::string& user) const {
  std::vector<std::string> messages;
  std::error_code ignored;
  const std::string path =
      root_->Path(absl::StrCat(kHome, user, "/Maildir/new"));
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored)) {
    messages.push_back(ReadFile(entry.path().string()));
  }
  return messages;
}

bool Courier::WaitForMail(const std::string& user, size_t count,
                          std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return Mailbox(user).size() >= count; }, patience);
}

std::string Courier::Log() const { return ReadFile(root_->Path(kLog)); }

bool Courier::LogContains(const std::string& text) const {
  return Log().find(text) != std::string::npos;
}

bool Courier::WaitForLog(const std::string& text,
                         std::chrono::milliseconds patience) const {
  return WaitUntil([&] { return LogContains(text); }, patience);
}

std::vector<pid_t> Courier::Children() const {
  pid_t parent = 0;
  const std::string file = ReadFile(root_->Path("/run/courier/esmtpd.pid"));
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(file), &parent)) return {};
  std::vector<pid_t> children = root_->Processes();
  std::erase_if(children,
                [&](pid_t pid) { return StatOf(pid).parent != parent; });
  return children;
}

std::vector<pid_t> Courier::Processes(const std::string& name) const {
  std::vector<pid_t> processes = root_->Processes();
  std::erase_if(processes, [&](pid_t pid) { return StatOf(pid).name != name; });
  return processes;
}

size_t Courier::SessionProcessCount() const {
  return ChildCount() + ProcessCount("submit") + ProcessCount("couriertls");
}

size_t Courier::OpenSessions() const { return OpenConnections(where_, 25); }

}  // namespace breakwater::testing
