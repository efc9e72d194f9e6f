#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "asio/awaitable.hpp"
#include "core/base/clock.h"
#include "core/base/log_limit.h"
#include "core/clients/offence_book.h"
#include "core/dnsbl/lists.h"
#include "core/judge/judge.h"
#include "core/ports/memory.h"
#include "core/ports/metrics.h"
#include "core/types/client.h"
#include "core/types/offence.h"

namespace breakwater {

class MailDomains;

// What a client has told or done since it was judged last.
struct Told {
  bool names = false;                  // Client::helo or reverse_name is new
  bool sender = false;                 // so is Client::sender
  std::vector<Offence> offences = {};  // which the front saw for itself
  bool answered = false;               // the MTA has said all that will be said
};

// Whether a zone of domains is to be asked about names of that kind.
bool AsksAbout(const Rules& rules, NameKind kind);
// The client's name of that kind, as such zones are asked about it; nothing for
// one that cannot be listed.
std::optional<std::string> NameOf(const Client& client, NameKind kind);

// Whether the names that a client tells may be of any interest.
bool AreNamesOfInterest(const Rules& rules);
// Whether anything of what this one told is to be looked at; `client` as it is
// now. Cheap, and what it says no to needs no round trip to the loop: an honest
// HELO for one.
//
// Nor does a sender whose domain is known to receive mail; `domains` may be
// null. Any thread.
bool IsOfInterest(const Rules& rules, const MailDomains* domains,
                  const Client& client, const Told& told);

// HELO with a name or an address that is ours.
bool IsForgedHelo(const Rules& rules, const Client& client);

// Watches what clients do, besides that they are there: looks at what they
// tell, keeps their offences on record, and says which of these strike.
//
// Loop thread only. What the constructor takes must outlive it.
class Conduct {
 public:
  // `domains` may be null: then senders are not looked at.
  Conduct(Lists& lists, MailDomains* domains, Metrics& metrics);
  void SetRules(std::shared_ptr<const Rules> rules);
  // Must outlive this.
  void SetMemory(Memory& memory) { memory_ = &memory; }
  void Restore(const OffenceBook::Entry& entry) { book_.Restore(entry); }

  struct Findings {
    Answers answers;  // those known before, and the lists' about names
    // Which strike now: what was found is as much as their rules need, or they
    // stand against the client with their weight.
    OffenceKinds strikes;
    // Mail for a trap is refused though it may not strike yet: there is no such
    // recipient.
    bool hit_trap = false;
    // As the report asked for; else the rule's.
    std::optional<Duration> ban_duration;
  };
  // Looks at what the client told, asking the DNS where it must, until the
  // deadline; an answer that does not come is nobody's offence. `is_good`: it
  // has a good history.
  asio::awaitable<Findings> Look(Client client, Told told, Answers known,
                                 bool is_good, Instant deadline);

  // The client has connected, and has so many sessions with this one, its
  // network so many. What strikes by that. `counted`: the other door has told
  // of the connection.
  OffenceKinds NoteConnection(const Client& client, size_t sessions,
                              size_t network_sessions, bool counted = false);
  // What stands against it with its weight, without that it does anything.
  OffenceKinds Standing(const Client& client) const;

  // Of those who are there.
  const OffenceBook& book() const { return book_; }
  size_t bytes() const {
    return book_.bytes() + connections_.bytes() + claimed_.bytes() +
           claimed_connections_.bytes();
  }

 private:
  OffenceBook& BookOf(const Client& client) {
    return IsProven(client.presence) ? book_ : claimed_;
  }
  // Puts it on record; whether it strikes.
  bool Note(const Client& client, const Offence& offence);
  bool Strikes(const Client& client, const Offence& offence, uint32_t count,
               uint32_t after);

  Lists& lists_;
  MailDomains* const domains_;
  Metrics& metrics_;
  Memory* memory_ = &NoMemory();
  std::shared_ptr<const Rules> rules_;
  OffenceBook book_;
  // Of everybody who connects, so apart: strangers by the thousand must not
  // push out those who offend.
  OffenceBook connections_;
  // Of those who are only said to be there: what a proxy's peers do in other
  // people's names must not have these banned when they come themselves.
  OffenceBook claimed_;
  OffenceBook claimed_connections_;
  LogLimit lines_{200, std::chrono::seconds(10)};
};

}  // namespace breakwater
