#include "tests/integration/harness/dns_list.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

constexpr char kDirectory[] = "/var/lib/rbldns";
constexpr char kServerLog[] = "/var/log/server.log";
constexpr char kSpoiled[] = "/etc/dnsdist/spoiled";
constexpr char kQueryLog[] = "/var/lib/rbldns/queries";

// Where the zone's generation is to be asked for. No client has it.
std::string GenerationAddress(int generation) {
  return absl::StrCat("127.1.", generation / 256, ".", generation % 256);
}

std::string Line(const DnsListEntry& entry) {
  return absl::StrCat(entry.network, " :", entry.answer, ":", entry.text, "\n");
}

bool IsIpv6(const DnsListEntry& entry) {
  return absl::StrContains(entry.network, ":");
}

}  // namespace

absl::StatusOr<std::unique_ptr<DnsList>> DnsList::Start(const Namespace& where,
                                                        Options options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("postfix");
  if (!root.ok()) return root.status();
  std::unique_ptr<DnsList> list(
      new DnsList(where, *std::move(root), std::move(options)));
  absl::Status status = list->WriteZone();
  if (!status.ok()) return status;

  const Options& made = list->options_;
  std::vector<std::string> argv = {
      "/usr/sbin/rbldnsd", "-n", "-u", "rbldns", "-w", kDirectory, "-b",
      absl::StrCat(made.address, "/", made.port),
      // By itself it looks for changes every minute; we tell it.
      "-c", "60",
      // Each question as it comes, for Queries().
      "-l", "+queries", absl::StrCat(made.zone, ":ip4set:v4"),
      absl::StrCat(made.zone, ":ip6trie:v6"),
      absl::StrCat(made.names_zone, ":dnset:names")};
  InNamespace here(where);
  absl::StatusOr<std::unique_ptr<Process>> server = Process::Start(
      list->root_->Chroot(std::move(argv)), list->root_->Path(kServerLog));
  if (!server.ok()) return server.status();
  list->server_ = *std::move(server);
  status = list->WaitForZone();
  if (!status.ok()) return status;
  return list;
}

absl::Status DnsList::SetEntries(std::vector<DnsListEntry> entries) {
  options_.entries = std::move(entries);
  absl::Status status = WriteZone();
  if (!status.ok()) return status;
  server_->Signal(SIGHUP);
  return WaitForZone();
}

absl::Status DnsList::WriteZone() {
  ++generation_;
  std::string head = absl::StrFormat(
      "$SOA %d ns.%s hostmaster.%s %d 600 300 86400 %d\n$NS %d ns.%s\n$TTL "
      "%d\n:127.0.0.2:Listed\n",
      options_.negative_ttl.count(), options_.zone, options_.zone, generation_,
      options_.negative_ttl.count(), options_.ttl.count(), options_.zone,
      options_.ttl.count());
  std::string v4 = absl::StrCat(head, "127.0.0.2 :127.0.0.2:Test entry\n",
                                GenerationAddress(generation_), "\n");
  std::string v6 = absl::StrCat(head, "::ffff:7f00:2 :127.0.0.2:Test entry\n");
  for (const DnsListEntry& entry : options_.entries) {
    (IsIpv6(entry) ? v6 : v4) += Line(entry);
  }
  std::string names = absl::StrCat(
      absl::StrReplaceAll(head, {{options_.zone, options_.names_zone}}),
      "test :127.0.0.2:Test entry\n");
  for (const std::string& name : options_.names) {
    absl::StrAppend(&names, ".", name, " :127.0.0.2:Listed\n");
  }
  for (const auto& [name, text] :
       {std::pair{"/v4", v4}, {"/v6", v6}, {"/names", names}}) {
    std::string path = root_->Path(absl::StrCat(kDirectory, name));
    absl::Status status = WriteFile(path, text);
    if (!status.ok()) return status;
    // Two changes within one second, of the same size, would look like none.
    timespec stamp[2] = {{time(nullptr) + generation_, 0},
                         {time(nullptr) + generation_, 0}};
    utimensat(AT_FDCWD, path.c_str(), stamp, 0);
  }
  // It drops root before it opens the log.
  absl::StatusOr<uid_t> user = root_->UserId("rbldns");
  if (!user.ok()) return user.status();
  std::string directory = root_->Path(kDirectory);
  if (chown(directory.c_str(), *user, static_cast<gid_t>(-1)) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("giving away ", directory));
  }
  return absl::OkStatus();
}

