// The SMTP server that the tests put behind breakwater-tcp, as qmail-smtpd
// would be: one session on descriptors 0 and 1, one file for each message.
//
//   tcp_smtpd DIRECTORY
//
// Each message begins with what the program found: the client's address, its
// descriptors, and what it does on SIGPIPE.

#include <dirent.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

namespace {

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "unset" : value;
}

std::string Descriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  std::set<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name[0] != '.' && name != std::to_string(dirfd(directory))) {
      names.insert(name);
    }
  }
  closedir(directory);
  std::string result;
  for (const std::string& name : names) result += " " + name;
  return result;
}

std::string FoundHere() {
  struct sigaction action;
  sigaction(SIGPIPE, nullptr, &action);
  return "X-Client: " + Variable("TCPREMOTEIP") +
         "\nX-Relay: " + Variable("RELAYCLIENT") +
         "\nX-Descriptors:" + Descriptors() + "\nX-Sigpipe: " +
         (action.sa_handler == SIG_DFL ? "default" : "changed") + "\n";
}

void Say(const char* reply) { std::cout << reply << "\r\n" << std::flush; }

bool ReadLine(std::string& line) {
  if (!std::getline(std::cin, line)) return false;
  if (line.ends_with('\r')) line.pop_back();
  return true;
}

// To the dot; false if the client goes before.
bool ReadMessage(std::string& message) {
  for (std::string line; ReadLine(line);) {
    if (line == ".") return true;
    message += line + "\n";
  }
  return false;
}

bool Store(const std::string& directory, const std::string& message) {
  static int count = 0;
  const std::string name = directory + "/" + std::to_string(getpid()) + "." +
                           std::to_string(++count);
  // Elsewhere first, so that nobody sees half of it.
  const std::string draft =
      directory + "/../drafts/" + std::to_string(getpid());
  std::ofstream file(draft);
  file << message << std::flush;
  return file && rename(draft.c_str(), name.c_str()) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 100;
  const std::string found = FoundHere();
  Say("220 mail.test ESMTP");
  for (std::string line; ReadLine(line);) {
    if (line == "QUIT") {
      Say("221 bye");
      return 0;
    }
    if (line != "DATA") {
      Say("250 ok");
      continue;
    }
    Say("354 go ahead");
    std::string message = found;
    if (!ReadMessage(message)) return 0;
    Say(Store(argv[1], message) ? "250 stored" : "451 not stored");
  }
  return 0;
}
