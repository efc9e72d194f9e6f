#include "daemon/doctor/doctor_probe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/clock.h"
#include "daemon/system/run_program.h"

namespace breakwater {
namespace {

// One that is dropped is dropped each time; one alone may be lost.
constexpr int kTries = 3;
constexpr Duration kPatience = std::chrono::milliseconds(250);
// The addresses of both ends are known beforehand: nobody need ask for them.
constexpr char kHere[] = "02:62:77:00:00:01";
constexpr char kThere[] = "02:62:77:00:00:02";

absl::Status Run(const std::vector<std::string>& words) {
  const absl::StatusOr<ProgramResult> result = RunProgram(words);
  if (!result.ok()) return result.status();
  return result->ToStatus("laying a cable for the test packets");
}

// The Internet checksum (RFC 1071) of a segment, with what precedes it.
uint16_t Checksum(uint32_t client, uint32_t server, const tcphdr& header) {
  struct {
    uint32_t client, server;
    uint8_t zero = 0, protocol = IPPROTO_TCP;
    uint16_t length = htons(sizeof(tcphdr));
    tcphdr header;
  } segment{.client = htonl(client), .server = htonl(server), .header = header};
  uint16_t words[sizeof segment / 2];
  std::memcpy(words, &segment, sizeof segment);
  uint32_t sum = 0;
  for (const uint16_t word : words) sum += word;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

struct SocketAddress {
  explicit SocketAddress(const IpAddress& address) {
    if (address.IsV4()) {
      v4.sin_family = AF_INET;
      v4.sin_addr.s_addr = htonl(address.V4());
      size = sizeof v4;
    } else {
      v6.sin6_family = AF_INET6;
      std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof v6.sin6_addr);
      size = sizeof v6;
    }
  }
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&storage);
  }

  union {
    sockaddr_storage storage{};
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t size = 0;
};

// A raw socket in the calling thread's namespace. Of IPv6 the kernel makes the
// checksum, and shows us no header of its own.
FileDescriptor RawSocket(bool v4) {
  FileDescriptor raw(
      socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));
  const int offset = offsetof(tcphdr, check);
  if (!v4 && setsockopt(raw.get(), IPPROTO_IPV6, IPV6_CHECKSUM, &offset,
                        sizeof offset) != 0) {
    return FileDescriptor();
  }
  return raw;
}

