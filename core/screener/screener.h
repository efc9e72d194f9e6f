#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/bans/ban_keeper.h"
#include "core/bans/ban_table.h"
#include "core/clients/conduct.h"
#include "core/clients/echoes.h"
#include "core/clients/observed_sessions.h"
#include "core/clients/restraint.h"
#include "core/dnsbl/lists.h"
#include "core/judge/judge.h"
#include "core/judge/unknown_user.h"
#include "core/ports/enforcer.h"
#include "core/ports/memory.h"
#include "core/ports/metrics.h"
#include "core/ports/sockets.h"
#include "core/screener/patience.h"
#include "core/screener/remembered.h"
#include "core/screener/screening.h"
#include "core/screener/session_table.h"
#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// The path of one connection, from "who is this?" to "keep it out". Read this
// first.
//
// A front asks (Start from a thread of its own, Screen on the loop), gives the
// answer to the MTA and then says so (Answered): only then is the client
// banned, so that its first contact always gets a reply with a reason. Later
// callbacks of a banned client are answered from Banned.
//
// That is about who the client is. What it tells and does later (Told) is
// looked at as it comes, and may condemn it yet: ScreenFurther and, from a
// thread of the front's own, StartFurther.
//
// The loop's, except where it says "any thread". Everything that the
// constructor takes must outlive it.
class Screener {
 public:
  // `sockets` may be null: then no client is looked for before it is banned;
  // and `domains`: then senders are not looked at.
  Screener(asio::io_context& loop, Lists& lists, BanTable& bans,
           Enforcer& enforcer, Metrics& metrics,
           std::shared_ptr<const Rules> rules, Sockets* sockets = nullptr,
           MailDomains* domains = nullptr);
  ~Screener();

  // Verdicts that are on their way keep the rules with which they began; bans
  // that cover an address which is protected from now on are lifted.
  void SetRules(std::shared_ptr<const Rules> rules);
  // Any thread.
  std::shared_ptr<const Rules> rules() const;
  // Whether what the client told need be looked at (conduct.h), by the rules
  // with which its session began. Any thread.
  bool IsOfInterest(const Rules& rules, const Client& client,
                    const Told& told) const {
    return breakwater::IsOfInterest(rules, domains_, client, told);
  }

  // Whether the client is really there: asked while the MTA waits, for once it
  // has its answer client and socket may be gone. What is known already stays.
  // Any thread.
  void LookAt(Client& client);
  // The kernel did not say when it was asked last. Any thread.
  bool cannot_look() const { return cannot_look_; }
  // With what words the MTA refuses unknown users. Any thread.
  UnknownUser& unknown_user() { return unknown_user_; }
  // A door was shown a recipient, as traps need it. Any thread.
  void SeenRecipient() { has_seen_recipient_ = true; }
  // Sessions were let pass by the hundred, and no door has seen a recipient.
  bool SeesNoRecipients() const;

  // --- The policy server's side ---
  // The client has connected: to be told once for each session; one that the
  // milter knows to be open counts no more. What strikes by that, for Known and
  // Screen.
  OffenceKinds Connected(const Client& client);
  // The verdict, if it takes no asking; else nothing. A look only: who decides
  // by it says so.
  std::optional<Verdict> Known(const Client& client,
                               const OffenceKinds& strikes = {});
  void DecidedByKnown(const Client& client, const Verdict& known);
  asio::awaitable<Verdict> Screen(Client client, OffenceKinds strikes = {});
  // The client, who has `so_far` as its verdict, has told or done something;
  // `client` as it is now.
  asio::awaitable<Verdict> ScreenFurther(Client client, Told told,
                                         Verdict so_far);
  // The reply stands on its way to the MTA; `client` as it was judged.
  void Answered(const Client& client, const Verdict& verdict);
  // A message was let pass under that verdict.
  void Accepted(const Client& client, const Verdict& verdict);
  // A user has logged in: the session is not ended, until Forget.
  void Spare(const Connection& connection) { enforcer_.Spare(connection); }
  void Forget(const Connection& connection) { enforcer_.Forget(connection); }

  // --- The milter's side: any thread ---
  // Begins, and remembers the session until Closed.
  std::shared_ptr<Screening> Start(Client client);
  void AnsweredFrom(std::shared_ptr<Screening> screening);
  // The verdict did not come in time: the client was told to go on.
  void PassedOverdue(std::shared_ptr<Screening> screening);
  // The MTA says that a user has logged in: the session is spared and whatever
  // its verdict was, it is not answered with it.
  void Authenticated(std::shared_ptr<Screening> screening);
  // A message's end was let pass.
  void Accepted(std::shared_ptr<Screening> screening);
  void Closed(std::shared_ptr<Screening> screening);
  // The verdict of a client whose ban is in force; nothing in observe mode.
  std::optional<Verdict> Banned(const Client& client) const;
  // As ScreenFurther, about the session that Start began.
  std::shared_ptr<Screening> StartFurther(std::shared_ptr<Screening> session,
                                          Client client, Told told);
  // The same, where nobody will answer: what comes of it takes effect at once.
  void NoteFurther(std::shared_ptr<Screening> session, Client client,
                   Told told);
  // A later callback of the session was answered by `verdict`. Who had been
  // refused before goes on after that: `again`.
  void AnsweredLater(std::shared_ptr<Screening> session, const Client& client,
                     const Verdict& verdict, bool again);

