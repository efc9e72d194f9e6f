#include "core/judge/offence_reply.h"

namespace breakwater {

OffenceReply ReplyOf(OffenceKind kind, const Rules& rules) {
  const int code = rules.reply.code;
  switch (kind) {
    case OffenceKind::kTrap:
      return {550, "5.1.1", "User unknown"};
    case OffenceKind::kUnknownRecipient:
      return {code, "5.7.1",
              "Client {client} is refused: too many unknown recipients "
              "[id {id}]"};
    case OffenceKind::kRelay:
      return {code, "5.7.1",
              "Client {client} is refused: this server does not relay for it "
              "[id {id}]"};
    case OffenceKind::kSender:
      return {550, "5.1.8",
              "The sender's domain cannot receive mail [id {id}]"};
    case OffenceKind::kSpam:
      return {550, "5.7.1", "The message is refused as spam [id {id}]"};
    case OffenceKind::kVirus:
      return {550, "5.7.1",
              "The message is refused, for it carries a virus [id {id}]"};
    case OffenceKind::kHelo:
      return {code, "5.7.1",
              "Client {client} says HELO with a name that is not its own "
              "[id {id}]"};
    case OffenceKind::kRejectedCommands:
    case OffenceKind::kAfterRefusal:
      return {code, "5.7.1",
              "Client {client} is refused: too many rejected commands "
              "[id {id}]"};
    case OffenceKind::kVanish:
    case OffenceKind::kConnections:
      return {code, "5.7.1",
              "Client {client} is refused: it connects too often [id {id}]"};
    case OffenceKind::kSessions:
      return {code, "5.7.1",
              "Client {client} is refused: too many sessions at once "
              "[id {id}]"};
    case OffenceKind::kReported:
      break;
  }
  return {code, "5.7.1",
          "Client {client} is refused for what it sent [id {id}]"};
}

}  // namespace breakwater
