#include "core/bans/ban_rows.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "absl/strings/str_format.h"

namespace breakwater {
namespace {

// In a text, for what stands there of each client. Replies are printable.
constexpr char kAddress = '\1';
constexpr char kId = '\2';

constexpr size_t kDigits = 8;

void ReplaceAll(std::string& text, std::string_view what, char sign) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + 1)) {
    text.replace(at, what.size(), 1, sign);
  }
}

std::string WithSigns(std::string text, const std::string& address,
                      const std::string& id) {
  std::erase_if(text, [](char c) { return c == kAddress || c == kId; });
  ReplaceAll(text, address, kAddress);
  ReplaceAll(text, id, kId);
  return text;
}

std::string WithoutSigns(const std::string& signs, const std::string& address,
                         const std::string& id) {
  std::string text;
  text.reserve(signs.size() + 2 * address.size() + id.size());
  for (const char c : signs) {
    if (c == kAddress) {
      text += address;
    } else if (c == kId) {
      text += id;
    } else {
      text += c;
    }
  }
  return text;
}

// As BanKeeper::NewId makes them.
std::optional<uint32_t> NumberOf(const std::string& id) {
  uint32_t number = 0;
  const char* const end = id.data() + id.size();
  const auto [stopped, error] = std::from_chars(id.data(), end, number, 16);
  const bool is_lower =
      std::ranges::none_of(id, [](char c) { return c >= 'A' && c <= 'F'; });
  if (id.size() != kDigits || !is_lower || error != std::errc() ||
      stopped != end) {
    return std::nullopt;
  }
  return number;
}

constexpr size_t kHostAt = 8;

}  // namespace

BanRows::BanRows(size_t expected) : numbers_(0, Hash{this}, Equal{this}) {
  numbers_.reserve(expected);
}

uint32_t BanRows::NewNumber() {
  if (free_ != kNone) {
    const uint32_t number = free_;
    free_ = RowAt(number).place;
    return number;
  }
  if (end_ % kChunk == 0) chunks_.push_back(std::make_unique<Row[]>(kChunk));
  return end_++;
}

uint32_t BanRows::Add(const Ban& ban) {
  const std::string address =
      (ban.client.IsUnspecified() ? ban.network.address : ban.client)
          .ToString();
  const std::optional<uint32_t> id = NumberOf(ban.id);
  const uint32_t number = NewNumber();
  Row& row = RowAt(number);
  row = {.network = ban.network,
         .origin = ban.origin,
         .is_kept = true,
         .has_client = !ban.client.IsUnspecified() &&
                       std::equal(ban.client.bytes.begin(),
                                  ban.client.bytes.begin() + kHostAt,
                                  ban.network.address.bytes.begin()),
         .has_number = id.has_value(),
         .code = static_cast<uint16_t>(ban.code),
         .id = id ? *id : words_.Use(ban.id),
         .count = ban.count,
         .members = ban.members,
         .label = words_.Use(ban.label),
         .text = texts_.Use(WithSigns(ban.text, address, ban.id)),
         .evidence = evidence_.Use({ban.evidence}),
         .place = kNone,
         .host = 0,
         .expires = ban.expires,
         .imposed = ban.imposed};
  std::memcpy(&row.host, ban.client.bytes.data() + kHostAt, sizeof row.host);
  numbers_.insert(number);
  return number;
}

void BanRows::Erase(uint32_t number) {
  Row& row = RowAt(number);
  numbers_.erase(number);
  if (!row.has_number) words_.Release(row.id);
  words_.Release(row.label);
  texts_.Release(row.text);
  evidence_.Release(row.evidence);
  row.is_kept = false;
  row.place = free_;
  free_ = number;
}

std::optional<uint32_t> BanRows::Find(const Network& network) const {
  const auto place = numbers_.find(network);
  if (place == numbers_.end()) return std::nullopt;
  return *place;
}

Ban BanRows::At(uint32_t number) const {
  const Row& row = RowAt(number);
  const IpAddress client = ClientOf(row);
  Ban ban{.network = row.network,
          .client = client,
          .expires = row.expires,
          .origin = row.origin,
          .count = row.count,
          .members = row.members,
          .code = row.code,
          .id = IdOf(row),
          .label = words_[row.label],
          .imposed = row.imposed,
          .evidence = evidence_[row.evidence].value};
  const std::string address =
      (row.has_client ? client : row.network.address).ToString();
  ban.text = WithoutSigns(texts_[row.text], address, ban.id);
  return ban;
}

IpAddress BanRows::ClientOf(const Row& row) const {
  if (!row.has_client) return {};
  IpAddress client = row.network.address;
  std::memcpy(client.bytes.data() + kHostAt, &row.host, sizeof row.host);
  return client;
}

std::string BanRows::IdOf(const Row& row) const {
  return row.has_number ? absl::StrFormat("%08x", row.id) : words_[row.id];
}

void BanRows::SetEvidence(uint32_t number, const Evidence& evidence) {
  Row& row = RowAt(number);
  const uint32_t before = row.evidence;
  row.evidence = evidence_.Use({evidence});
  evidence_.Release(before);
}

void BanRows::Count(uint32_t number, uint32_t members) {
  Row& row = RowAt(number);
  ++row.count;
  row.members = std::max(row.members, members);
}

}  // namespace breakwater
