#include "tests/fakes/dns_message.h"

#include <arpa/inet.h>

#include <utility>

namespace breakwater {
namespace {

void Put16(Bytes& bytes, uint32_t value) {
  bytes.push_back(static_cast<uint8_t>(value >> 8));
  bytes.push_back(static_cast<uint8_t>(value));
}

void Put32(Bytes& bytes, uint32_t value) {
  Put16(bytes, value >> 16);
  Put16(bytes, value);
}

void Append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void PutRecord(Bytes& bytes, const DnsRecord& record,
               const std::string& question) {
  if (record.name == question) {
    Put16(bytes, 0xc00c);  // the name at offset 12
  } else {
    Append(bytes, EncodeName(record.name));
  }
  Put16(bytes, record.type);
  Put16(bytes, 1);  // IN
  Put32(bytes, record.ttl);
  Put16(bytes, record.length.value_or(record.data.size()));
  Append(bytes, record.data);
}

}  // namespace

Bytes EncodeName(std::string_view name) {
  Bytes result;
  while (!name.empty()) {
    const size_t dot = std::min(name.find('.'), name.size());
    result.push_back(static_cast<uint8_t>(dot));
    result.insert(result.end(), name.begin(), name.begin() + dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  result.push_back(0);
  return result;
}

DnsRecord ARecord(std::string name, const char* address, uint32_t ttl) {
  in_addr in{};
  inet_pton(AF_INET, address, &in);
  const auto* bytes = reinterpret_cast<const uint8_t*>(&in);
  return {.name = std::move(name),
          .type = kTypeA,
          .ttl = ttl,
          .data = Bytes(bytes, bytes + 4)};
}

DnsRecord AaaaRecord(std::string name, const char* address, uint32_t ttl) {
  in6_addr in{};
  inet_pton(AF_INET6, address, &in);
  return {.name = std::move(name),
          .type = kTypeAaaa,
          .ttl = ttl,
          .data = Bytes(in.s6_addr, in.s6_addr + 16)};
}

DnsRecord MxRecord(std::string name, uint16_t preference, std::string_view host,
                   uint32_t ttl) {
  DnsRecord record{.name = std::move(name), .type = kTypeMx, .ttl = ttl};
  Put16(record.data, preference);
  Append(record.data, EncodeName(host == "." ? "" : host));
  return record;
}

DnsRecord TxtRecord(std::string name, std::vector<std::string> strings,
                    uint32_t ttl) {
  DnsRecord record{.name = std::move(name), .type = kTypeTxt, .ttl = ttl};
  for (const std::string& string : strings) {
    record.data.push_back(static_cast<uint8_t>(string.size()));
    record.data.insert(record.data.end(), string.begin(), string.end());
  }
  return record;
}

DnsRecord CnameRecord(std::string name, std::string_view target, uint32_t ttl) {
  return {.name = std::move(name),
          .type = kTypeCname,
          .ttl = ttl,
          .data = EncodeName(target)};
}

DnsRecord SoaRecord(std::string name, uint32_t ttl, uint32_t minimum) {
  DnsRecord record{.name = std::move(name), .type = kTypeSoa, .ttl = ttl};
  Append(record.data, EncodeName("ns.test"));
  Append(record.data, EncodeName("root.test"));
  for (const uint32_t number : {1u, 3600u, 600u, 86400u, minimum}) {
    Put32(record.data, number);
  }
  return record;
}

Bytes DnsMessage::Encode() const {
  Bytes bytes;
  Put16(bytes, question.id);
  bytes.push_back(static_cast<uint8_t>((response ? 0x80 : 0) |
                                       (truncated ? 0x02 : 0) |
                                       (question.recursion_desired ? 1 : 0)));
  bytes.push_back(static_cast<uint8_t>(0x80 | rcode));  // recursion available
  Put16(bytes, 1);
  Put16(bytes, static_cast<uint32_t>(answers.size()));
  Put16(bytes, static_cast<uint32_t>(authority.size()));
  Put16(bytes, 0);
  Append(bytes, EncodeName(question.name));
  Put16(bytes, question.type);
  Put16(bytes, 1);
  for (const DnsRecord& record : answers)
    PutRecord(bytes, record, question.name);
  for (const DnsRecord& record : authority)
    PutRecord(bytes, record, question.name);
  return bytes;
}

std::optional<DnsQuestion> DecodeQuestion(const uint8_t* data, size_t size) {
  if (size < 12 || (data[2] & 0x80) != 0) return std::nullopt;
  DnsQuestion question{
      .id = static_cast<uint16_t>(data[0] << 8 | data[1]),
      .recursion_desired = (data[2] & 1) != 0,
      .edns = data[11] != 0,
  };
  size_t at = 12;
  while (at < size && data[at] != 0) {
    const size_t length = data[at];
    if (length > 63 || at + 1 + length >= size) return std::nullopt;
    if (!question.name.empty()) question.name.push_back('.');
    question.name.append(reinterpret_cast<const char*>(data) + at + 1, length);
    at += 1 + length;
  }
  if (at + 5 > size) return std::nullopt;
  question.type = static_cast<uint16_t>(data[at + 1] << 8 | data[at + 2]);
  return question;
}

}  // namespace breakwater
