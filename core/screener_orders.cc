// What the operator and the enforcer tell the screener.

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
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
  if (const auto holds = keeper_.ProtectedIn(network)) {
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
  const auto in_force = keeper_.Put(
      {.network = network,
       .expires = now + length,
       .origin = Origin::kOperator,
       .id = id,
       .text = RenderReply("Client {client} is refused{reason} [id {id}]",
                           {.client = address, .reason = why, .id = id})});
  TurnOut(in_force->ban);
  return in_force->ban;
}

std::optional<Ban> Screener::Unban(const IpAddress& address) {
  return keeper_.Lift(Network::OfClient(address), "operator");
}

void Screener::Adopt(const Network& network, Duration left) {
  const std::string id = NewId();
  keeper_.Adopt({.network = network,
                 .expires = Clock::now() + left,
                 .origin = Origin::kBeforeRestart,
                 .id = id,
                 .text = RenderReply("Client {client} is refused [id {id}]",
                                     {.client = network.address, .id = id})});
}

void Screener::Withdraw(const Network& network) { keeper_.Withdraw(network); }

}  // namespace breakwater
