#include "tests/core/dnsbl/dns_faults.h"

#include <utility>

namespace breakwater {
namespace {

using std::chrono::milliseconds;

// The answer is this, whatever the question.
DnsFault Always(
    std::string name, FakeReply reply,
    std::optional<ZoneStanding> standing = ZoneStanding::kUnreachable) {
  return {
      .name = std::move(name),
      .spoil = [reply = std::move(reply)](FakeReply, size_t) { return reply; },
      .standing = standing};
}

// The answer is the honest one, but for a change.
DnsFault Changed(
    std::string name, std::function<void(FakeReply&)> change,
    std::optional<ZoneStanding> standing = ZoneStanding::kUnreachable) {
  return {.name = std::move(name),
          .spoil =
              [change = std::move(change)](FakeReply honest, size_t) {
                change(honest);
                return honest;
              },
          .standing = standing};
}

// Every other answer is that one.
DnsFault Sometimes(std::string name, FakeReply reply) {
  return {.name = std::move(name),
          .spoil =
              [reply = std::move(reply)](FakeReply honest, size_t number) {
                return number % 2 == 0 ? reply : honest;
              },
          .standing = std::nullopt};
}

// Aliases from the name to the records, one after the other.
void PutBehindAliases(FakeReply& reply, int aliases) {
  reply.change = [aliases](DnsMessage& message) {
    std::string owner = message.question.name;
    std::vector<DnsRecord> records;
    for (int i = 0; i < aliases; ++i) {
      const std::string next = "alias" + std::to_string(i) + ".test";
      records.push_back(CnameRecord(owner, next));
      owner = next;
    }
    for (DnsRecord& record : message.answers) {
      record.name = owner;
      records.push_back(std::move(record));
    }
    message.answers = std::move(records);
  };
}

void PutIntoAliasLoop(FakeReply& reply) {
  reply.addresses.clear();
  reply.rcode = 0;
  reply.change = [](DnsMessage& message) {
    const std::string& name = message.question.name;
    message.answers = {CnameRecord(name, "alias.test"),
                       CnameRecord("alias.test", name)};
  };
}

std::vector<DnsFault> Silences() {
  return {
      Always("Silence", Silence()),
      Always("Garbage", {.raw = Bytes(50, 'x')}),
      Changed("WrongId", [](FakeReply& reply) { reply.wrong_id = true; }),
      Changed("TooLate", [](FakeReply& r) { r.delay = milliseconds(1000); }),
      Sometimes("FlakySilence", Silence()),
  };
}

std::vector<DnsFault> Errors() {
  return {
      Always("ServFail", Rcode(kServFail)),
      Always("FormErr", Rcode(kFormErr)),
      Always("Refused", Rcode(kRefusedRcode), ZoneStanding::kRefused),
      Changed("BadLength",
              [](FakeReply& reply) {
                reply.change = [](DnsMessage& message) {
                  message.answers = {
                      ARecord(message.question.name, "127.0.0.2")};
                  message.answers[0].length = 999;
                };
              }),
      Sometimes("FlakyServFail", Rcode(kServFail)),
      Always("MistypedZone", Says({"127.255.255.252"}), ZoneStanding::kRefused),
      Always("PublicResolver", Says({"127.255.255.254"}),
             ZoneStanding::kRefused),
      Always("TooManyQueries", Says({"127.255.255.255"}),
             ZoneStanding::kRefused),
      Always("Blocked", Says({"127.0.0.1"}), ZoneStanding::kRefused),
  };
}

std::vector<DnsFault> Lies() {
  DnsFault wildcard = Always("WildcardListed", Says({"127.0.0.2"}),
                             ZoneStanding::kListsEverything);
  // Nothing tells its answers from those of a list.
  wildcard.another_helps = false;
  return {
      wildcard,
      Always("WildcardElsewhere", Says({"203.0.113.80"}),
             ZoneStanding::kListsEverything),
      Always("WildcardOfBoth", Says({"127.0.0.2", "203.0.113.80"}),
             ZoneStanding::kListsEverything),
  };
}

std::vector<DnsFault> Oddities() {
  constexpr ZoneStanding kOk = ZoneStanding::kOk;
  // As good as no records, so who is not listed cannot be told from it.
  DnsFault alias_loop = Changed("AliasLoop", PutIntoAliasLoop, std::nullopt);
  alias_loop.another_helps = false;
  return {
      Changed(
          "Slow", [](FakeReply& r) { r.delay = milliseconds(30); }, kOk),
      Changed(
          "Truncated", [](FakeReply& r) { r.truncated = true; }, kOk),
      Changed(
          "NoEdns", [](FakeReply& r) { r.refuse_edns = true; }, kOk),
      Changed(
          "HugeTtl", [](FakeReply& r) { r.ttl = 0x7fffffff; }, kOk),
      Changed(
          "NegativeTtl", [](FakeReply& r) { r.ttl = 0xffffffff; }, kOk),
      Changed(
          "FourThousandRecords",
          [](FakeReply& reply) {
            if (reply.addresses.empty()) return;
            reply.addresses.assign(4000, reply.addresses[0]);
            reply.truncated = true;
          },
          kOk),
      Changed(
          "AliasChain", [](FakeReply& reply) { PutBehindAliases(reply, 20); },
          kOk),
      alias_loop,
  };
}

}  // namespace

std::vector<DnsFault> DnsFaults() {
  std::vector<DnsFault> result;
  for (auto faults : {Silences(), Errors(), Lies(), Oddities()}) {
    result.insert(result.end(), faults.begin(), faults.end());
  }
  return result;
}

}  // namespace breakwater
