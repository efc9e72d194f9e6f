#include "policy/request.h"

#include <algorithm>
#include <array>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/text.h"
#include "core/judge/reply.h"

namespace breakwater {
namespace {

// The attributes that mean something to us.
enum Attribute : size_t {
  kRequest,
  kProtocolState,
  kClientAddress,
  kClientPort,
  kServerAddress,
  kServerPort,
  kHeloName,
  kSender,
  kRecipient,
  kSaslUsername,
  kInstance,
  kClientName,
  kReverseClientName,
  kAttributes
};
constexpr std::array<std::string_view, kAttributes> kNames = {
    "request",
    "protocol_state",
    "client_address",
    "client_port",
    "server_address",
    "server_port",
    "helo_name",
    "sender",
    "recipient",
    "sasl_username",
    "instance",
    "client_name",
    "reverse_client_name"};

// Ours, and the only ones that may be given again and again.
constexpr std::string_view kOneRecipient = "breakwater_recipient";
constexpr std::string_view kHeaderField = "breakwater_header";

// As far as the request has told; the values point into it.
struct Values {
  std::array<std::optional<std::string_view>, kAttributes> once;
  std::vector<std::string_view> recipients;
  std::vector<std::string_view> header;

  const std::optional<std::string_view>& operator[](Attribute attribute) const {
    return once[attribute];
  }
};

absl::Status Error(std::string_view name, const char* what,
                   std::string_view value) {
  return absl::InvalidArgumentError(
      absl::StrCat(Escaped(name, 40), what, "\"", Escaped(value, 60), "\""));
}

absl::Status Missing(Attribute attribute) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(kNames[attribute]), " is missing"));
}

absl::Status TakeLine(std::string_view line, Values& values) {
  const size_t equals = line.find('=');
  if (equals == line.npos || equals == 0) {
    return Error("line", " is not name=value: ", line);
  }
  const std::string_view name = line.substr(0, equals);
  const std::string_view value = line.substr(equals + 1);
  if (line.find('\0') != line.npos) return Error(name, " holds a NUL: ", value);
  if (name == kOneRecipient) values.recipients.push_back(value);
  if (name == kHeaderField) values.header.push_back(value);
  const auto known = std::find(kNames.begin(), kNames.end(), name);
  if (known == kNames.end()) return absl::OkStatus();
  std::optional<std::string_view>& place = values.once[known - kNames.begin()];
  if (place) return Error(name, " is given twice, again as ", value);
  place = value;
  return absl::OkStatus();
}

absl::StatusOr<Values> TakeLines(std::string_view block) {
  Values values;
  while (!block.empty()) {
    const size_t end = std::min(block.find('\n'), block.size());
    const absl::Status taken = TakeLine(block.substr(0, end), values);
    if (!taken.ok()) return taken;
    block.remove_prefix(std::min(end + 1, block.size()));
  }
  return values;
}

// Postfix says "unknown" of a peer that it could not ask the kernel about.
bool IsUnknown(const std::optional<std::string_view>& value) {
  return !value || value->empty() || *value == "unknown";
}

absl::Status TakeAddress(Attribute attribute, const Values& values,
                         IpAddress& address) {
  if (IsUnknown(values[attribute])) return absl::OkStatus();
  std::string_view text = *values[attribute];
  // "fe80::1%eth0": the kernel's name for the interface is not of the address.
  text = text.substr(0, text.find('%'));
  const std::optional<IpAddress> parsed = IpAddress::Parse(text);
  if (!parsed) {
    return Error(kNames[attribute],
                 " is not an IP address: ", *values[attribute]);
  }
  address = *parsed;
  return absl::OkStatus();
}

absl::Status TakePort(Attribute attribute, const Values& values,
                      uint16_t& port) {
  if (IsUnknown(values[attribute])) return absl::OkStatus();
  const std::string_view text = *values[attribute];
  uint32_t number = 0;
  const bool digits = std::all_of(text.begin(), text.end(),
                                  [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || text.size() > 5 ||
      !absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &number) ||
      number > 65535) {
    return Error(kNames[attribute], " is not a port: ", text);
  }
  port = static_cast<uint16_t>(number);
  return absl::OkStatus();
}

// Whether the MTA names a part of the connection, but as what no connection
// has: nothing, 0, "unknown". Postfix does so where a proxy told it so.
bool IsClaim(const Values& values, const Connection& connection) {
  return (values[kClientPort] && connection.client_port == 0) ||
         (values[kServerPort] && connection.server_port == 0) ||
         (values[kServerAddress] && connection.server.IsUnspecified());
}

std::string TextOf(const std::optional<std::string_view>& value) {
  return std::string(value.value_or(""));
}

}  // namespace

absl::StatusOr<PolicyRequest> ParsePolicyRequest(std::string_view block) {
  if (block.size() > kLongestPolicyRequest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the request is longer than ", kLongestPolicyRequest, " bytes"));
  }
  const absl::StatusOr<Values> taken = TakeLines(block);
  if (!taken.ok()) return taken.status();
  const Values& values = *taken;

  for (const Attribute needed : {kRequest, kProtocolState, kClientAddress}) {
    if (!values[needed]) return Missing(needed);
  }
  if (*values[kRequest] != "smtpd_access_policy") {
    return Error("request", " is not smtpd_access_policy but ",
                 *values[kRequest]);
  }
  PolicyRequest request{
      .protocol_state = TextOf(values[kProtocolState]),
      .instance = TextOf(values[kInstance]),
      .recipients = {values.recipients.begin(), values.recipients.end()},
      .header = {values.header.begin(), values.header.end()}};
  Client& client = request.client;
  client.front = Front::kPolicy;
  client.authenticated = !TextOf(values[kSaslUsername]).empty();
  // Postfix has looked both ways for the first, and only once for the other.
  client.reverse_verified = !IsUnknown(values[kClientName]);
  for (const Attribute name : {kClientName, kReverseClientName}) {
    if (!IsUnknown(values[name])) client.reverse_name = *values[name];
  }
  client.helo = TextOf(values[kHeloName]);
  client.sender = TextOf(values[kSender]);
  client.recipient = TextOf(values[kRecipient]);
  Connection& connection = client.connection;
  for (const absl::Status& status :
       {TakeAddress(kClientAddress, values, connection.client),
        TakePort(kClientPort, values, connection.client_port),
        TakeAddress(kServerAddress, values, connection.server),
        TakePort(kServerPort, values, connection.server_port)}) {
    if (!status.ok()) return status;
  }
  if (IsClaim(values, connection)) client.presence = Presence::kClaimed;
  return request;
}

std::string PolicyAction(const Verdict& verdict) {
  if (verdict.action == Action::kPass) return "DUNNO";
  const SmtpReply reply = SafeReply(verdict);
  return absl::StrCat(reply.code, " ", reply.enhanced_code, " ", reply.text);
}

}  // namespace breakwater
