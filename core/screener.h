#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "asio/awaitable.hpp"
#include "asio/io_context.hpp"
#include "core/ban_table.h"
#include "core/client.h"
#include "core/enforcer.h"
#include "core/judge.h"
#include "core/lists.h"
#include "core/metrics.h"
#include "core/patience.h"
#include "core/restraint.h"
#include "core/screening.h"
#include "core/session_table.h"
#include "core/sockets.h"
#include "core/verdict.h"

namespace breakwater {

// The path of one connection, from "who is this?" to "keep it out". Read this
// first.
//
// A front asks (Start from a thread of its own, Screen on the loop), gives the
// answer to the MTA and then says so (Answered): only then is the client
// banned, so that its first contact always gets a reply with a reason. Later
// callbacks of a banned client are answered from Banned.
//
// The loop's, except where it says "any thread". Everything that the
// constructor takes must outlive it.
class Screener {
 public:
  // `sockets` may be null: then no client is looked for before it is banned.
  Screener(asio::io_context& loop, Lists& lists, BanTable& bans,
           Enforcer& enforcer, Metrics& metrics,
           std::shared_ptr<const Rules> rules, Sockets* sockets = nullptr);
  ~Screener();

  // Verdicts that are on their way keep the rules with which they began; bans
  // that cover an address which is protected from now on are lifted.
  void SetRules(std::shared_ptr<const Rules> rules);

  // --- The policy server's side ---
  // The verdict, if it takes no asking; else nothing.
  std::optional<Verdict> Known(const Client& client);
  asio::awaitable<Verdict> Screen(Client client);
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
  // Says in log and metrics that a later callback was answered by `verdict`,
  // and has the session ended after it.
  void AnsweredLater(const Client& client, const Verdict& verdict);

  // --- The operator's side ---
  // Bans the client with that address, for at most what the kernel can count.
  // An error if that would cover a protected address; else what is in force.
  absl::StatusOr<Ban> BanByOperator(const IpAddress& address, Duration length,
                                    std::string_view why);
  // What was in force, if anything was; the kernel is told in either case.
  std::optional<Ban> Unban(const IpAddress& address);

  // --- The enforcer's side ---
  // The kernel's set holds a ban that the table does not know: the daemon was
  // restarted and the reason is lost.
  void Adopt(const Network& network, Duration left);
  // The enforcer knows better: the network holds a protected address.
  void Withdraw(const Network& network);

  // Once a second: what ends by itself.
  void Tick() { restraint_.Tick(); }
  const Restraint& restraint() const { return restraint_; }
  size_t waiting() const { return waiting_.size(); }
  size_t sessions() const { return sessions_.size(); }

 private:
  // Equal questions are joined: all who wait for a verdict about one address
  // get the same one, with the same id.
  struct Waiting {
    std::vector<std::shared_ptr<Screening>> screenings;
    Instant since;
  };

  void Join(std::shared_ptr<Screening> screening);
  bool IsOnlyClaimed(const Client& client);  // any thread
  asio::awaitable<void> Run(IpAddress address);
  asio::awaitable<Verdict> VerdictFrom(IpAddress address, Answers answers);
  void Finish(const IpAddress& address, Verdict verdict);

  void Impose(const Client& client, const Verdict& verdict);
  void PutInForce(const Ban& ban);
  // Those that rest on that zone alone, since it was last proven true.
  void LiftBansOf(const ZoneLie& lie);
  // Everyone of that network who still waits or holds a session.
  void TurnOut(const Ban& ban);
  void EndIfSilent(const Screening& screening);

  void MarkAnswered(const Screening& screening);
  void ForgetSession(const Screening& screening);
  void Report(const Client& client, const Verdict& verdict);
  std::shared_ptr<const Rules> Snapshot() const;
  std::string NewId();

  asio::io_context& loop_;
  Lists& lists_;
  BanTable& bans_;
  Enforcer& enforcer_;
  Metrics& metrics_;
  Sockets* const sockets_;
  mutable std::mutex rules_mutex_;
  std::shared_ptr<const Rules> rules_;  // written by the loop, by rules_mutex_

  absl::flat_hash_map<IpAddress, Waiting> waiting_;
  SessionTable sessions_;
  Patience patience_;
  Restraint restraint_;
  absl::BitGen random_;
};

}  // namespace breakwater
