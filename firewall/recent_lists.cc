#include "firewall/recent_lists.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/log.h"

namespace breakwater {
namespace {

// The thread's own network namespace, as elsewhere.
constexpr char kDirectory[] = "/proc/thread-self/net/xt_recent/";
constexpr char kCapacityFile[] = "/sys/module/xt_recent/parameters/ip_list_tot";

// How long it must be until the end of a ban for a list without any to be
// taken for one that was emptied.
constexpr Duration kMargin = std::chrono::seconds(2);

// "+2001:db8:..." with its end of line.
constexpr size_t kLongestLine = 64;

// What the kernel is to do with the address, as it reads it.
size_t Compose(char* line, char sign, const IpAddress& address) {
  char* at = line;
  *at++ = sign;
  if (address.IsV4()) {
    for (size_t i = 12; i < 16; ++i) {
      at = std::to_chars(at, line + kLongestLine, address.bytes[i]).ptr;
      *at++ = i < 15 ? '.' : '\n';
    }
  } else {
    inet_ntop(AF_INET6, address.bytes.data(), at, INET6_ADDRSTRLEN);
    at += std::strlen(at);
    *at++ = '\n';
  }
  return static_cast<size_t>(at - line);
}

std::optional<size_t> ReadCapacity() {
  const int fd = open(kCapacityFile, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  char text[32] = {};
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  size_t capacity;
  if (size <= 0 || !absl::SimpleAtoi(text, &capacity)) return std::nullopt;
  return capacity;
}

}  // namespace

std::unique_ptr<RecentLists> RecentLists::Open(
    const RecentListOptions& options) {
  auto lists = std::unique_ptr<RecentLists>(new RecentLists(options));
  for (File& file : lists->files_) {
    // Check says why not.
    lists->OpenFile(file).IgnoreError();
  }
  if (lists->capacity_ && *lists->capacity_ < options.most_bans) {
    Log(Severity::kWarning, "recent-small")
        .Add("holds", *lists->capacity_)
        .Add("bans", options.most_bans)
        .Add("why",
             "beyond it the kernel forgets bans: put \"options xt_recent "
             "ip_list_tot=... ip_pkt_list_tot=1\" into modprobe.d, or "
             "xt_recent.ip_list_tot=... on the kernel's command line");
  }
  return lists;
}

RecentLists::RecentLists(const RecentListOptions& options)
    : prefix_(options.prefix), capacity_(ReadCapacity()) {
  const FirewallNames names(options.prefix);
  for (size_t i = 0; i < files_.size(); ++i) {
    files_[i].path = kDirectory + names.recent[i];
  }
}

RecentLists::~RecentLists() {
  for (File& file : files_) CloseFile(file);
}

// ---- The files --------------------------------------------------------------

absl::Status RecentLists::OpenFile(File& file) {
  file.fd = open(file.path.c_str(), O_RDWR | O_CLOEXEC);
  if (file.fd >= 0) return absl::OkStatus();
  if (errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat(
        "there is no ", file.path,
        ": no rule of the firewall names the list; load the rules"));
  }
  if (errno == EACCES) {
    return absl::PermissionDeniedError(absl::StrCat(
        file.path,
        " may not be written: restart the enforcer as root, or give the file "
        "to its user with chown (of xt_recent's lists to come: ip_list_uid)"));
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("open ", file.path));
}

void RecentLists::CloseFile(File& file) {
  if (file.fd >= 0) close(file.fd);
  file.fd = -1;
}

// One byte, for which the kernel writes out one entry.
absl::StatusOr<RecentLists::State> RecentLists::Look(const File& file) {
  char first;
  const ssize_t size = pread(file.fd, &first, 1, 0);
  if (size > 0) return State::kFilled;
  if (size == 0) return State::kEmpty;
  // The file of a list that has gone, also if there is another one now.
  if (errno == EIO) return State::kGone;
  return absl::ErrnoToStatus(errno, absl::StrCat("look at ", file.path));
}

SetsCheck RecentLists::Check() {
  SetsCheck check;
  for (File& file : files_) {
    absl::StatusOr<State> state = State::kGone;
    if (file.fd >= 0) state = Look(file);
    if (!state.ok()) {
      check.wrong.push_back(state.status());
      continue;
    }
    if (*state == State::kGone) {
      CloseFile(file);
      file.endings.Clear();
      absl::Status status = OpenFile(file);
      file.has_rule = !absl::IsNotFound(status);
      if (!file.has_rule) continue;  // see WithoutRule
      if (!status.ok()) {
        check.wrong.push_back(std::move(status));
      } else {
        ++check.made;
      }
    } else if (*state == State::kEmpty &&
               !file.endings.Witnesses(1, kMargin, Clock::now()).empty()) {
      file.endings.Clear();
      ++check.flushed;
    }
  }
  return check;
}

// A list is there while a rule names it.
absl::StatusOr<SetNumbers> RecentLists::WithoutRule(bool& /*restored*/) {
  SetNumbers without;
  for (size_t i = 0; i < files_.size(); ++i) without[i] = !files_[i].has_rule;
  return without;
}

// ---- The elements -----------------------------------------------------------

absl::Status RecentLists::Write(const File& file, char sign,
                                const Network& network) {
  if (file.fd < 0) {
    return absl::NotFoundError(absl::StrCat("there is no ", file.path));
  }
  char line[kLongestLine];
  const size_t size = Compose(line, sign, network.address);
  // Each write must begin at the beginning.
  if (lseek(file.fd, 0, SEEK_SET) == 0 &&
      write(file.fd, line, size) == static_cast<ssize_t>(size)) {
    return absl::OkStatus();
  }
  if (errno == EIO) {
    return absl::NotFoundError(absl::StrCat("write ", network.ToString(), ": ",
                                            file.path, " has gone"));
  }
  return absl::InternalError(absl::StrCat("write ", network.ToString(), " to ",
                                          file.path, ": ",
                                          std::strerror(errno)));
}

std::vector<ElementFailure> RecentLists::Add(
    absl::Span<const TimedNetwork> elements) {
  std::vector<ElementFailure> failures;
  const Instant now = Clock::now();
  for (size_t i = 0; i < elements.size(); ++i) {
    const auto& [network, left] = elements[i];
    if (!IsClient(network)) {
      failures.push_back({i, NotCovered(network)});
      continue;
    }
    File& file = FileOf(network);
    if (absl::Status status = Write(file, '+', network); !status.ok()) {
      failures.push_back({i, std::move(status)});
    } else {
      file.endings.Note(network, left, now);
    }
  }
  return failures;
}

std::vector<ElementFailure> RecentLists::Remove(
    absl::Span<const Network> networks) {
  std::vector<ElementFailure> failures;
  for (size_t i = 0; i < networks.size(); ++i) {
    if (!IsClient(networks[i])) {
      failures.push_back({i, NotCovered(networks[i])});
      continue;
    }
    File& file = FileOf(networks[i]);
    file.endings.Forget(networks[i]);
    absl::Status status = Write(file, '-', networks[i]);
    if (!status.ok()) failures.push_back({i, std::move(status)});
  }
  return failures;
}

absl::StatusOr<std::vector<TimedNetwork>> RecentLists::List() {
  const Instant now = Clock::now();
  std::vector<TimedNetwork> result = files_[0].endings.List(now);
  const std::vector<TimedNetwork> others = files_[1].endings.List(now);
  result.insert(result.end(), others.begin(), others.end());
  return result;
}

}  // namespace breakwater