// What a received packet says to our SYN, if it is an answer to it.
DoctorProbe::Answer Read(const uint8_t* packet, size_t size, bool v4,
                         uint16_t port, uint16_t our_port) {
  tcphdr tcp;
  size_t offset = 0;
  if (v4) {
    iphdr ip;
    if (size < sizeof ip) return DoctorProbe::Answer::kNone;
    std::memcpy(&ip, packet, sizeof ip);
    offset = ip.ihl * size_t{4};
  }
  if (size < offset + sizeof tcp) return DoctorProbe::Answer::kNone;
  std::memcpy(&tcp, packet + offset, sizeof tcp);
  if (tcp.source != htons(port) || tcp.dest != htons(our_port)) {
    return DoctorProbe::Answer::kNone;
  }
  if (tcp.rst) return DoctorProbe::Answer::kReset;
  return tcp.syn && tcp.ack ? DoctorProbe::Answer::kAccepted
                            : DoctorProbe::Answer::kNone;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DoctorProbe>> DoctorProbe::Make() {
  FileDescriptor home(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home.is_open()) return absl::ErrnoToStatus(errno, "/proc/self/ns/net");
  if (unshare(CLONE_NEWNET) != 0) {
    return absl::ErrnoToStatus(errno, "making a network namespace");
  }
  FileDescriptor there(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (setns(home.get(), CLONE_NEWNET) != 0) std::abort();
  if (!there.is_open()) return absl::ErrnoToStatus(errno, "/proc/self/ns/net");
  std::unique_ptr<DoctorProbe> probe(
      new DoctorProbe(std::move(home), std::move(there)));
  // What a run left that was killed.
  static_cast<void>(RunProgram({"ip", "link", "del", kInterface}));
  const std::string other_end =
      absl::StrCat("/proc/", getpid(), "/fd/", probe->there_.get());
  const std::vector<std::string> up = {"ip", "link", "set", kInterface, "up"};
  absl::Status status =
      Run({"ip", "link", "add", kInterface, "address", kHere, "type", "veth",
           "peer", "name", kInterface, "address", kThere, "netns", other_end});
  if (status.ok()) status = Run(up);
  if (status.ok()) status = probe->RunThere(up);
  if (!status.ok()) return status;
  return probe;
}

DoctorProbe::~DoctorProbe() {
  // With it go its routes, and its other end.
  static_cast<void>(RunProgram({"ip", "link", "del", kInterface}));
}

absl::Status DoctorProbe::RunThere(const std::vector<std::string>& words) {
  if (setns(there_.get(), CLONE_NEWNET) != 0) {
    return absl::ErrnoToStatus(errno, "entering the test's namespace");
  }
  const absl::Status status = Run(words);
  // To stay would be to do the rest to another network than the host's.
  if (setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
  return status;
}

absl::Status DoctorProbe::Lead(const IpAddress& server) {
  const bool v4 = server.IsV4();
  const Clients clients = v4 ? kIpv4 : kIpv6;
  for (const char* client : {clients.banned, clients.allowed}) {
    absl::Status status =
        Run({"ip", "route", "add", client, "dev", kInterface});
    if (status.ok()) {
      status = Run({"ip", "neigh", "add", client, "lladdr", kThere, "dev",
                    kInterface, "nud", "permanent"});
    }
    if (status.ok()) {
      std::vector<std::string> words = {"ip",   "addr", "add",
                                        client, "dev",  kInterface};
      // Nobody else can have it.
      if (!v4) words.push_back("nodad");
      status = RunThere(words);
    }
    if (!status.ok()) return status;
  }
  absl::Status status =
      RunThere({"ip", "route", "add", server.ToString(), "dev", kInterface});
  if (!status.ok()) return status;
  return RunThere({"ip", "neigh", "add", server.ToString(), "lladdr", kHere,
                   "dev", kInterface, "nud", "permanent"});
}

absl::StatusOr<DoctorProbe::Answer> DoctorProbe::Send(const std::string& from,
                                                      const IpAddress& server,
                                                      uint16_t port) {
  const bool v4 = server.IsV4();
  if (setns(there_.get(), CLONE_NEWNET) != 0) {
    return absl::ErrnoToStatus(errno, "entering the test's namespace");
  }
  // It stays there, whoever uses it.
  const FileDescriptor raw = RawSocket(v4);
  if (setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
  const IpAddress client = *IpAddress::Parse(from);
  const SocketAddress mine(client);
  const SocketAddress theirs(server);
  if (!raw.is_open() || bind(raw.get(), mine.get(), mine.size) != 0) {
    return absl::ErrnoToStatus(errno, "making a raw socket");
  }
  std::random_device random;
  for (int i = 0; i < kTries; ++i) {
    const auto our_port = static_cast<uint16_t>(40'000 + random() % 20'000);
    tcphdr syn{};
    syn.source = htons(our_port);
    syn.dest = htons(port);
    syn.seq = random();
    syn.doff = sizeof syn / 4;
    syn.syn = 1;
    syn.window = htons(1024);
    if (v4) syn.check = Checksum(client.V4(), server.V4(), syn);
    if (sendto(raw.get(), &syn, sizeof syn, 0, theirs.get(), theirs.size) < 0) {
      return absl::ErrnoToStatus(errno, "sending a test packet");
    }
    const Instant end = Clock::now() + kPatience;
    while (true) {
      const auto left = std::chrono::ceil<Duration>(end - Clock::now()).count();
      pollfd waiting{.fd = raw.get(), .events = POLLIN, .revents = 0};
      if (left <= 0 || poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
      uint8_t packet[2048];
      const ssize_t size = recv(raw.get(), packet, sizeof packet, 0);
      if (size <= 0) continue;
      const Answer answer =
          Read(packet, static_cast<size_t>(size), v4, port, our_port);
      // Our kernel resets what it never asked for, by itself.
      if (answer != Answer::kNone) return answer;
    }
  }
  return Answer::kNone;
}

}  // namespace breakwater
