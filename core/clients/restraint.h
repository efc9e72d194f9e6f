#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/log_limit.h"
#include "core/clients/brake.h"
#include "core/clients/good_history.h"
#include "core/clients/proxy_watch.h"
#include "core/judge/judge.h"
#include "core/ports/memory.h"
#include "core/ports/metrics.h"
#include "core/types/client.h"
#include "core/types/verdict.h"

namespace breakwater {

// By what a verdict condemns.
enum class Ground : uint8_t {
  kLists,     // what they say of its address
  kOffences,  // that our own mistake may make of anybody, as a wrong map of
              // recipients does, or whoever comes in its name, as with a name
              // that a list holds
  kOwnDoing,  // that nobody but the client can commit
};
inline constexpr size_t kBrakes = 2;  // lists and offences have one each

Ground GroundOf(const Verdict& verdict);

// What keeps a client from being banned that is condemned, and tells the
// operator of it: its good history, once in a while, the brake, and that it
// seems to be a proxy: of such a one offences say nothing, for they may be
// anybody's, but lists do. It is refused all the same. Bans of the operator's
// are none of its business.
//
// Loop thread only.
class Restraint {
 public:
  explicit Restraint(Metrics& metrics) : metrics_(metrics) {}
  void SetRules(const Rules& rules);
  // Must outlive this.
  void SetMemory(Memory& memory) { memory_ = &memory; }
  void Restore(const GoodHistory::Entry& entry);

  // A client that is to be judged has connected, or one that may be a proxy.
  // Whether clients seem to come through one from now on.
  bool Connected(const IpAddress& client);
  // A message of this client's was accepted.
  void Accept(const IpAddress& client);
  // The same, while lists were not heard that might have condemned it.
  void AcceptUncleared(const IpAddress& client);
  // What speaks against a ban of this client on that ground now, if anything
  // does.
  std::optional<Withheld> Against(const IpAddress& client, Ground ground,
                                  Instant now) const;
  // The verdict about a client, before anybody has it: takes the ban out of it,
  // if something speaks against that.
  void Consider(const IpAddress& client, Verdict& verdict);
  // The client was given a verdict whose ban was withheld, by us or others.
  void NoteWithheld(const IpAddress& client, const Verdict& verdict,
                    Withheld why);
  // The ban of that verdict was imposed.
  void Imposed(const Verdict& verdict);
  // Once a second: what ends by itself.
  void Tick();

  const GoodHistory& history() const { return history_; }
  // That of the lists' bans, or of the offences'.
  const Brake& brake(Ground ground = Ground::kLists) const {
    return brakes_[static_cast<size_t>(ground)];
  }
  const ProxyWatch& proxy() const { return proxy_; }

 private:
  // Null for what no brake is for.
  Brake* BrakeOf(const Verdict& verdict);
  void UpdateBrakes(Instant now);
  void UpdateBrake(Ground ground, Instant now);

  Metrics& metrics_;
  Memory* memory_ = &NoMemory();
  GoodHistory history_;
  Brake brakes_[kBrakes];  // by Ground
  ProxyWatch proxy_;
  // By Withheld, so that none hides another.
  LogLimit lines_[8] = {
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)},
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)},
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)},
      {10, std::chrono::seconds(10)}, {10, std::chrono::seconds(10)}};
};

}  // namespace breakwater
