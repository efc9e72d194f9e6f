#pragma once

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace breakwater {

// A directory as Courier keeps its state in, which goes with its owner.
class Scratch {
 public:
  Scratch() {
    char name[] = "/tmp/bw-courier.XXXXXX";
    path_ = mkdtemp(name);
    for (const char* part : {"/allfilters", "/filters", "/tmp"}) {
      std::filesystem::create_directory(path_ + part);
    }
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  // The whole name of a file with that content.
  std::string File(const std::string& name, const std::string& content) const {
    const std::string path = path_ + "/tmp/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

 private:
  std::string path_;
};

inline sockaddr_un UnixAddress(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// To the end of what the peer says, or to the bytes if they come before.
inline std::string ReadUntil(int fd, std::string_view end) {
  std::string all;
  char c;
  while (!(!end.empty() && all.ends_with(end)) && read(fd, &c, 1) == 1) {
    all.push_back(c);
  }
  return all;
}

// Says what a submit process says, and what it is answered, to the end.
inline std::string AskFilter(const std::string& socket_path,
                             const std::string& request) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = UnixAddress(socket_path);
  std::string answer = "no connection";
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address),
              sizeof address) == 0) {
    (void)send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    answer = ReadUntil(fd, "");
  }
  close(fd);
  return answer;
}

// Answers each request by the function, one after the other.
class FakePolicyServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;

  FakePolicyServer(std::string path, Answer answer) : path_(std::move(path)) {
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = UnixAddress(path_);
    EXPECT_EQ(bind(listening_, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address),
              0);
    EXPECT_EQ(listen(listening_, 100), 0);
    thread_ = std::thread([this, answer = std::move(answer)] {
      for (int fd; (fd = accept(listening_, nullptr, nullptr)) >= 0;
           close(fd)) {
        const std::string request = ReadUntil(fd, "\n\n");
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(request);
        }
        const std::string bytes = answer(request);
        (void)send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      }
    });
  }
  ~FakePolicyServer() {
    shutdown(listening_, SHUT_RDWR);
    thread_.join();
    close(listening_);
  }

  std::string socket() const { return "unix:" + path_; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  const std::string path_;
  int listening_ = -1;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// Of a stranger with two recipients, as Courier 1.0.16 writes it.
inline constexpr char kControlFile[] =
    "sa@example.org\n"
    "fdns; c.test (ptr.test [::ffff:203.0.113.9])\n"
    "e\nt\n"
    "M0000000000000041.000000006B018C67.00001DBD\n"
    "rhonest@mail.test\nR\nN\n"
    "rgood@mail.test\nR\nN\n"
    "OTCPREMOTEIP=::ffff:203.0.113.9\n"
    "usmtp\nE1795868391\np1795292391\nW1795277991\nT\n";

// Of a user who has logged in.
inline constexpr char kUsersControlFile[] =
    "sa@example.org\n"
    "fdns; c.test ([::ffff:203.0.113.9])\n"
    "e\nt\n"
    "M0000000000000048.000000006B018C67.00001DC7\n"
    "rhonest@mail.test\nR\nN\n"
    "ihonest\n"
    "ORELAYCLIENT=\n"
    "OTCPREMOTEIP=::ffff:203.0.113.9\n"
    "uauthsmtp\nE1795868391\np1795292391\nW1795277991\n";

}  // namespace breakwater
