#pragma once

#include <optional>

#include "core/brake.h"
#include "core/client.h"
#include "core/good_history.h"
#include "core/judge.h"
#include "core/log_limit.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/proxy_watch.h"
#include "core/verdict.h"

namespace breakwater {

// What keeps a client from being banned that lists condemn, and tells the
// operator of it: its good history, once in a while, the brake, and that it
// seems to be a proxy. It is refused all the same. Bans of the operator's are
// none of its business.
//
// Loop thread only.
class Restraint {
 public:
  explicit Restraint(Metrics& metrics) : metrics_(metrics) {}
  void SetRules(const Rules& rules);
  // Must outlive this.
  void SetMemory(Memory& memory) { memory_ = &memory; }
  void Restore(const GoodHistory::Entry& entry) { history_.Restore(entry); }

  // A client that is to be judged has connected, or one that may be a proxy.
  // Whether clients seem to come through one from now on.
  bool Connected(const IpAddress& client);
  // A message of this client's was accepted.
  void Accept(const IpAddress& client);
  // What speaks against a ban of this client now, if anything does.
  std::optional<Withheld> Against(const IpAddress& client, Instant now) const;
  // The lists' verdict about a client, before anybody has it: takes the ban out
  // of it, if something speaks against that.
  void Consider(const IpAddress& client, Verdict& verdict);
  // The client was given a verdict whose ban was withheld, by us or others.
  void NoteWithheld(const IpAddress& client, const Verdict& verdict,
                    Withheld why);
  // A ban of the lists' was imposed.
  void Imposed();
  // Once a second: what ends by itself.
  void Tick();

  const GoodHistory& history() const { return history_; }
  const Brake& brake() const { return brake_; }
  const ProxyWatch& proxy() const { return proxy_; }

 private:
  void UpdateBrake(Instant now);

  Metrics& metrics_;
  Memory* memory_ = &NoMemory();
  GoodHistory history_;
  Brake brake_;
  ProxyWatch proxy_;
  // By Withheld, so that none hides another.
  LogLimit lines_[8] = {
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)},
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)},
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)},
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)}};
};

}  // namespace breakwater
