#include "contrib/tcp/decision.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>

namespace breakwater {
namespace {

// As rblsmtpd has it.
constexpr size_t kLongestText = 200;

// The address as one writes it, or nothing.
std::string AddressIn(const char* value) {
  if (value == nullptr) return "";
  std::string text(value);
  // "fe80::1%eth0": the name of the interface is not of the address.
  text.resize(std::min(text.find('%'), text.size()));
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return text;
  in6_addr v6;
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return "";
  if (!IN6_IS_ADDR_V4MAPPED(&v6)) return text;
  char written[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &v6.s6_addr[12], written, sizeof written);
  return written;
}

std::string Address(const char* name, const char* name6) {
  const std::string address = AddressIn(getenv(name));
  return address.empty() ? AddressIn(getenv(name6)) : address;
}

std::string Port(const char* name, const char* name6) {
  const char* value = getenv(name);
  if (value == nullptr) value = getenv(name6);
  const std::string_view text = value == nullptr ? "" : value;
  const bool digits = text.find_first_not_of("0123456789") == text.npos;
  return digits && text.size() <= 5 ? std::string(text) : "";
}

std::string SafeText(std::string_view text) {
  std::string result(text.substr(0, kLongestText));
  for (char& c : result) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return result;
}

}  // namespace

TcpEnvironment TcpEnvironment::Read() {
  TcpEnvironment result;
  if (const char* text = getenv("RBLSMTPD")) result.rblsmtpd = text;
  result.may_relay = getenv("RELAYCLIENT") != nullptr;
  result.remote_ip = Address("TCPREMOTEIP", "TCP6REMOTEIP");
  result.remote_port = Port("TCPREMOTEPORT", "TCP6REMOTEPORT");
  result.local_ip = Address("TCPLOCALIP", "TCP6LOCALIP");
  result.local_port = Port("TCPLOCALPORT", "TCP6LOCALPORT");
  return result;
}

PolicyAttributes TcpEnvironment::Question() const {
  // All four parts of the connection: the kernel can then be asked whether the
  // client has got its reply.
  return {{"protocol_state", "CONNECT"}, {"protocol_name", "SMTP"},
          {"client_address", remote_ip}, {"client_port", remote_port},
          {"server_address", local_ip},  {"server_port", local_port}};
}

TcpDecision DecideByEnvironment(const TcpOptions& options,
                                const TcpEnvironment& environment) {
  if (const auto& text = environment.rblsmtpd) {
    if (text->empty()) return {.step = TcpStep::kGoOn};
    const std::string reply = text->starts_with('-')
                                  ? "553 " + SafeText(text->substr(1))
                                  : "451 " + SafeText(*text);
    return {.step = TcpStep::kRefuse, .reply = reply, .may_speak = true};
  }
  if (environment.may_relay && !options.ask_about_all) {
    return {.step = TcpStep::kGoOn};
  }
  if (environment.remote_ip.empty()) {
    return {.step = TcpStep::kGoOn, .complaint = "TCPREMOTEIP is no address"};
  }
  return {.step = TcpStep::kAsk};
}

TcpDecision DecideByAnswer(const TcpOptions& options,
                           const PolicyAnswer& answer) {
  if (answer.action.empty()) {
    return {.step = TcpStep::kGoOn,
            .complaint = options.socket + ": " + answer.error};
  }
  PolicyDecision decision = ParsePolicyAction(answer.action);
  if (decision.odd) {
    return {.step = TcpStep::kGoOn,
            .complaint = options.socket + ": odd action \"" +
                         SafeText(answer.action) + "\""};
  }
  if (!decision.Refuses()) return {.step = TcpStep::kGoOn};
  std::string& reply = decision.reply;
  if (options.temporary && decision.IsPermanent()) {
    // "521 5.7.1 text" becomes "451 4.7.1 text".
    if (reply.compare(3, 3, " 5.") == 0) reply[4] = '4';
    reply.replace(0, 3, "451");
  }
  return {.step = TcpStep::kRefuse, .reply = reply};
}

}  // namespace breakwater
