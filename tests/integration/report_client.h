#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace breakwater::testing {

// Sends the lines to a report socket, as that user, and returns what is
// answered until the server closes or says nothing for ten seconds.
inline std::vector<std::string> Report(const std::string& path,
                                       const std::string& lines,
                                       uid_t user = 0) {
  std::string text;
  // The kernel notes who connects; only this thread becomes somebody else.
  std::thread([&] {
    if (user != 0) syscall(SYS_setresuid, user, user, user);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) !=
        0) {
      text = std::string("cannot connect: ") + std::strerror(errno) + "\n";
    } else {
      std::thread sender([&] {
        send(fd, lines.data(), lines.size(), MSG_NOSIGNAL);
        shutdown(fd, SHUT_WR);
      });
      char bytes[4096];
      for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
        text.append(bytes, static_cast<size_t>(n));
      }
      sender.join();
    }
    close(fd);
  }).join();
  std::vector<std::string> answers;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    answers.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return answers;
}

}  // namespace breakwater::testing
