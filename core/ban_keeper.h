#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "absl/random/random.h"
#include "core/ban_growth.h"
#include "core/ban_table.h"
#include "core/client.h"
#include "core/enforcer.h"
#include "core/judge.h"
#include "core/lists.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/recheck.h"
#include "core/verdict.h"

namespace breakwater {

// Imposes bans and lifts them: in the table, in the kernel by way of the
// enforcer, in the log and the metrics, so that these agree. It knows for how
// long a client is banned next, and which bans are to be looked at again.
//
// Whether somebody is to be banned it does not ask, but for one thing: nothing
// that is protected ever is.
//
// Loop thread only. What the constructor takes must outlive it.
class BanKeeper {
 public:
  BanKeeper(BanTable& bans, Enforcer& enforcer, Metrics& metrics);
  // Bans that cover an address which is protected from now on are lifted.
  void SetRules(std::shared_ptr<const Rules> rules);

  // Must outlive this.
  void SetMemory(Memory& memory) { memory_ = &memory; }

  // The protected network that a ban of this one would hit.
  std::optional<Network> ProtectedIn(const Network& network) const;

  struct InForce {
    Ban ban;             // as it is now
    bool began = false;  // else it was in force before
  };
  // As the verdict about the client says; it must ban. Bans grow with each that
  // is earned. Nothing if that would hit something protected.
  std::optional<InForce> Impose(const Client& client, const Verdict& verdict,
                                Evidence evidence);
  // As it is given, for at most what the kernel can count.
  std::optional<InForce> Put(const Ban& ban);

  // What was in force, if anything was; the kernel is told in either case.
  std::optional<Ban> Lift(const Network& network, std::string_view why);
  // Those that rest on that zone alone, since it was last proven true.
  void LiftThoseOf(const ZoneLie& lie);

  // The kernel's set holds one that the table does not know: `ban` is all that
  // can be said of it.
  void Adopt(const Ban& ban);
  // The enforcer has refused it: the network holds a protected address.
  void Withdraw(const Network& network);

  // From before a restart: the kernel is not told, for it is asked what it
  // holds. Nothing of what is protected by now.
  void Restore(Ban ban);
  void Restore(const BanGrowth::Entry& entry) { growth_.Restore(entry); }

  // One that is to be looked at again now.
  std::optional<Recheck::Due> TakeDue() { return recheck_.Take(Clock::now()); }
  // The ban that is meant, if it is still in force.
  std::optional<Ban> Find(const Recheck::Due& due) const;

  const BanGrowth& growth() const { return growth_; }

 private:
  void Lifted(const Network& network, const std::string& id,
              std::string_view why);
  void ShowSize();

  BanTable& bans_;
  Enforcer& enforcer_;
  Metrics& metrics_;
  Memory* memory_ = &NoMemory();
  std::shared_ptr<const Rules> rules_;
  BanGrowth growth_;
  Recheck recheck_;
  absl::BitGen random_;
};

}  // namespace breakwater
