#include "milter/frame.h"

#include <arpa/inet.h>
#include <strings.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace breakwater {
namespace {

constexpr size_t kNumber = sizeof(uint32_t);
constexpr size_t kNegotiation = 3 * kNumber;
constexpr uint32_t kOldestVersion = 2;

uint32_t NumberAt(const char* bytes) {
  uint32_t wire = 0;
  std::memcpy(&wire, bytes, sizeof wire);
  return ntohl(wire);
}

bool IsTerminated(std::string_view strings) {
  return !strings.empty() && strings.back() == '\0';
}

size_t CountStrings(std::string_view strings) {
  return static_cast<size_t>(std::ranges::count(strings, '\0'));
}

const char* NegotiationFault(std::string_view payload) {
  if (payload.size() < kNegotiation) return "a negotiation cut short";
  const uint32_t version = NumberAt(payload.data());
  // libmilter takes it for a signed number.
  if (version < kOldestVersion || version > INT32_MAX) {
    return "a version of the protocol that is not known";
  }
  return nullptr;
}

// What libmilter itself would refuse, as it reads it: in its own words.
bool IsAddress(char family, const char* text) {
  in6_addr address;
  switch (family) {
    case '4':
      return inet_aton(text, reinterpret_cast<in_addr*>(&address)) == 1;
    case '6':
      if (strncasecmp(text, "IPv6:", 5) == 0) text += 5;
      return inet_pton(AF_INET6, text, &address) == 1;
    case 'L':
      return std::strlen(text) < sizeof sockaddr_un{}.sun_path;
  }
  return false;
}

// The client's name, the family of its address, the port, the address.
const char* ConnectFault(std::string_view payload) {
  const size_t end = payload.find('\0');
  if (end == payload.npos) return "a client's name without end";
  payload.remove_prefix(end + 1);
  if (payload.empty()) return "a client without a family";
  const char family = payload[0];
  payload.remove_prefix(1);
  if (family == 'U') return nullptr;
  if (payload.size() <= sizeof(uint16_t)) return "a client without an address";
  payload.remove_prefix(sizeof(uint16_t));
  if (!IsTerminated(payload)) return "a client's address without end";
  if (!IsAddress(family, payload.data())) {
    return "a client's address that is none";
  }
  return nullptr;
}

const char* StringsFault(std::string_view payload) {
  if (!IsTerminated(payload)) return "a string without end";
  if (CountStrings(payload) > kMostStrings) return "too many strings";
  return nullptr;
}

// The command that they belong to, then names and values.
const char* MacrosFault(std::string_view payload) {
  if (payload.empty()) return "macros of no command";
  payload.remove_prefix(1);
  if (payload.empty()) return nullptr;
  if (const char* fault = StringsFault(payload)) return fault;
  if (CountStrings(payload) % 2 != 0) return "a macro without a value";
  return nullptr;
}

const char* HeaderLineFault(std::string_view payload) {
  if (const char* fault = StringsFault(payload)) return fault;
  if (payload[0] == '\0') return "a header line without a name";
  if (CountStrings(payload) < 2) return "a header line without a value";
  return nullptr;
}

}  // namespace

const char* FrameFault(char command, std::string_view payload) {
  switch (command) {
    case 'A':  // abort
    case 'E':  // end of message, with the last of the body
    case 'K':  // quit, and another client follows
    case 'N':  // end of the header
    case 'Q':  // quit
    case 'T':  // DATA
      return nullptr;
    case 'B':  // body
      return payload.empty() ? "a piece of a body that is empty" : nullptr;
    case 'C':
      return ConnectFault(payload);
    case 'D':
      return MacrosFault(payload);
    case 'H':  // HELO
    case 'M':  // MAIL
    case 'R':  // RCPT
    case 'U':  // a command that the MTA does not know
      return StringsFault(payload);
    case 'L':
      return HeaderLineFault(payload);
    case 'O':
      return NegotiationFault(payload);
  }
  return "a command that is not known";
}

size_t FrameReader::Wanted() const {
  return header_size_ < kHeader ? kHeader - header_size_
                                : payload_size_ - payload_taken_;
}

const char* FrameReader::Take(const char* bytes, size_t count) {
  if (header_size_ < kHeader) {
    std::memcpy(header_.data() + header_size_, bytes, count);
    header_size_ += count;
    if (header_size_ < kHeader) return nullptr;
    if (const char* fault = HeaderFault()) return fault;
    return payload_size_ == 0 ? Finish() : nullptr;
  }
  if (payload_ == nullptr) payload_ = bytes;
  if (bytes != payload_ + payload_taken_) return "not where it was expected";
  payload_taken_ += count;
  return payload_taken_ == payload_size_ ? Finish() : nullptr;
}

const char* FrameReader::HeaderFault() {
  const uint32_t length = NumberAt(header_.data());
  if (length == 0) return "a frame without a command";
  if (length > kLongestFrame) return "a frame longer than 64 KiB";
  if ((command() == 'O') == has_negotiated_) {
    return has_negotiated_ ? "another negotiation"
                           : "no negotiation at the beginning";
  }
  payload_size_ = length - 1;
  return nullptr;
}

const char* FrameReader::Finish() {
  const char* fault =
      FrameFault(command(), payload_ == nullptr
                                ? std::string_view()
                                : std::string_view(payload_, payload_size_));
  has_negotiated_ = true;
  header_size_ = payload_size_ = payload_taken_ = 0;
  payload_ = nullptr;
  return fault;
}

}  // namespace breakwater