absl::Status DnsList::WaitForZone() {
  std::string name = DnsListName(GenerationAddress(generation_), options_.zone);
  bool there = WaitUntil([&] {
    absl::StatusOr<DnsAnswer> answer =
        AskDns(where_, options_.address, name, DnsType::kA,
               std::chrono::milliseconds(200), options_.port);
    return answer.ok() && !answer->records.empty();
  });
  if (there) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "the list ", options_.zone, " does not answer: ", server_->Log()));
}

void DnsList::Pause() { server_->Signal(SIGSTOP); }

void DnsList::Resume() { server_->Signal(SIGCONT); }

// Lines of the log: time, who asks, the name, type, class: rcode/sizes.
size_t DnsList::Queries(const std::string& address) const {
  std::string wanted =
      absl::StrCat(" ", DnsListName(address, options_.zone), " ");
  size_t count = 0;
  std::string log = ReadFile(root_->Path(kQueryLog));
  for (const auto& line : absl::StrSplit(log, '\n')) {
    if (absl::StrContains(line, wanted)) ++count;
  }
  return count;
}

size_t DnsList::Queries() const {
  size_t count = 0;
  std::string log = ReadFile(root_->Path(kQueryLog));
  std::string own = absl::StrCat(".1.127.", options_.zone, " ");
  for (const auto& line : absl::StrSplit(log, '\n', absl::SkipEmpty())) {
    if (!absl::StrContains(line, own)) ++count;
  }
  return count;
}

std::string DnsFault::Delay(std::chrono::milliseconds delay) {
  return absl::StrCat("addAction(AllRule(), DelayAction(", delay.count(), "))");
}
std::string DnsFault::Drop() { return "addAction(AllRule(), DropAction())"; }
std::string DnsFault::ServFail() {
  return "addAction(AllRule(), RCodeAction(DNSRCode.SERVFAIL))";
}
std::string DnsFault::Refused() {
  return "addAction(AllRule(), RCodeAction(DNSRCode.REFUSED))";
}
std::string DnsFault::Truncate() { return "addAction(AllRule(), TCAction())"; }

std::string DnsFault::ListTheWorldOnceSpoiled() {
  return absl::StrCat(
      "addAction(AllRule(), LuaAction(function(dq) local f = ", "io.open('",
      kSpoiled, "') if f then f:close() return ",
      "DNSAction.Spoof, '127.0.0.2' end return ", "DNSAction.None, '' end))");
}

std::string DnsFault::Sometimes(double part, const std::string& rule) {
  std::string all = "AllRule()";
  std::string result = rule;
  size_t at = result.find(all);
  if (at != std::string::npos) {
    result.replace(at, all.size(), absl::StrCat("ProbaRule(", part, ")"));
  }
  return result;
}

absl::StatusOr<std::unique_ptr<DnsFault>> DnsFault::Start(
    const Namespace& where, Options options) {
  absl::StatusOr<std::unique_ptr<MtaRoot>> root = MtaRoot::Make("postfix");
  if (!root.ok()) return root.status();
  std::unique_ptr<DnsFault> fault(new DnsFault(*std::move(root)));
  // It would ask its makers for news; and it would ask the upstream server for
  // names of the root zone before it believed that there is one.
  std::string config = absl::StrCat(
      "setSecurityPollSuffix('')\nsetLocal('", options.address, ":",
      options.port, "')\naddACL('0.0.0.0/0')\nnewServer({address='",
      options.upstream, "'})\ngetServer(0):setUp()\n",
      absl::StrJoin(options.rules, "\n"), "\n");
  absl::Status status =
      WriteFile(fault->root_->Path("/etc/dnsdist/fault.conf"), config);
  if (!status.ok()) return status;

  InNamespace here(where);
  absl::StatusOr<std::unique_ptr<Process>> server =
      Process::Start(fault->root_->Chroot({"/usr/bin/dnsdist", "--supervised",
                                           "--disable-syslog", "-C",
                                           "/etc/dnsdist/fault.conf"}),
                     fault->root_->Path(kServerLog));
  if (!server.ok()) return server.status();
  fault->server_ = *std::move(server);
  if (!fault->server_->WaitForLog("Listening on")) {
    return absl::UnavailableError(
        absl::StrCat("dnsdist does not start: ", fault->Log()));
  }
  return fault;
}

void DnsFault::Pause() { server_->Signal(SIGSTOP); }

void DnsFault::Resume() { server_->Signal(SIGCONT); }

absl::Status DnsFault::Spoil() { return WriteFile(root_->Path(kSpoiled), ""); }

}  // namespace breakwater::testing
