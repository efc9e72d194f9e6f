#include "daemon/protocol/ban_entry.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/judge/reply.h"
#include "core/types/record.h"

namespace breakwater {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr size_t kLongestId = 32;
constexpr size_t kLongestLabel = 100;
constexpr size_t kDeepest = 4;  // of what strangers nest

absl::Status Wrong(const char* field, std::string_view word, const char* why) {
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": \"", Escaped(word, 60), "\" ", why));
}

// What is there as text; nothing else is looked at.
std::string TextOf(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>()
                                                     : "";
}

std::optional<int64_t> NumberOf(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return std::nullopt;
  if (found->is_number_unsigned()) {
    const auto number = found->get<uint64_t>();
    return static_cast<int64_t>(
        std::min<uint64_t>(number, kLongestBanSeconds * uint64_t{1000}));
  }
  if (found->is_number_integer()) return found->get<int64_t>();
  return std::nullopt;
}

// "2026-11-21T09:40:00Z" as the seconds from now.
std::optional<int64_t> SecondsUntil(const std::string& text) {
  tm utc{};
  char zone = 0;
  char more = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%c%c", &utc.tm_year,
                  &utc.tm_mon, &utc.tm_mday, &utc.tm_hour, &utc.tm_min,
                  &utc.tm_sec, &zone, &more) != 7 ||
      zone != 'Z') {
    return std::nullopt;
  }
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  return int64_t{timegm(&utc)} - int64_t{std::time(nullptr)};
}

Origin OriginNamed(const std::string& name) {
  const Origin origin = ParseOrigin(name).value_or(Origin::kOperator);
  // An entry is one client's, whatever it says.
  return origin == Origin::kNeighbours ? Origin::kOperator : origin;
}

bool IsId(const std::string& id) {
  return id.size() <= kLongestId &&
         std::ranges::all_of(
             id, [](unsigned char c) { return absl::ascii_isalnum(c); });
}

}  // namespace

absl::StatusOr<Network> ClientsNetwork(std::string_view text) {
  if (const std::optional<IpAddress> address = IpAddress::Parse(text)) {
    return Network::OfClient(*address);
  }
  const absl::StatusOr<Network> network = Network::Parse(text);
  if (!network.ok()) {
    return Wrong("network", text,
                 "is not an address; write 192.0.2.5 or 2001:db8::5");
  }
  const Network clients = Network::OfClient(network->address);
  if (network->length < clients.length) {
    return Wrong("network", text,
                 "is wider than a ban: one IPv4 address or an IPv6 /64");
  }
  return clients;
}

absl::StatusOr<BanEntry> ParseBanEntry(const json& object) {
  if (!object.is_object()) {
    return absl::InvalidArgumentError("what stands there is no JSON object");
  }
  const absl::StatusOr<Network> network =
      ClientsNetwork(TextOf(object, "network"));
  if (!network.ok()) return network.status();
  std::optional<int64_t> left = SecondsUntil(TextOf(object, "until"));
  if (!left) left = NumberOf(object, "seconds_left");
  if (!left) {
    return absl::InvalidArgumentError(
        "until: is no time, and there is no number seconds_left");
  }
  if (*left < 1) {
    return absl::NotFoundError(
        absl::StrCat("the ban of ", network->ToString(), " has ended"));
  }
  BanEntry entry{
      .network = *network,
      .left = seconds(std::min<int64_t>(*left, kLongestBanSeconds)),
      .origin = OriginNamed(TextOf(object, "origin")),
      .id = TextOf(object, "id"),
      .label = SafeReplyText(TextOf(object, "zone"), kLongestLabel),
      .reason = SafeReplyText(TextOf(object, "reason"), kLongestReplyText)};
  if (!IsId(entry.id)) entry.id.clear();
  entry.count = static_cast<uint32_t>(std::clamp<int64_t>(
      NumberOf(object, "count").value_or(1), 1, kLongestBanSeconds));
  return entry;
}

json DescribeBanEntry(const BanEntry& entry) {
  json object = {{"network", entry.network.ToString()},
                 {"seconds_left", entry.left.count()}};
  if (entry.origin != Origin::kOperator) {
    object["origin"] = OriginName(entry.origin);
  }
  if (entry.count != 1) object["count"] = entry.count;
  if (!entry.id.empty()) object["id"] = entry.id;
  if (!entry.label.empty()) object["zone"] = entry.label;
  if (!entry.reason.empty()) object["reason"] = entry.reason;
  return object;
}

absl::StatusOr<std::vector<BanEntry>> ParseBanEntries(std::string_view text) {
  // What is nested deeper is thrown away while it is read.
  const auto shallow = [](int depth, json::parse_event_t, json&) {
    return depth <= static_cast<int>(kDeepest);
  };
  const json array = json::parse(text, shallow, /*allow_exceptions=*/false);
  if (!array.is_array() || array.empty()) {
    return absl::InvalidArgumentError("bans: are no JSON array of objects");
  }
  if (array.size() > kMostEntries) {
    return absl::InvalidArgumentError(absl::StrCat("bans: are ", array.size(),
                                                   "; at most ", kMostEntries,
                                                   " go into one request"));
  }
  std::vector<BanEntry> entries;
  entries.reserve(array.size());
  for (const json& object : array) {
    absl::StatusOr<BanEntry> entry = ParseBanEntry(object);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  return entries;
}

std::string FormatBanEntries(const std::vector<BanEntry>& entries) {
  json array = json::array();
  for (const BanEntry& entry : entries) {
    array.push_back(DescribeBanEntry(entry));
  }
  return array.dump();
}

}  // namespace breakwater
