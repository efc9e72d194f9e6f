#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace breakwater {

// A network namespace of the test's own, with loopback up: sets, rules and
// sockets made in it are gone afterwards, and nothing of the host is touched.
// Holds for the thread that makes it and for those started from it since.
class NetNamespace {
 public:
  NetNamespace()
      : before_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    made_ = before_ >= 0 && unshare(CLONE_NEWNET) == 0 &&
            Run("ip link set lo up") &&
            // The tests are about TCP, not about duplicate addresses.
            Run("sysctl -qw net.ipv6.conf.lo.accept_dad=0");
  }
  ~NetNamespace() {
    if (before_ < 0) return;
    if (setns(before_, CLONE_NEWNET) != 0) std::abort();
    close(before_);
  }
  NetNamespace(const NetNamespace&) = delete;
  NetNamespace& operator=(const NetNamespace&) = delete;

  // False where the test may not make one: not root, or no such kernel.
  bool made() const { return made_; }

  // Runs a command of iproute2, ipset or iptables in it.
  static bool Run(const std::string& command) {
    return std::system(command.c_str()) == 0;
  }
  // What the command prints.
  static std::string Output(const std::string& command) {
    FILE* pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return "";
    std::string text;
    char part[4096];
    while (const size_t size = fread(part, 1, sizeof part, pipe)) {
      text.append(part, size);
    }
    pclose(pipe);
    return text;
  }

 private:
  const int before_;
  bool made_ = false;
};

}  // namespace breakwater
