#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace breakwater {

// What Courier's submit asks about a message.
struct FilterRequest {
  std::vector<std::string> files;  // the data file, then the control files
  pid_t asker = 0;                 // the submit process; 0 if it is unknown
};

// The names of the files, one to a line, then an empty line.
std::vector<std::string> ParseFileNames(std::string_view request);

// Courier's filter protocol (courierfilter(8)) on the socket NAME in
// DIRECTORY/allfilters, where filters sit that see every message, whatever a
// recipient's own settings.
//
// While the name stands there and nobody answers on the socket, Courier
// answers 432 to everybody's mail: so it appears only once the socket listens,
// and who is to end takes it away first.
class FilterSocket {
 public:
  FilterSocket(std::string directory, std::string name);
  ~FilterSocket();  // closes, and leaves the name
  FilterSocket(const FilterSocket&) = delete;
  FilterSocket& operator=(const FilterSocket&) = delete;

  // Makes it, in place of one that was left behind. False, with errno set, if
  // that fails.
  bool Open();
  // No message comes from now on but those that are on their way. What another
  // process has put in the place of ours stays.
  void Withdraw();

  // Takes one message's request after the other and has `answer` say what
  // Courier is to say, without CRLF, until the socket is withdrawn and nobody
  // waits any more. As many messages at a time as threads call it. A
  // connection on which nothing comes is answered after some seconds, as a
  // request without files.
  void Serve(const std::function<std::string(const FilterRequest&)>& answer);

 private:
  const std::string path_;
  const std::string hidden_path_;
  const std::string other_path_;
  int fd_ = -1;
  ino_t inode_ = 0;  // of the name
};

}  // namespace breakwater
