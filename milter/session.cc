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
  // What the MTA names, but as what no connection has, a proxy has told it.
  const bool names_server =
      macros.daemon_addr != nullptr || macros.if_addr != nullptr;
  if (connection.client_port == 0 ||
      (names_server && connection.server.IsUnspecified()) ||
      (macros.daemon_port != nullptr && connection.server_port == 0)) {
    client.presence = Presence::kClaimed;
  }
  // Sendmail writes the address in brackets where there is no name.
  const std::string_view name =
      macros.client_ptr == nullptr ? "" : macros.client_ptr;
  if (name != "unknown" && !name.starts_with('[')) client.reverse_name = name;
  client.reverse_verified = macros.client_resolve != nullptr &&
                            std::string_view(macros.client_resolve) == "OK";
  return client;
}

Session::Session(Screener& screener, Duration longest_wait,
                 std::function<void()> before_wait)
    : screener_(screener),
      longest_wait_(longest_wait),
      before_wait_(std::move(before_wait)) {}

Session::~Session() {
  if (!connect_.screening) return;
  if (!has_spoken_) Note(OffenceKind::kVanish, "");
  screener_.Closed(connect_.screening);
}

void Session::Connect(Client client, bool is_postfix) {
  if (connect_.screening || client.address().IsUnspecified()) return;
  is_postfix_ = is_postfix;
  rules_ = screener_.rules();
  client_ = client;
  header_.emplace(rules_->conduct.headers);
  connect_.screening = screener_.Start(std::move(client));
}

void Session::Helo(std::string_view name) {
  if (!IsJudged() || client_.helo == name) return;
  client_.helo = name;
  helo_ = {};
  Told told{.names = true};
  if (!screener_.IsOfInterest(*rules_, client_, told)) return;
  helo_.screening =
      screener_.StartFurther(connect_.screening, client_, std::move(told));
}

std::optional<Verdict> Session::Mail(std::string_view sender,
                                     bool authenticated) {
  has_spoken_ = true;
  if (!IsJudged()) return std::nullopt;
  if (authenticated) {
    authenticated_ = true;
    screener_.Authenticated(connect_.screening);
    return std::nullopt;
  }
  client_.sender = sender;
  sender_ = {};
  header_->Reset();
  const std::optional<Verdict> verdict = Await(*connect_.screening);
  if (std::optional<Verdict> refusal = Refusal()) return refusal;
  Told told{.sender = true};
  if (verdict && screener_.IsOfInterest(*rules_, client_, told)) {
    sender_.screening =
        screener_.StartFurther(connect_.screening, client_, std::move(told));
  }
  for (const Charge* charge : {&helo_, &sender_}) {
    if (charge->screening) Await(*charge->screening);
  }
  if (std::optional<Verdict> refusal = Refusal()) return refusal;
  if (!std::exchange(told_to_pass_, true)) {
    if (verdict) {
      screener_.AnsweredFrom(connect_.screening);
    } else {
      screener_.PassedOverdue(connect_.screening);
    }
  }
  return std::nullopt;
}

std::optional<Verdict> Session::Recipient(std::string_view recipient) {
  screener_.SeenRecipient();
  if (!IsJudged()) return std::nullopt;
  if (std::optional<Verdict> refusal = Refusal()) return refusal;
  if (!IsTrap(recipient)) return std::nullopt;
  client_.recipient = recipient;
  std::optional<Verdict> refusal =
      Answer({.kind = OffenceKind::kTrap, .detail = std::string(recipient)});
  // As the MTA would have put it.
  if (refusal && refusal->reason == Reason::kOffence &&
      refusal->label == OffenceName(OffenceKind::kTrap)) {
    if (is_postfix_) {
      refusal->text.insert(0, PostfixPrefix(recipient));
    } else {
      refusal->text =
          screener_.unknown_user().TextFor(recipient, "User unknown");
    }
  }
  return refusal;
}

