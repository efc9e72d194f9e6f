#include "tests/integration/harness/network.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

constexpr char kDirectory[] = "/run/netns/";
constexpr char kPrefix[] = "bw-";

std::vector<pid_t> ProcessesIn(const std::string& name) {
  std::vector<pid_t> pids;
  CommandResult listed = Run({"ip", "netns", "pids", name});
  for (const auto& line : absl::StrSplit(listed.out, '\n', absl::SkipEmpty())) {
    int pid = 0;
    // A thread of this very test may be in there.
    if (absl::SimpleAtoi(line, &pid) && pid != getpid()) pids.push_back(pid);
  }
  return pids;
}

void RemoveNamespace(const std::string& name) {
  WaitUntil(
      [&] {
        std::vector<pid_t> left = ProcessesIn(name);
        for (pid_t pid : left) kill(pid, SIGKILL);
        return left.empty();
      },
      std::chrono::seconds(5));
  Run({"ip", "netns", "del", name});
}

// Runs the words of each line as one `ip` command.
absl::Status RunIp(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    std::vector<std::string> argv = absl::StrSplit(line, ' ');
    argv.insert(argv.begin(), "ip");
    absl::Status status = Run(argv).ToStatus(absl::StrCat("ip ", line));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Namespace>> Namespace::Make(
    const std::string& name) {
  static std::atomic<int> count = 0;
  std::unique_ptr<Namespace> made(
      new Namespace(absl::StrCat(kPrefix, getpid(), "-", ++count, "-", name)));
  absl::Status status =
      RunIp({absl::StrCat("netns add ", made->name()),
             absl::StrCat("-n ", made->name(), " link set lo up")});
  if (!status.ok()) return status;
  std::string path = absl::StrCat(kDirectory, made->name());
  made->fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (made->fd_ < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
  }
  return made;
}

Namespace::~Namespace() {
  if (fd_ >= 0) close(fd_);
  RemoveNamespace(name_);
}

absl::Status Namespace::SetSysctl(const std::string& key,
                                  const std::string& value) {
  InNamespace here(*this);
  std::string path = absl::StrCat("/proc/sys/net/", key);
  std::ofstream file(path);
  file << value << std::flush;
  if (!file) {
    return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path));
  }
  return absl::OkStatus();
}

std::vector<pid_t> Namespace::Processes() const { return ProcessesIn(name_); }

InNamespace::InNamespace(const Namespace& where)
    : home_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  // To go on would make the rest of the test touch the host's own network.
  if (home_ < 0 || setns(where.fd(), CLONE_NEWNET) != 0) {
    perror("entering a network namespace");
    abort();
  }
}

InNamespace::~InNamespace() {
  if (setns(home_, CLONE_NEWNET) != 0) {
    perror("leaving a network namespace");
    abort();
  }
  close(home_);
}

CommandResult RunIn(const Namespace& where,
                    const std::vector<std::string>& argv,
                    std::chrono::milliseconds patience,
                    const std::string& input) {
  InNamespace here(where);
  return Run(argv, patience, input);
}

size_t OpenConnections(const Namespace& where, uint16_t port) {
  const CommandResult listed =
      RunIn(where, {"ss", "-Htn", "state", "established", "sport", "=",
                    absl::StrCat(":", port)});
  return static_cast<size_t>(
      std::count(listed.out.begin(), listed.out.end(), '\n'));
}

absl::StatusOr<std::unique_ptr<Network>> Network::Make() {
  std::unique_ptr<Network> network(new Network());
  absl::StatusOr<std::unique_ptr<Namespace>> mta = Namespace::Make("mta");
  if (!mta.ok()) return mta.status();
  network->mta_ = *std::move(mta);
  absl::StatusOr<std::unique_ptr<Namespace>> world = Namespace::Make("world");
  if (!world.ok()) return world.status();
  network->world_ = *std::move(world);
  absl::Status status = network->Connect();
  if (!status.ok()) return status;
  return network;
}

absl::Status Network::Connect() {
  for (Namespace* side : {mta_.get(), world_.get()}) {
    for (const char* key :
         {"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter",
          "ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad"}) {
      absl::Status status = side->SetSysctl(key, "0");
      if (!status.ok()) return status;
    }
    // A wave must meet the limits of the mail server, not of a small kernel
    // default.
    absl::Status status = side->SetSysctl("core/somaxconn", "8192");
    if (!status.ok()) return status;
  }
  // A local route lets IPv4 be bound; IPv6 looks only at interfaces.
  absl::Status status = world_->SetSysctl("ipv6/ip_nonlocal_bind", "1");
  if (!status.ok()) return status;

  const std::string mta = absl::StrCat("-n ", mta_->name(), " ");
  const std::string world = absl::StrCat("-n ", world_->name(), " ");
  status = RunIp({
      mta + "link add wire type veth peer name wire netns " + world_->name(),
      mta + "link set wire up",
      world + "link set wire up",
      mta + "addr add 192.0.2.25/24 dev wire",
      mta + "addr add 2001:db8:25::25/64 dev wire nodad",
      world + "addr add 192.0.2.1/24 dev wire",
      world + "addr add 2001:db8:25::1/64 dev wire nodad",
      mta + "route add default via 192.0.2.1",
      mta + "-6 route add default via 2001:db8:25::1",
      world + "route add local 198.18.0.0/15 dev lo",
      world + "route add local 198.51.100.0/24 dev lo",
      world + "route add local 203.0.113.0/24 dev lo",
      world + "-6 route add local 2001:db8:8000::/33 dev lo",
  });
  if (!status.ok()) return status;
  // The first packet may come before the new interface listens for the
  // question who has the address. It is asked again after this, not a second.
  for (Namespace* side : {mta_.get(), world_.get()}) {
    status = side->SetSysctl("ipv6/neigh/wire/retrans_time_ms", "10");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void RemoveStaleNamespaces() {
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(kDirectory, ignored)) {
    std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    std::vector<std::string> parts = absl::StrSplit(name, '-');
    int pid = 0;
    if (parts.size() != 4 || !absl::SimpleAtoi(parts[1], &pid)) continue;
    if (kill(pid, 0) == 0 || errno != ESRCH) continue;
    RemoveNamespace(name);
  }
}

}  // namespace breakwater::testing