  // --- Other programs' side ---
  // Tells what the client did, or what a filter says of its mail. What is done
  // about it, or why nothing can be.
  asio::awaitable<absl::StatusOr<Verdict>> ReportOffence(IpAddress client,
                                                         Offence offence);

  // --- The operator's side ---
  // Bans the client with that address, for at most what the kernel can count.
  // An error if that would cover a protected address; else what is in force.
  absl::StatusOr<Ban> BanByOperator(const IpAddress& address, Duration length,
                                    std::string_view why);
  // The same for one that was in force elsewhere or once: as it is told, with
  // an id and a text of our own where it has none.
  // Where that is no news the clients' histories say nothing of it: a million
  // at once would push all else out of them.
  absl::StatusOr<BanKeeper::InForce> BanAsTold(Ban ban, bool is_news);
  // Every ban that kept somebody of that network out, as BanKeeper::LiftAllOf
  // has it.
  std::vector<Ban> Unban(const Network& network);

  // --- The enforcer's side ---
  // The kernel's set holds a ban that the table does not know: the daemon was
  // restarted and the reason is lost.
  void Adopt(const Network& network, Duration left);
  // The enforcer knows better: the network holds a protected address.
  void Withdraw(const Network& network);

  // --- The memory's side ---
  // Where what is known of clients outlives us. Must outlive this.
  void SetMemory(Memory& memory);
  // What is known of those networks; and what was, all of it or bit by bit,
  // before the first client comes or later: then it is merged with what is
  // known by now. Bans that have become protected are left out.
  Remembered Recall(absl::Span<const Network> networks) const;
  void Restore(Remembered remembered);
  // That was all.
  void Restored() { keeper_.Restored(); }
  // All of whom anything is known, some of them twice.
  std::vector<Network> KnownNetworks() const;

  // Once a second: what ends by itself.
  void Tick();
  const Restraint& restraint() const { return restraint_; }
  const Conduct& conduct() const { return conduct_; }
  const BanGrowth& growth() const { return keeper_.growth(); }
  // Whether bans that have become protected are being lifted yet, and how many
  // were, ever.
  bool is_sweeping() const { return keeper_.is_sweeping(); }
  size_t lifted_by_rules() const { return keeper_.lifted_by_rules(); }
  const BanWidening& widening() const { return keeper_.widening(); }
  size_t waiting() const { return waiting_.size(); }
  size_t sessions() const { return sessions_.size(); }

 private:
  // Equal questions are joined: all who wait for a verdict about one address
  // get the same one, with the same id.
  // Whom a verdict is about, and whether it is there or only said to be.
  using Asked = std::pair<IpAddress, bool>;
  static Asked AskedOf(const Client& client) {
    return {client.address(), IsProven(client.presence)};
  }
  struct Waiting {
    std::vector<std::shared_ptr<Screening>> screenings;
    OffenceKinds strikes;
    Instant since;
  };

  // As Connected, whoever told of it.
  OffenceKinds NoteConnection(const Client& client);
  void Join(std::shared_ptr<Screening> screening, const OffenceKinds& strikes);
  // Why whatever comes of it bans nobody. Any thread.
  std::optional<Withheld> WithheldFrom(const Client& client) const;
  asio::awaitable<void> Run(Asked asked);
  asio::awaitable<Verdict> VerdictFrom(Client client, Answers answers,
                                       OffenceKinds strikes);
  Verdict OffenceVerdict(const Client& client, OffenceKind kind,
                         const Rules& rules);
  // Takes the ban out of it, where something speaks against that; in observe
  // mode nothing is done of it.
  void Weigh(const IpAddress& client, Verdict& verdict);
  void Finish(const Asked& asked, Verdict verdict);
  asio::awaitable<Verdict> Further(Client client, Told told, Verdict so_far);

  void Impose(const Client& client, const Verdict& verdict);
  // If no list holds the client any more.
  asio::awaitable<void> LiftIfUnlisted(Recheck::Due due);
  // What speaks against the ban of a whole network: what may be a proxy is in
  // it, or somebody who is spared and has a session. Else null.
  const char* AgainstWide(const Network& network);
  // Everyone of that network who still waits or holds a session.
  void TurnOut(const Ban& ban);
  void TurnOut(const BanKeeper::InForce& in_force);
  void EndIfSilent(const Screening& screening);

  void MarkAnswered(const Screening& screening);
  void TellRules();
  // Bit by bit, until nothing is left to be looked for.
  void SweepOn();
  void ForgetSession(const Screening& screening);
  void Tell(const Client& client, const Verdict& verdict);
  void TellOfRefusal(const Client& client, const Verdict& verdict);
  void TellOfWould(const Client& client, const Verdict& verdict);

  asio::io_context& loop_;
  Lists& lists_;
  BanTable& bans_;
  Enforcer& enforcer_;
  Metrics& metrics_;
  Sockets* const sockets_;
  std::atomic<bool> cannot_look_ = false;
  std::atomic<bool> has_seen_recipient_ = false;
  size_t passed_ = 0;
  UnknownUser unknown_user_;
  MailDomains* const domains_;
  mutable std::mutex rules_mutex_;
  std::shared_ptr<const Rules> rules_;  // written by the loop, by rules_mutex_

  absl::flat_hash_map<Asked, Waiting> waiting_;
  SessionTable sessions_;
  ObservedSessions observed_;
  Echoes echoes_;
  Patience patience_;
  Restraint restraint_;
  Conduct conduct_;
  BanKeeper keeper_;
  bool sweeping_ = false;
  Memory* memory_ = &NoMemory();
};

}  // namespace breakwater
