// What a SYN of a banned client costs the host, by the rules that breakwater(8)
// prints: a flood over a cable between two network namespaces, whose packets
// the sender's own processor carries to the rules. What is told is the time
// above a bare rule that drops all of it, the limit, in the same run. Needs
// root. Arguments: how many are banned (else 1,000 and 100,000), and how many
// networks are protected (else none), which is to cost nothing.

#include <arpa/inet.h>
#include <linux/ip.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "tests/fakes/cable.h"

namespace breakwater {
namespace {

constexpr int kRounds = 5;
constexpr size_t kPackets = 100'000;
constexpr size_t kAtOnce = 64;
constexpr uint32_t kFirstBanned = 0x0b000000;  // 11.0.0.0

struct Packet {
  iphdr ip;
  tcphdr tcp;
} __attribute__((packed));

uint16_t Checksum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

// From one of those who are banned; the kernel completes the IP header.
Packet SynFrom(uint32_t source) {
  Packet packet{};
  packet.ip.version = 4;
  packet.ip.ihl = 5;
  packet.ip.ttl = 64;
  packet.ip.protocol = IPPROTO_TCP;
  packet.ip.saddr = htonl(source);
  packet.ip.daddr = inet_addr("192.0.2.1");
  packet.tcp.source = htons(40'000);
  packet.tcp.dest = htons(25);
  packet.tcp.seq = htonl(source);
  packet.tcp.doff = 5;
  packet.tcp.syn = 1;
  packet.tcp.window = htons(65'535);
  std::vector<uint8_t> summed(12 + sizeof packet.tcp);
  std::memcpy(summed.data(), &packet.ip.saddr, 8);
  summed[9] = IPPROTO_TCP;
  summed[11] = sizeof packet.tcp;
  std::memcpy(summed.data() + 12, &packet.tcp, sizeof packet.tcp);
  packet.tcp.check = Checksum(summed);
  return packet;
}

class Flood {
 public:
  Flood(const Cable& cable, uint32_t banned) : cable_(cable) {
    const Cable::InClients inside(cable);
    socket_ = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
    if (socket_ < 0) std::abort();
    // All over the set, so that its memory is looked at as a wave does.
    for (size_t i = 0; i < packets_.size(); ++i) {
      packets_[i] =
          SynFrom(kFirstBanned + static_cast<uint32_t>(i * 7919 % banned));
    }
  }
  ~Flood() { close(socket_); }
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;

  // Nanoseconds a packet.
  double Send() {
    const Cable::InClients inside(cable_);
    const Instant begin = Clock::now();
    for (size_t sent = 0; sent < kPackets; sent += kAtOnce) SendSome(sent);
    return std::chrono::duration<double, std::nano>(Clock::now() - begin)
               .count() /
           kPackets;
  }

 private:
  void SendSome(size_t first) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = inet_addr("192.0.2.1");
    mmsghdr messages[kAtOnce] = {};
    iovec parts[kAtOnce];
    for (size_t i = 0; i < kAtOnce; ++i) {
      parts[i] = {&packets_[(first + i) % packets_.size()], sizeof(Packet)};
      messages[i].msg_hdr.msg_name = &to;
      messages[i].msg_hdr.msg_namelen = sizeof to;
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    if (sendmmsg(socket_, messages, kAtOnce, 0) != kAtOnce) std::abort();
  }

  const Cable& cable_;
  int socket_ = -1;
  std::vector<Packet> packets_ = std::vector<Packet>(8192);
};

// What TCP has seen in this namespace: what is dropped before is not in it.
long SegmentsSeen() {
  std::ifstream file("/proc/thread-self/net/snmp");
  std::string line;
  std::string values;
  while (std::getline(file, line)) {
    if (line.starts_with("Tcp: ")) values = line;
  }
  long number = 0;
  const char* at = values.c_str() + 5;
  for (int field = 0; field < 10; ++field) {
    number = std::strtol(at, const_cast<char**>(&at), 10);
  }
  return number;
}

void Must(const std::string& command) {
  if (NetNamespace::Run(command)) return;
  std::fprintf(stderr, "failed: %s\n", command.c_str());
  std::exit(1);
}

struct Rules {
  const char* name;
  const char* config;
  std::vector<std::string> load;  // $P: the program and its configuration
  const char* set;                // of ipset or nft, which is filled
};

void Fill(const Rules& rules, uint32_t banned) {
  const bool nft = std::string(rules.set).starts_with("nft ");
  const std::string set = std::string(rules.set).substr(4);
  const std::string path = "/tmp/breakwater-syn-bench";
  {
    std::ofstream file(path);
    if (nft) file << "add element inet breakwater " << set << " {";
    for (uint32_t i = 0; i < banned; ++i) {
      const in_addr address{htonl(kFirstBanned + i)};
      if (nft) {
        file << inet_ntoa(address) << " timeout 600s,";
      } else {
        file << "add " << set << " " << inet_ntoa(address) << " timeout 600\n";
      }
    }
    if (nft) file << "}\n";
  }
  Must((nft ? "nft -f " : "ipset -exist restore -file ") + path);
  std::remove(path.c_str());
}

// The median of several, each in a namespace of its own.
double Measure(const Rules& rules, uint32_t banned, int protects) {
  const NetNamespace here;
  if (!here.made()) {
    std::fprintf(stderr, "needs root, for a network namespace\n");
    std::exit(1);
  }
  Cable cable;
  cable.AddClient("192.0.2.5/23");
  Must(
      "sysctl -qw net.ipv4.conf.all.rp_filter=0 "
      "net.ipv4.conf.mail0.rp_filter=0");
  Must(
      "ip route add default dev mail0 && ip neigh replace 11.0.0.0 lladdr "
      "02:00:00:00:00:01 dev mail0");
  const std::string config = "/tmp/breakwater-syn-bench.toml";
  {
    std::ofstream file(config);
    file << "protect.networks = [";
    for (int i = 0; i < protects; ++i) {
      file << "\"172." << i / 250 << "." << i % 250 << ".0/24\", ";
    }
    file << "]\n" << rules.config;
  }
  for (std::string command : rules.load) {
    for (size_t at; (at = command.find("$P")) != std::string::npos;) {
      command.replace(
          at, 2,
          BREAKWATER_PROGRAM " --config " + config + " firewall print --for");
    }
    Must(command);
  }
  if (rules.set != nullptr) Fill(rules, banned);
  Flood flood(cable, banned);
  flood.Send();
  const long before = SegmentsSeen();
  std::vector<double> times;
  for (int i = 0; i < kRounds; ++i) times.push_back(flood.Send());
  const long seen = SegmentsSeen() - before;
  if (seen > 0) {
    std::fprintf(stderr, "%s: %ld packets came through\n", rules.name, seen);
    std::exit(1);
  }
  std::remove(config.c_str());
  std::ranges::sort(times);
  return times[kRounds / 2];
}

constexpr char kExtend[] = "[ban]\nextend = true\n";
constexpr char kNft[] = "[firewall]\nbackend = \"nftables\"\n";
constexpr char kNftExtend[] =
    "[firewall]\nbackend = \"nftables\"\n[ban]\nextend = true\n";

const Rules kAll[] = {
    {"bare: raw, -j DROP",
     "",
     {"iptables -t raw -A PREROUTING -p tcp --dport 25 -j DROP"},
     nullptr},
    {"iptables and ipset",
     "",
     {"$P ipset | ipset -exist restore",
      "$P iptables | iptables-restore --noflush"},
     "ips breakwater4"},
    {"the same, a hit extends",
     kExtend,
     {"$P ipset | ipset -exist restore",
      "$P iptables | iptables-restore --noflush"},
     "ips breakwater4-extend"},
    {"the same, reject",
     "",
     {"$P ipset | ipset -exist restore",
      "$P iptables --action reject | iptables-restore --noflush"},
     "ips breakwater4"},
    {"nftables", kNft, {"$P nftables | nft -f -"}, "nft breakwater4"},
    {"the same, a hit extends",
     kNftExtend,
     {"$P nftables | nft -f -"},
     "nft breakwater4-extend"},
};

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) {
  using namespace breakwater;
  std::vector<uint32_t> sizes = {1'000, 100'000};
  if (argc > 1) sizes = {static_cast<uint32_t>(std::atoi(argv[1]))};
  const int protects = argc > 2 ? std::atoi(argv[2]) : 0;
  for (const uint32_t banned : sizes) {
    std::printf("%u banned, %d networks protected, ns for each SYN\n", banned,
                protects);
    double limit = 0;
    for (const Rules& rules : kAll) {
      const double time = Measure(rules, banned, protects);
      if (limit == 0) limit = time;
      std::printf("  %-30s %6.0f   above the bare rule %6.0f\n", rules.name,
                  time, time - limit);
    }
  }
}
