#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/fakes/net_namespace.h"
#include "tests/reaper/tcp_sockets.h"

namespace breakwater {

// A cable from this thread's network namespace, in which the mail server is
// 192.0.2.1 and 2001:db8::1, to another one with the clients in it.
class Cable {
 public:
  Cable() {
    const int mine = Namespace();
    if (unshare(CLONE_NEWNET) != 0) std::abort();
    clients_ = Namespace();
    Run("ip link set lo up");
    if (setns(mine, CLONE_NEWNET) != 0) std::abort();
    close(mine);
    Run("ip link add mail0 type veth peer name mail1 netns /proc/" +
        std::to_string(getpid()) + "/fd/" + std::to_string(clients_));
    Run("ip addr add 192.0.2.1/23 dev mail0 && ip link set mail0 up");
    Run("ip -6 addr add 2001:db8::1/47 dev mail0 nodad");
    const InClients inside(*this);
    Run("ip link set mail1 up");
  }
  ~Cable() { close(clients_); }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  // The thread is in the clients' namespace while this lives.
  class InClients {
   public:
    explicit InClients(const Cable& cable) : back_(Namespace()) {
      if (setns(cable.clients_, CLONE_NEWNET) != 0) std::abort();
    }
    ~InClients() {
      if (setns(back_, CLONE_NEWNET) != 0) std::abort();
      close(back_);
    }

   private:
    int back_;
  };

  // "192.0.2.5/24", "2001:db8:0:5::5/48"
  void AddClient(const std::string& address) {
    const InClients inside(*this);
    const bool v4 = address.find(':') == std::string::npos;
    Run(v4 ? "ip addr add " + address + " dev mail1"
           : "ip -6 addr add " + address + " dev mail1 nodad");
  }

  Session Connect(const std::string& client, const TcpSocketFd& listener,
                  uint16_t port) {
    Session session;
    {
      const InClients inside(*this);
      session = ConnectFrom(client, ServerOf(client), port, listener, false);
    }
    session.server =
        TcpSocketFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return session;
  }
  // Whether a new connection comes about within a moment.
  bool CanConnect(const std::string& client, uint16_t port = 25) {
    const InClients inside(*this);
    Endpoint from = Endpoint::Of(client, 0);
    Endpoint to = Endpoint::Of(ServerOf(client), port);
    const TcpSocketFd socket(
        ::socket(from.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0));
    bind(socket.get(), from.raw(), from.size);
    connect(socket.get(), to.raw(), to.size);
    pollfd waiting{socket.get(), POLLOUT, 0};
    return poll(&waiting, 1, 500) == 1 && (waiting.revents & POLLERR) == 0;
  }

 private:
  static int Namespace() {
    return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  }
  static const char* ServerOf(const std::string& client) {
    return client.find(':') == std::string::npos ? "192.0.2.1" : "2001:db8::1";
  }
  static void Run(const std::string& command) {
    if (!NetNamespace::Run(command)) std::abort();
  }

  int clients_;
};

}  // namespace breakwater
