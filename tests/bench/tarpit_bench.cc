// What 10,000 clients that breakwater-tarpit holds cost, in the program and in
// the kernel, in a network namespace of its own. Needs root.
//
//   sudo bin/tarpit_bench PROGRAM [CLIENTS] [SECONDS]

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr uint16_t kPort = 2525;
// Below the usual hard limit on descriptors.
constexpr int kEach = 5000;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// The number behind a name in one of the kernel's tables.
double Value(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    double value = 0;
    if (word == name && file >> value) return value;
  }
  return 0;
}

// Processor seconds of a process so far.
double CpuOf(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  double ticks = 0;
  for (int i = 1; i <= 15 && file >> word; ++i) {
    if (i >= 14) ticks += std::stod(word);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double ResidentOf(pid_t pid) {
  return Value("/proc/" + std::to_string(pid) + "/status", "VmRSS:");
}

void MoreDescriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

pid_t StartTarpit(const char* program, int clients) {
  const std::string most = std::to_string(clients);
  const pid_t pid = fork();
  if (pid == 0) {
    execl(program, program, "--user", "nobody", "--max", most.c_str(),
          static_cast<char*>(nullptr));
    Die(program);
  }
  return pid;
}

bool IsUp() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(kPort)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool up = connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  close(fd);
  return up;
}

// Connects from addresses of 127.0.0.0/8, which need not be there, and stays.
pid_t StartClients(int first, int count, int ready) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  MoreDescriptors();
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET};
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    address.sin_addr.s_addr =
        htonl(0x7f010001 + static_cast<uint32_t>(first + i));
    if (bind(fd, generic, sizeof address) != 0) Die("bind");
    address.sin_port = htons(kPort);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, generic, sizeof address) != 0) Die("connect");
  }
  (void)!write(ready, "r", 1);
  pause();
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: tarpit_bench PROGRAM [CLIENTS] [SECONDS]\n");
    return 2;
  }
  const int clients = argc > 2 ? std::atoi(argv[2]) : 10'000;
  const int seconds = argc > 3 ? std::atoi(argv[3]) : 20;
  if (unshare(CLONE_NEWNET) != 0) Die("a network namespace");
  if (std::system("ip link set lo up") != 0) return 1;

  const pid_t tarpit = StartTarpit(argv[1], clients);
  while (!IsUp()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double resident = ResidentOf(tarpit);
  const double slab = Value("/proc/meminfo", "Slab:");

  int ready[2];
  if (pipe(ready) != 0) Die("pipe");
  std::vector<pid_t> pids;
  const auto begin = std::chrono::steady_clock::now();
  for (int first = 0; first < clients; first += kEach) {
    pids.push_back(
        StartClients(first, std::min(kEach, clients - first), ready[1]));
  }
  for (size_t i = 0; i < pids.size(); ++i) {
    char byte;
    (void)!read(ready[0], &byte, 1);
  }
  const std::chrono::duration<double> made =
      std::chrono::steady_clock::now() - begin;
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const double cpu = CpuOf(tarpit);
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const double share = (CpuOf(tarpit) - cpu) / seconds;
  const double tens = clients / 10'000.0;
  std::printf("clients held        %d, connected in %.2f s\n", clients,
              made.count());
  std::printf("per 10,000 clients\n");
  std::printf("  program           %.2f MB resident\n",
              (ResidentOf(tarpit) - resident) / 1024 / tens);
  std::printf("  kernel            %.1f MB of slab, both ends\n",
              (Value("/proc/meminfo", "Slab:") - slab) / 1024 / tens);
  std::printf("  processor         %.2f %% of one core at 1 byte/5 s\n",
              100 * share / tens);
  for (const pid_t pid : pids) kill(pid, SIGKILL);
  kill(tarpit, SIGTERM);
  while (wait(nullptr) > 0) {
  }
  return 0;
}
