#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace breakwater {

// Writes DNS messages (RFC 1035 section 4) as servers do, and as they should
// not. An owner that is the question's name is a pointer to it.
using Bytes = std::vector<uint8_t>;

inline constexpr uint16_t kTypeA = 1;
inline constexpr uint16_t kTypeCname = 5;
inline constexpr uint16_t kTypeSoa = 6;
inline constexpr uint16_t kTypeMx = 15;
inline constexpr uint16_t kTypeTxt = 16;
inline constexpr uint16_t kTypeAaaa = 28;

struct DnsQuestion {
  uint16_t id = 0;
  std::string name;  // as asked, without a trailing dot
  uint16_t type = kTypeA;
  bool recursion_desired = false;
  bool edns = false;
};

struct DnsRecord {
  std::string name;
  uint16_t type = kTypeA;
  uint32_t ttl = 300;
  Bytes data;
  std::optional<uint16_t> length;  // a false one
};

Bytes EncodeName(std::string_view name);
DnsRecord ARecord(std::string name, const char* address, uint32_t ttl = 300);
DnsRecord AaaaRecord(std::string name, const char* address, uint32_t ttl = 300);
// "" or "." is the root.
DnsRecord MxRecord(std::string name, uint16_t preference, std::string_view host,
                   uint32_t ttl = 300);
DnsRecord TxtRecord(std::string name, std::vector<std::string> strings,
                    uint32_t ttl = 300);
DnsRecord CnameRecord(std::string name, std::string_view target,
                      uint32_t ttl = 300);
DnsRecord SoaRecord(std::string name, uint32_t ttl, uint32_t minimum);

struct DnsMessage {
  DnsQuestion question;
  int rcode = 0;
  bool response = true;
  bool truncated = false;
  std::vector<DnsRecord> answers;
  std::vector<DnsRecord> authority;

  Bytes Encode() const;
};

// Reads a question; nothing if it is none.
std::optional<DnsQuestion> DecodeQuestion(const uint8_t* data, size_t size);

}  // namespace breakwater
