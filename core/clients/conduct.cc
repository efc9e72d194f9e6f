#include "core/clients/conduct.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "core/base/log.h"
#include "core/dns/mail_domain.h"
#include "core/types/domain_name.h"
#include "core/types/normal_name.h"

namespace breakwater {
namespace {

std::vector<AskedName> NamesOf(const Client& client, const Told& told) {
  std::vector<AskedName> names;
  const auto add = [&](NameKind kind) {
    std::optional<std::string> name = NameOf(client, kind);
    if (name) names.push_back({.kind = kind, .name = *std::move(name)});
  };
  if (told.names) {
    add(NameKind::kHelo);
    add(NameKind::kReverse);
  }
  if (told.sender) add(NameKind::kSender);
  return names;
}

bool IsUnasked(const Rules& rules, const std::string& domain) {
  return std::ranges::any_of(
      rules.conduct.unasked_domains, [&domain](const std::string& own) {
        return domain == own || absl::EndsWith(domain, "." + own);
      });
}

// The sender's domain, unless it is not to be looked at.
std::optional<std::string> SenderToLookAt(const Rules& rules,
                                          const Client& client) {
  std::optional<std::string> domain = NameOf(client, NameKind::kSender);
  if (domain && IsUnasked(rules, *domain)) domain.reset();
  return domain;
}

// Whether nobody can send mail back to who is said to have sent this.
bool IsImpossible(MailDomain domain) {
  return domain == MailDomain::kNoRecords || domain == MailDomain::kNullMx ||
         domain == MailDomain::kUnroutable;
}

// Whether a bounce did it: whoever writes a trap's address as the sender of his
// mail has any server send us one. To guess users takes no other sender, so of
// those only a friend's storm is forgiven.
bool IsOthersDoing(const Client& client, const Offence& offence, bool is_good) {
  if (offence.kind == OffenceKind::kTrap) {
    return offence.bounce || client.sender == "<>";
  }
  return is_good && (client.sender.empty() || client.sender == "<>") &&
         (offence.kind == OffenceKind::kUnknownRecipient ||
          offence.kind == OffenceKind::kRejectedCommands);
}

}  // namespace

bool AsksAbout(const Rules& rules, NameKind kind) {
  return std::ranges::any_of(rules.zones, [kind](const Zone& zone) {
    return zone.type == ZoneType::kDomain && zone.AsksAbout(kind);
  });
}

std::optional<std::string> NameOf(const Client& client, NameKind kind) {
  switch (kind) {
    case NameKind::kHelo:
      return ListedName(client.helo);
    case NameKind::kReverse:
      return ListedName(client.reverse_name);
    case NameKind::kSender:
      return DomainOfSender(client.sender);
  }
  return std::nullopt;
}

bool AreNamesOfInterest(const Rules& rules) {
  return rules.offences.IsOn(OffenceKind::kHelo) ||
         AsksAbout(rules, NameKind::kHelo) ||
         AsksAbout(rules, NameKind::kReverse);
}

bool IsOfInterest(const Rules& rules, const MailDomains* domains,
                  const Client& client, const Told& told) {
  for (const Offence& offence : told.offences) {
    if (rules.offences.IsOn(offence.kind)) return true;
  }
  const auto is_asked = [&](NameKind kind) {
    return AsksAbout(rules, kind) && NameOf(client, kind);
  };
  if (told.names &&
      (is_asked(NameKind::kHelo) || is_asked(NameKind::kReverse) ||
       (rules.offences.IsOn(OffenceKind::kHelo) &&
        IsForgedHelo(rules, client)))) {
    return true;
  }
  if (!told.sender) return false;
  if (is_asked(NameKind::kSender)) return true;
  if (!rules.offences.IsOn(OffenceKind::kSender) || domains == nullptr) {
    return false;
  }
  const std::optional<std::string> domain = SenderToLookAt(rules, client);
  return domain &&
         domains->Known(*domain, Clock::now()) != MailDomain::kReceives;
}

bool IsForgedHelo(const Rules& rules, const Client& client) {
  const std::string name = NormalName(client.helo);
  if (name.empty()) return false;
  if (std::ranges::find(rules.conduct.own_names, name) !=
      rules.conduct.own_names.end()) {
    return true;
  }
  // An address literal (RFC 5321 section 4.1.3), or what some write for one.
  absl::string_view literal = name;
  if (literal.size() > 2 && literal.front() == '[' && literal.back() == ']') {
    literal = literal.substr(1, literal.size() - 2);
  }
  if (literal.substr(0, 5) == "ipv6:") literal.remove_prefix(5);
  const std::optional<IpAddress> address =
      IpAddress::Parse({literal.data(), literal.size()});
  return address && !address->IsUnspecified() &&
         *address == client.connection.server;
}

Conduct::Conduct(Lists& lists, MailDomains* domains, Metrics& metrics)
    : lists_(lists),
      domains_(domains),
      metrics_(metrics),
      rules_(std::make_shared<const Rules>()),
      book_(0),
      connections_(0),
      claimed_(0),
      claimed_connections_(0) {}

void Conduct::SetRules(std::shared_ptr<const Rules> rules) {
  rules_ = std::move(rules);
  const size_t clients = rules_->conduct.clients;
  const size_t connecting =
      rules_->offences.IsOn(OffenceKind::kConnections) ? clients : 0;
  for (OffenceBook* book : {&book_, &claimed_}) book->SetCapacity(clients);
  for (OffenceBook* book : {&connections_, &claimed_connections_}) {
    book->SetCapacity(connecting);
  }
}

asio::awaitable<Conduct::Findings> Conduct::Look(Client client, Told told,
                                                 Answers known, bool is_good,
                                                 Instant deadline) {
  // A reload changes these meanwhile.
  const std::shared_ptr<const Rules> rules = rules_;
  std::vector<Offence> offences = std::move(told.offences);
  if (told.names && rules->offences.IsOn(OffenceKind::kHelo) &&
      IsForgedHelo(*rules, client)) {
    offences.push_back({.kind = OffenceKind::kHelo, .detail = client.helo});
  }
  std::optional<std::string> domain;
  if (told.sender && domains_ != nullptr &&
      rules->offences.IsOn(OffenceKind::kSender)) {
    domain = SenderToLookAt(*rules, client);
  }
  if (domain) {
    const MailDomain standing = co_await domains_->Look(*domain, deadline);
    if (IsImpossible(standing)) {
      offences.push_back({.kind = OffenceKind::kSender,
                          .detail = *domain + ": " + MailDomainName(standing)});
    }
  }
  std::vector<AskedName> names = NamesOf(client, told);
  Findings findings;
  if (names.empty()) {
    findings.answers = std::move(known);
  } else {
    findings.answers = co_await lists_.LookupNames(
        client.address(), std::move(names), std::move(known), deadline);
  }
  findings.strikes = Standing(client);
  for (const Offence& offence : offences) {
    if (offence.kind == OffenceKind::kTrap) {
      findings.hit_trap =
          rules->offences[offence.kind].mode == OffenceMode::kOn;
    }
    if (IsOthersDoing(client, offence, is_good)) continue;
    if (!Note(client, offence)) continue;
    AddOnce(findings.strikes, offence.kind);
    if (offence.ban_duration) findings.ban_duration = offence.ban_duration;
  }
  co_return findings;
}

OffenceKinds Conduct::NoteConnection(const Client& client, size_t sessions,
                                     size_t network_sessions, bool counted) {
  OffenceKinds strikes;
  const auto limit = [&](OffenceKind kind, size_t own, size_t most_of_network,
                         size_t all) {
    const uint32_t most = rules_->offences[kind].after;
    const Offence offence{.kind = kind};
    // Who keeps to the limits has not offended.
    if (own >= most) {
      if (Strikes(client, offence, static_cast<uint32_t>(own), most)) {
        strikes.push_back(kind);
      }
    } else if (most_of_network > 0 && all >= most_of_network &&
               Strikes(client, offence, static_cast<uint32_t>(all),
                       static_cast<uint32_t>(most_of_network))) {
      strikes.push_back(kind);
    }
  };
  const ConductRules& limits = rules_->conduct;
  if (!counted && rules_->offences.IsOn(OffenceKind::kConnections)) {
    OffenceBook& connections =
        IsProven(client.presence) ? connections_ : claimed_connections_;
    const auto count = [&](const Network& who) {
      return connections.Note(
          who, OffenceKind::kConnections,
          rules_->offences[OffenceKind::kConnections].window, Clock::now());
    };
    const uint32_t own = count(Network::OfClient(client.address()));
    const uint32_t all = limits.network_connections > 0
                             ? count(NeighboursOf(client.address()))
                             : 0;
    limit(OffenceKind::kConnections, own, limits.network_connections, all);
  }
  if (rules_->offences.IsOn(OffenceKind::kSessions)) {
    limit(OffenceKind::kSessions, sessions, limits.network_sessions,
          network_sessions);
  }
  return strikes;
}

OffenceKinds Conduct::Standing(const Client& client) const {
  const OffenceBook& book = IsProven(client.presence) ? book_ : claimed_;
  OffenceKinds kinds = book.Standing(Network::OfClient(client.address()),
                                     rules_->offences, Clock::now());
  // One without a weight has had its effect when it struck.
  kinds.erase(std::remove_if(kinds.begin(), kinds.end(),
                             [this](OffenceKind kind) {
                               return rules_->offences[kind].weight == 0;
                             }),
              kinds.end());
  return kinds;
}

bool Conduct::Note(const Client& client, const Offence& offence) {
  const OffenceRule& rule = rules_->offences[offence.kind];
  if (rule.mode == OffenceMode::kOff) return false;
  const Network who = Network::OfClient(client.address());
  const uint32_t count =
      BookOf(client).Note(who, offence.kind, rule.window, Clock::now());
  if (IsProven(client.presence)) memory_->Changed(who);
  metrics_.offenders.Set(static_cast<double>(book_.size()));
  return Strikes(client, offence, count, rule.after);
}

bool Conduct::Strikes(const Client& client, const Offence& offence,
                      uint32_t count, uint32_t after) {
  const bool is_on = rules_->offences[offence.kind].mode == OffenceMode::kOn;
  const bool strikes = count >= after;
  const char* effect = !strikes ? "counted" : is_on ? "strikes" : "observed";
  metrics_.Offences(OffenceName(offence.kind), effect).Increment();
  memory_->Happened({.who = Network::OfClient(client.address()),
                     .kind = EventKind::kOffence,
                     .label = OffenceName(offence.kind),
                     .detail = offence.detail});
  if (const auto held_back = lines_.Admit()) {
    Log(Severity::kInfo, "offence")
        .Add("client", client.address().ToString())
        .Add("kind", OffenceName(offence.kind))
        .Add("detail", offence.detail)
        .Add("count", count)
        .Add("after", after)
        .Add("effect", effect)
        .Add("held_back", *held_back);
  }
  return strikes && is_on;
}

}  // namespace breakwater
