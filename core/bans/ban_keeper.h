#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "core/bans/ban_growth.h"
#include "core/bans/ban_table.h"
#include "core/bans/ban_widening.h"
#include "core/bans/recheck.h"
#include "core/bans/remembered_ban.h"
#include "core/base/log_limit.h"
#include "core/clients/good_history.h"
#include "core/dnsbl/lists.h"
#include "core/judge/judge.h"
#include "core/ports/enforcer.h"
#include "core/ports/memory.h"
#include "core/ports/metrics.h"
#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// Imposes bans and lifts them: in the table, in the kernel by way of the
// enforcer, in the log and the metrics, so that these agree. It knows for how
// long a client is banned next, and which bans are to be looked at again.
//
// Whether somebody is to be banned it does not ask, but for one thing: nothing
// that is protected or allowed ever is (ShieldOf).
//
// Where enough clients of a network are banned, all of the network is, unless
// somebody in it must not be: who is protected or spared, or has a good
// history.
//
// Loop thread only. What the constructor takes must outlive it.
class BanKeeper {
 public:
  BanKeeper(BanTable& bans, Enforcer& enforcer, Metrics& metrics,
            const GoodHistory& history);
  // Bans that cover an address which is shielded from now on are lifted, and
  // those of networks of a width that is not wanted any more.
  void SetRules(std::shared_ptr<const Rules> rules);

  // Must outlive this.
  void SetMemory(Memory& memory) { memory_ = &memory; }

  // Asked before a network is banned for its members: what speaks against that,
  // as the log has it, or null.
  using Objection = std::function<const char*(const Network&)>;
  void SetObjection(Objection objection) { objection_ = std::move(objection); }

  // By which a client and the log are told of one verdict or ban.
  std::string NewId();

  // What a ban of this network would hit and must not.
  std::optional<Shield> ShieldIn(const Network& network) const {
    return ShieldOf(*rules_, network);
  }

  struct InForce {
    Ban ban;                 // as it is now
    bool began = false;      // else it was in force before,
    bool prolonged = false;  // and ends later by that
    // Of a network around it, which began by this one.
    std::optional<Ban> wide = {};
  };
  // As the verdict about the client says; it must ban. Bans grow with each that
  // is earned. Nothing if that would hit something shielded.
  std::optional<InForce> Impose(const Client& client, const Verdict& verdict,
                                Evidence evidence);
  // As it is given, for at most what the kernel can count. What is not news
  // does not stand in the client's history.
  std::optional<InForce> Put(const Ban& ban, bool is_news = true);

  // What was in force, if anything was; the kernel is told in either case.
  std::optional<Ban> Lift(const Network& network, std::string_view why);
  // Whatever keeps somebody of that network out, which is a client's or one of
  // many clients (width.h): its own ban first, then those of the networks
  // around it and of all networks and clients in it, of whom up to 65536 are
  // looked for. What they added to the length of the next bans is taken back,
  // and networks are not banned again before as many others are. The kernel is
  // told of the network itself and those around it in any case.
  std::vector<Ban> LiftAllOf(const Network& network, std::string_view why);
  // The same of one that was not known yet when it was lifted by that.
  void TakeBack(const Ban& unknown);
  // Those that rest on that zone alone, since it was last proven true.
  void LiftThoseOf(const ZoneLie& lie);
  // Those of what seems to be a proxy, but for the operator's and those that
  // rest on what lists say of its address.
  void LiftThoseOf(const std::vector<Network>& suspects);

  // The kernel's set holds one that the table does not know: `ban` is all that
  // can be said of it. What is shielded is taken out of the set.
  void Adopt(const Ban& ban);
  // A banned client has come through the kernel. Once its ban is some seconds
  // old that is said again, now and then: somebody may have taken this one out.
  void IsAtTheDoor(const IpAddress& client);
  // The enforcer has refused it: the network holds a protected address.
  void Withdraw(const Network& network);

  // From before a restart; the kernel is told of it if it may not have it. Of
  // one that was found there meanwhile this is the reason. What must not be
  // banned by now the kernel is told to let in.
  void Restore(RememberedBan remembered);
  // Before the bans: who has been banned anew since is in these.
  void Restore(const Lifting& lifting);
  // All are restored. A network of which enough clients are banned and that is
  // not was let in by somebody: it takes as many others again.
  void Restored();
  void Restore(const BanGrowth::Entry& entry) { growth_.Restore(entry); }

  // What rules or lies lift is looked for bit by bit, a first part at once. As
  // long as there is more, Continue is to be called soon, again and again.
  bool is_sweeping() const { return !sweeps_.empty(); }
  void Continue();
  // Lifted because rules changed, ever.
  size_t lifted_by_rules() const { return lifted_by_rules_; }

  // One that is to be looked at again now.
  std::optional<Recheck::Due> TakeDue() { return recheck_.Take(Clock::now()); }
  // The ban that is meant, if it is still in force.
  std::optional<Ban> Find(const Recheck::Due& due) const;

  const BanGrowth& growth() const { return growth_; }
  const BanWidening& widening() const { return widening_; }

 private:
  // One that somebody else has told of rests on the list that it names.
  Ban WithItsList(Ban told) const;
  // The ban of one client is in force. That of a network around it which began
  // by that, if one did.
  std::optional<Ban> Widen(const Ban& member);
  // What speaks against any ban of that network, as the log has it, or null.
  const char* Against(const Network& network) const;
  // Of a network, for its members: that, and whoever else is in it.
  const char* AgainstWide(const Network& network) const;
  // The bans of networks that rested on that one, if too few are left.
  void LiftTheWideAround(const Network& member);
  void Lifted(const Network& network, const std::string& id,
              std::string_view why);
  // The ban is a mistake: takes back what it made the next one longer by, if it
  // did. Bans before it still count.
  void TakeBackGrowth(const Ban& ban);
  bool MaySayAgain(const Network& network, Instant now);
  void ShowSize();

  // Lifts all bans of which `which` says so.
  struct Sweep {
    std::function<bool(BanTable::Glance&)> which;
    std::function<void(const Ban&)> lifted;
    std::function<void()> ended = [] {};
    BanTable::Cursor cursor = {};
  };
  void Begin(Sweep sweep);

  BanTable& bans_;
  Enforcer& enforcer_;
  Metrics& metrics_;
  const GoodHistory& history_;
  Memory* memory_ = &NoMemory();
  std::shared_ptr<const Rules> rules_;
  BanGrowth growth_;
  // When the ban of one that was at the door was said again. Bounded.
  absl::flat_hash_map<Network, Instant> said_again_;
  BanWidening widening_;
  Objection objection_;
  LogLimit refusals_{10, std::chrono::seconds(10)};
  Recheck recheck_;
  std::deque<Sweep> sweeps_;
  size_t lifted_by_rules_ = 0;
  absl::BitGen random_;
};

}  // namespace breakwater
