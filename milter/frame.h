#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace breakwater {

// What a milter's peer sends, looked at before libmilter acts on it.
//
// libmilter trusts its peer in places: an odd number of macro strings has its
// search for a macro run behind the end of the list, a command or a client's
// name without its NUL is read on into whatever follows, half a frame holds a
// thread for two hours, and each thing that it refuses itself is a line in
// syslog, as many as the peer likes. No frame that is not as an MTA makes it
// gets that far.

// Command and payload: what libmilter takes unless more is agreed on, which we
// never do.
inline constexpr size_t kLongestFrame = 65'536;
// Macros of one stage, or the words of one MAIL or RCPT: far more than any MTA
// sends. libmilter keeps a pointer for each, as long as the session lasts.
inline constexpr size_t kMostStrings = 1024;

// What is wrong with a frame, in a few words, or null.
const char* FrameFault(char command, std::string_view payload);

// Follows the bytes of one connection as libmilter reads them: the length (four
// bytes, big-endian) and the command, then the payload, all of it into one
// place. The payload is looked at there, once it is whole and before libmilter
// knows that it is.
//
// One thread at a time.
class FrameReader {
 public:
  // How many bytes libmilter may be given at most, so that its read ends where
  // the part ends that it reads.
  size_t Wanted() const;
  // It is given these. What is wrong, or null; after a fault the connection is
  // to be ended.
  const char* Take(const char* bytes, size_t count);
  // The rest of a frame is owed.
  bool IsInFrame() const { return header_size_ > 0; }
  // A whole frame has come.
  bool HasNegotiated() const { return has_negotiated_; }

 private:
  static constexpr size_t kHeader = 5;

  char command() const { return header_[kHeader - 1]; }
  const char* HeaderFault();
  const char* Finish();

  std::array<char, kHeader> header_{};
  size_t header_size_ = 0;
  const char* payload_ = nullptr;  // as far as it has come
  size_t payload_size_ = 0;
  size_t payload_taken_ = 0;
  bool has_negotiated_ = false;
};

}  // namespace breakwater
