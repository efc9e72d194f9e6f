// What the operator and the enforcer tell the screener.

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/log.h"
#include "core/record.h"
#include "core/reply.h"
#include "core/screener.h"

namespace breakwater {

absl::StatusOr<Ban> Screener::BanByOperator(const IpAddress& address,
                                            Duration length,
                                            std::string_view why) {
  if (rules_->observe) {
    return absl::FailedPreconditionError(
        "in observe mode nobody is banned; set mode = \"enforce\"");
  }
  const Network network = Network::OfClient(address);
  auto holds = AlwaysProtected().FindOverlap(network);
  if (!holds) holds = rules_->protected_networks.FindOverlap(network);
  if (holds) {
    return absl::FailedPreconditionError(
        absl::StrCat(network.ToString(), " is not banned: ", holds->ToString(),
                     " is protected"));
  }
  if (length < std::chrono::seconds(1) ||
      length > std::chrono::seconds(kLongestBanSeconds)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ban lasts from 1 to ", kLongestBanSeconds, " seconds"));
  }
  const Instant now = Clock::now();
  const std::string id = NewId();
  PutInForce(
      {.network = network,
       .expires = now + length,
       .origin = Origin::kOperator,
       .id = id,
       .text = RenderReply("Client {client} is refused{reason} [id {id}]",
                           {.client = address, .reason = why, .id = id})});
  return *bans_.Find(network, now);
}

std::optional<Ban> Screener::Unban(const IpAddress& address) {
  const Network network = Network::OfClient(address);
  enforcer_.Unban(network);
  const std::optional<Ban> ban = bans_.Remove(network);
  metrics_.bans_in_force.Set(static_cast<double>(bans_.size()));
  Log(Severity::kInfo, "unban")
      .Add("client", network.ToString())
      .Add("why", "operator")
      .Add("id", ban ? ban->id : "");
  return ban;
}

void Screener::Adopt(const Network& network, Duration left) {
  const Instant now = Clock::now();
  if (bans_.Find(network, now)) return;
  const std::string id = NewId();
  bans_.Add({.network = network,
             .expires = now + left,
             .origin = Origin::kBeforeRestart,
             .id = id,
             .text = RenderReply("Client {client} is refused [id {id}]",
                                 {.client = network.address, .id = id})},
            now);
  metrics_.bans_in_force.Set(static_cast<double>(bans_.size()));
}

void Screener::Withdraw(const Network& network) {
  bans_.Remove(network);
  metrics_.bans_in_force.Set(static_cast<double>(bans_.size()));
}

}  // namespace breakwater
