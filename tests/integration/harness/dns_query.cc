// The plain question of dns_list.h. Small on purpose, and not the project's
// resolver: a test of that one should not ask it.
#include <arpa/nameser.h>
#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/integration/harness/dns_list.h"
#include "tests/integration/harness/socket_address.h"

namespace breakwater::testing {
namespace {

void AppendNumber(std::string& out, uint16_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

std::string Question(uint16_t id, const std::string& name, DnsType type) {
  std::string out;
  AppendNumber(out, id);
  AppendNumber(out, 0x0100);  // recursion desired
  for (int count : {1, 0, 0, 0})
    AppendNumber(out, static_cast<uint16_t>(count));
  for (const auto& label : absl::StrSplit(name, '.', absl::SkipEmpty())) {
    out += static_cast<char>(label.size());
    out.append(label.data(), label.size());
  }
  out += '\0';
  AppendNumber(out, static_cast<uint16_t>(type));
  AppendNumber(out, 1);  // IN
  return out;
}

std::string RecordText(const ns_rr& record) {
  const unsigned char* data = ns_rr_rdata(record);
  if (ns_rr_type(record) == ns_t_a && ns_rr_rdlen(record) == 4) {
    return absl::StrJoin(data, data + 4, ".");
  }
  std::string text;
  for (size_t at = 0; at < ns_rr_rdlen(record); at += 1 + data[at]) {
    size_t left = ns_rr_rdlen(record) - at - 1;
    text.append(reinterpret_cast<const char*>(data + at + 1),
                std::min<size_t>(data[at], left));
  }
  return text;
}

absl::StatusOr<DnsAnswer> ParseAnswer(const unsigned char* bytes, size_t size,
                                      DnsType type) {
  ns_msg message;
  if (ns_initparse(bytes, static_cast<int>(size), &message) != 0) {
    return absl::DataLossError("not a DNS message");
  }
  DnsAnswer answer;
  answer.rcode = ns_msg_getflag(message, ns_f_rcode);
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) == 0 &&
        ns_rr_type(record) == static_cast<uint16_t>(type)) {
      answer.records.push_back(RecordText(record));
    }
  }
  return answer;
}

}  // namespace

absl::StatusOr<DnsAnswer> AskDns(const Namespace& where,
                                 const std::string& server,
                                 const std::string& name, DnsType type,
                                 std::chrono::milliseconds patience,
                                 uint16_t port) {
  std::string doing = absl::StrCat("asking ", server, " for ", name);
  SocketAddress to(server, port);
  int fd = -1;
  {
    InNamespace here(where);
    fd = socket(to.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }
  if (fd < 0) return absl::ErrnoToStatus(errno, doing);
  std::string question = Question(0x4277, name, type);
  unsigned char reply[4096];
  ssize_t size = -1;
  bool late = false;
  if (connect(fd, to.get(), to.size) == 0 &&
      send(fd, question.data(), question.size(), MSG_NOSIGNAL) > 0) {
    pollfd waiting = {fd, POLLIN, 0};
    late = poll(&waiting, 1, static_cast<int>(patience.count())) == 0;
    if (!late) size = recv(fd, reply, sizeof reply, 0);
  }
  int error = errno;
  close(fd);
  if (late) return absl::DeadlineExceededError(doing);
  if (size < 0) return absl::ErrnoToStatus(error, doing);
  return ParseAnswer(reply, static_cast<size_t>(size), type);
}

std::string DnsListName(const std::string& address, const std::string& zone) {
  unsigned char bytes[16];
  std::string name = zone;
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) {
    for (int i = 0; i < 4; ++i) {
      name = absl::StrCat(static_cast<int>(bytes[i]), ".", name);
    }
  } else if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) {
    for (int i = 0; i < 16; ++i) {
      name = absl::StrFormat("%x.%x.%s", bytes[i] & 15, bytes[i] >> 4, name);
    }
  }
  return name;
}

}  // namespace breakwater::testing
