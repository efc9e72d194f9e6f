// What the operator and the enforcer tell the screener.

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/judge/reply.h"
#include "core/screener/screener.h"
#include "core/types/record.h"

namespace breakwater {
namespace {

constexpr char kOperatorsReply[] =
    "Client {client} is refused{reason} [id {id}]";

}  // namespace

absl::StatusOr<Ban> Screener::BanByOperator(const IpAddress& address,
                                            Duration length,
                                            std::string_view why) {
  const std::string id = keeper_.NewId();
  absl::StatusOr<BanKeeper::InForce> in_force = BanAsTold(
      {.network = Network::OfClient(address),
       .expires = Clock::now() + length,
       .origin = Origin::kOperator,
       .id = id,
       .text = RenderReply(kOperatorsReply,
                           {.client = address, .reason = why, .id = id})},
      /*is_news=*/true);
  if (!in_force.ok()) return in_force.status();
  return std::move(in_force->ban);
}

absl::StatusOr<BanKeeper::InForce> Screener::BanAsTold(Ban ban, bool is_news) {
  if (rules_->observe) {
    return absl::FailedPreconditionError(
        "in observe mode nobody is banned; set mode = \"enforce\"");
  }
  if (const auto shield = keeper_.ShieldIn(ban.network)) {
    return absl::FailedPreconditionError(absl::StrCat(
        ban.network.ToString(), " is not banned: ", shield->network.ToString(),
        " is ", shield->why));
  }
  const auto length =
      std::chrono::ceil<std::chrono::milliseconds>(ban.expires - Clock::now());
  if (length <= std::chrono::milliseconds(0) ||
      length > std::chrono::seconds(kLongestBanSeconds)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ban lasts from 1 to ", kLongestBanSeconds, " seconds"));
  }
  if (ban.id.empty()) ban.id = keeper_.NewId();
  if (ban.text.empty()) {
    ban.text = RenderReply(
        kOperatorsReply,
        {.client = ban.network.address, .reason = "imported", .id = ban.id});
  }
  const auto in_force = keeper_.Put(ban, is_news);
  TurnOut(*in_force);
  return *in_force;
}

std::vector<Ban> Screener::Unban(const Network& network) {
  return keeper_.LiftAllOf(network, OriginName(Origin::kOperator));
}

void Screener::Adopt(const Network& network, Duration left) {
  const std::string id = keeper_.NewId();
  const std::string text =
      IsClient(network) ? RenderReply("Client {client} is refused [id {id}]",
                                      {.client = network.address, .id = id})
                        : absl::StrCat("Client network ", network.ToString(),
                                       " is refused [id ", id, "]");
  keeper_.Adopt({.network = network,
                 .expires = Clock::now() + left,
                 .origin = WidthOf(network) ? Origin::kNeighbours
                                            : Origin::kBeforeRestart,
                 .id = id,
                 .text = text});
}

void Screener::Withdraw(const Network& network) { keeper_.Withdraw(network); }

}  // namespace breakwater
