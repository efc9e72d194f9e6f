#include "milter/session.h"

#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"

namespace breakwater {
namespace {

// "192.0.2.25", "2001:db8::25", and as Sendmail writes it: "IPv6:2001:db8::25".
IpAddress AddressOf(const char* macro) {
  std::string_view text = macro == nullptr ? "" : macro;
  constexpr std::string_view kPrefix = "IPv6:";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  return IpAddress::Parse(text).value_or(IpAddress{});
}

uint16_t PortOf(const char* macro) {
  uint32_t port = 0;
  const bool valid = macro != nullptr && absl::SimpleAtoi(macro, &port);
  return valid && port <= 65535 ? static_cast<uint16_t>(port) : 0;
}

bool IsRefusal(const std::optional<Verdict>& verdict) {
  return verdict && verdict->action != Action::kPass;
}

}  // namespace

Client ClientOf(const sockaddr* address, const ConnectMacros& macros) {
  Client client{.front = Front::kMilter};
  const std::optional<IpAddress> ip =
      address == nullptr ? std::nullopt : IpAddress::From(address);
  if (!ip) return client;
  Connection& connection = client.connection;
  connection.client = *ip;
  // At the same place in both families.
  connection.client_port =
      ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  // Postfix says the connection's own address in {daemon_addr}; Sendmail the
  // one that it listens on, mostly 0.0.0.0, and the connection's in {if_addr}.
  connection.server = AddressOf(macros.daemon_addr);
  if (connection.server.IsUnspecified()) {
    connection.server = AddressOf(macros.if_addr);
  }
  connection.server_port = PortOf(macros.daemon_port);
  return client;
}

Session::Session(Screener& screener, Duration longest_wait)
    : screener_(screener), longest_wait_(longest_wait) {}

Session::~Session() {
  if (screening_) screener_.Closed(screening_);
}

void Session::Connect(Client client) {
  if (screening_ || client.address().IsUnspecified()) return;
  screening_ = screener_.Start(std::move(client));
}

bool Session::WouldWait() const {
  return screening_ && !authenticated_ && !screening_->verdict();
}

std::optional<Verdict> Session::Mail(bool authenticated) {
  if (!screening_ || authenticated_) return std::nullopt;
  if (authenticated) {
    authenticated_ = true;
    screener_.Authenticated(screening_);
    return std::nullopt;
  }
  const std::optional<Verdict> verdict = screening_->Wait(longest_wait_);
  if (std::optional<Verdict> refusal = Refused(verdict)) return refusal;
  if (!std::exchange(told_to_pass_, true)) {
    if (verdict) {
      screener_.AnsweredFrom(screening_);
    } else {
      screener_.PassedOverdue(screening_);
    }
  }
  return std::nullopt;
}

std::optional<Verdict> Session::Later() {
  if (!screening_ || authenticated_) return std::nullopt;
  // A verdict that was late at MAIL is in time now.
  return Refused(screening_->verdict());
}

std::optional<Verdict> Session::EndOfMessage() {
  std::optional<Verdict> refusal = Later();
  if (!refusal && screening_ && !authenticated_) screener_.Accepted(screening_);
  return refusal;
}

std::optional<Verdict> Session::Refused(const std::optional<Verdict>& verdict) {
  if (IsRefusal(verdict) && !std::exchange(refused_, true)) {
    screener_.AnsweredFrom(screening_);
    return verdict;
  }
  const Client& client = screening_->client();
  std::optional<Verdict> again = screener_.Banned(client);
  if (!again && IsRefusal(verdict)) again = verdict;
  if (again) screener_.AnsweredLater(client, *again);
  return again;
}

}  // namespace breakwater