bool Session::IsTrap(std::string_view recipient) const {
  const TrapList* traps = rules_->conduct.traps.get();
  return traps != nullptr && traps->Holds(recipient);
}

void Session::RecipientRejected(std::string_view recipient,
                                std::string_view enhanced_code,
                                std::string_view words) {
  screener_.SeenRecipient();
  has_spoken_ = true;
  if (!IsJudged()) return;
  client_.recipient = recipient;
  // Most traps are addresses that the MTA does not know.
  if (IsTrap(recipient)) Note(OffenceKind::kTrap, recipient);
  if (enhanced_code == "5.1.1") {
    screener_.unknown_user().Learn(recipient, words);
    Note(OffenceKind::kUnknownRecipient, recipient);
  } else if (enhanced_code == "5.7.1") {
    Note(OffenceKind::kRelay, recipient);
  }
  Note(OffenceKind::kRejectedCommands, recipient);
}

std::optional<Verdict> Session::Unknown(std::string_view command) {
  has_spoken_ = true;
  Note(OffenceKind::kRejectedCommands, command);
  return IsJudged() ? Refusal() : std::nullopt;
}

std::optional<Verdict> Session::Data() {
  return IsJudged() ? Refusal() : std::nullopt;
}

void Session::Header(std::string_view name, std::string_view value) {
  if (IsJudged()) {
    header_->Add({name.data(), name.size()}, {value.data(), value.size()});
  }
}

std::optional<Verdict> Session::EndOfMessage() {
  if (!IsJudged()) return std::nullopt;
  if (std::optional<Verdict> refusal = Refusal()) return refusal;
  const std::optional<Offence> offence = header_->Result();
  header_->Reset();
  if (offence) {
    if (std::optional<Verdict> refusal = Answer(*offence)) return refusal;
  }
  screener_.Accepted(connect_.screening);
  return std::nullopt;
}

std::optional<Verdict> Session::Await(const Screening& screening) {
  if (std::optional<Verdict> verdict = screening.verdict()) return verdict;
  before_wait_();
  return screening.Wait(longest_wait_);
}

std::optional<Verdict> Session::Refusal() {
  for (Charge* charge : {&connect_, &helo_, &sender_}) {
    if (!charge->screening) continue;
    // One that was late before is in time now.
    std::optional<Verdict> verdict = charge->screening->verdict();
    if (!verdict || !verdict->IsRefusal()) continue;
    if (std::exchange(charge->answered, true)) {
      if (auto banned = screener_.Banned(client_)) verdict = std::move(banned);
      screener_.AnsweredLater(connect_.screening, client_, *verdict, true);
    } else if (charge == &connect_) {
      screener_.AnsweredFrom(connect_.screening);
    } else {
      screener_.AnsweredLater(connect_.screening, client_, *verdict, false);
    }
    return verdict;
  }
  std::optional<Verdict> banned = screener_.Banned(client_);
  if (banned) {
    screener_.AnsweredLater(connect_.screening, client_, *banned, true);
  }
  return banned;
}

std::optional<Verdict> Session::Answer(Offence offence) {
  Told told;
  told.offences.push_back(std::move(offence));
  if (!screener_.IsOfInterest(*rules_, client_, told)) return std::nullopt;
  const auto further =
      screener_.StartFurther(connect_.screening, client_, std::move(told));
  const std::optional<Verdict> verdict = Await(*further);
  if (!verdict || !verdict->IsRefusal()) return std::nullopt;
  screener_.AnsweredLater(connect_.screening, client_, *verdict, false);
  return verdict;
}

void Session::Note(OffenceKind kind, std::string_view detail) {
  if (!IsJudged()) return;
  Told told;
  told.offences.push_back({.kind = kind, .detail = std::string(detail)});
  if (!screener_.IsOfInterest(*rules_, client_, told)) return;
  screener_.NoteFurther(connect_.screening, client_, std::move(told));
}

}  // namespace breakwater
