#include "contrib/courier/envelope.h"

#include <algorithm>
#include <optional>

namespace breakwater {
namespace {

constexpr std::string_view kRemoteIp = "TCPREMOTEIP=";
constexpr std::string_view kRelayClient = "RELAYCLIENT";
// The source of messages of clients with RELAYCLIENT; others' is "smtp".
constexpr std::string_view kAuthenticatedSource = "authsmtp";

void SetOnce(std::string& place, std::string_view value) {
  if (place.empty()) place = value;
}

// "dns; helo (name [address])", with the name where it is known.
std::string_view HeloOf(std::string_view received_from) {
  if (const size_t type = received_from.find("; ");
      type != received_from.npos) {
    received_from.remove_prefix(type + 2);
  }
  return received_from.substr(0, received_from.rfind(" ("));
}

// Of the environment that Courier hands on with the message.
void TakeVariable(std::string_view variable, Envelope& envelope) {
  if (variable.starts_with(kRemoteIp)) {
    SetOnce(envelope.client_address, variable.substr(kRemoteIp.size()));
  }
  if (variable.substr(0, variable.find('=')) == kRelayClient) {
    envelope.may_relay = true;
  }
}

void TakeLine(char what, std::string_view value, Envelope& envelope) {
  switch (what) {
    case 's':
      SetOnce(envelope.sender, value);
      break;
    case 'r':
      envelope.recipients.emplace_back(value);
      break;
    case 'f':
      SetOnce(envelope.helo, HeloOf(value));
      break;
    case 'M':
      SetOnce(envelope.message_id, value);
      break;
    case 'i':
      SetOnce(envelope.user, value);
      break;
    case 'u':
      if (value == kAuthenticatedSource) envelope.may_relay = true;
      break;
    case 'O':
      TakeVariable(value, envelope);
      break;
    default:
      break;
  }
}

// The value in NAME=VALUE NUL NAME=VALUE NUL ...
std::optional<std::string_view> ValueIn(std::string_view environment,
                                        std::string_view name) {
  while (!environment.empty()) {
    std::string_view variable = environment.substr(0, environment.find('\0'));
    environment.remove_prefix(
        std::min(variable.size() + 1, environment.size()));
    if (variable.starts_with(name) && variable.size() > name.size() &&
        variable[name.size()] == '=') {
      return variable.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

}  // namespace

void TakeControlFile(std::string_view text, Envelope& envelope) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!line.empty()) TakeLine(line[0], line.substr(1), envelope);
  }
}

void TakeEnvironment(std::string_view environment, Envelope& envelope) {
  if (envelope.client_address.empty() ||
      ValueIn(environment, "TCPREMOTEIP") != envelope.client_address) {
    return;
  }
  envelope.client_port = ValueIn(environment, "TCPREMOTEPORT").value_or("");
  envelope.server_address = ValueIn(environment, "TCPLOCALIP").value_or("");
  envelope.server_port = ValueIn(environment, "TCPLOCALPORT").value_or("");
}

}  // namespace breakwater
