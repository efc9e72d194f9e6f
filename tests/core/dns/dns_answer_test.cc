#include "core/dns/dns_answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/dns_message.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kName[] = "2.0.0.127.list.test";

DnsMessage Message(std::vector<DnsRecord> answers) {
  return {.question = {.name = kName}, .answers = std::move(answers)};
}

DnsAnswer ParseA(const DnsMessage& message) {
  return ParseDnsAnswer(message.Encode(), DnsType::kA);
}

DnsAnswer ParseTxt(DnsMessage message) {
  message.question.type = kTypeTxt;
  return ParseDnsAnswer(message.Encode(), DnsType::kTxt);
}

TEST(DnsAnswerTest, KeepsAddressesAndTheLeastTtl) {
  const DnsAnswer answer = ParseA(Message(
      {ARecord(kName, "127.0.0.4", 300), ARecord(kName, "127.0.0.2", 60)}));
  EXPECT_EQ(answer.outcome, DnsOutcome::kRecords);
  EXPECT_THAT(answer.addresses, ElementsAre(0x7f000004, 0x7f000002));
  EXPECT_EQ(answer.ttl, seconds(60));
}

TEST(DnsAnswerTest, ATtlOf31BitsOrMoreIsZero) {
  EXPECT_EQ(ParseA(Message({ARecord(kName, "127.0.0.2", 0x7fffffff)})).ttl,
            seconds(0x7fffffff));
  EXPECT_EQ(ParseA(Message({ARecord(kName, "127.0.0.2", 0x80000000)})).ttl,
            seconds(0));
  EXPECT_EQ(ParseA(Message({ARecord(kName, "127.0.0.2", 0xffffffff)})).ttl,
            seconds(0));
}

TEST(DnsAnswerTest, FollowsAnAlias) {
  const DnsAnswer answer =
      ParseA(Message({CnameRecord(kName, "real.test", 30),
                      ARecord("REAL.test", "127.0.0.2", 300)}));
  EXPECT_THAT(answer.addresses, ElementsAre(0x7f000002));
  EXPECT_EQ(answer.ttl, seconds(30));
}

TEST(DnsAnswerTest, AnAliasOfNothingIsNoData) {
  EXPECT_EQ(ParseA(Message({CnameRecord(kName, "real.test")})).outcome,
            DnsOutcome::kNone);
}

TEST(DnsAnswerTest, RecordsOfOtherNamesDoNotCount) {
  EXPECT_EQ(ParseA(Message({ARecord("other.test", "127.0.0.2")})).outcome,
            DnsOutcome::kNone);
}

TEST(DnsAnswerTest, RecordsOfOtherTypesDoNotCount) {
  EXPECT_EQ(ParseA(Message({TxtRecord(kName, {"listed"})})).outcome,
            DnsOutcome::kNone);
}

TEST(DnsAnswerTest, ANegativeAnswerLastsAsLongAsItsSoaSays) {
  DnsMessage message = Message({});
  message.rcode = 3;
  EXPECT_EQ(ParseA(message).outcome, DnsOutcome::kNone);
  EXPECT_EQ(ParseA(message).ttl, std::nullopt);

  message.authority = {SoaRecord("list.test", 3600, 150)};
  EXPECT_EQ(ParseA(message).ttl, seconds(150));
  message.authority = {SoaRecord("list.test", 20, 150)};
  EXPECT_EQ(ParseA(message).ttl, seconds(20));
  message.authority = {SoaRecord("list.test", 20, 0x90000000)};
  EXPECT_EQ(ParseA(message).ttl, seconds(0));
}

TEST(DnsAnswerTest, NoDataLastsAsLongAsItsSoaSays) {
  DnsMessage message = Message({});
  message.authority = {SoaRecord("list.test", 3600, 150)};
  EXPECT_EQ(ParseA(message).outcome, DnsOutcome::kNone);
  EXPECT_EQ(ParseA(message).ttl, seconds(150));
}

TEST(DnsAnswerTest, AnSoaTooShortForItsNumbersSaysNothing) {
  DnsMessage message = Message({});
  message.authority = {{.name = "list.test", .type = kTypeSoa, .data = {0, 0}}};
  EXPECT_EQ(ParseA(message).outcome, DnsOutcome::kNone);
  EXPECT_EQ(ParseA(message).ttl, std::nullopt);
}

TEST(DnsAnswerTest, EachRcodeHasItsClass) {
  const struct {
    int rcode;
    DnsOutcome outcome;
  } kTable[] = {
      {0, DnsOutcome::kRecords},       {1, DnsOutcome::kFormatError},
      {2, DnsOutcome::kServerFailure}, {3, DnsOutcome::kNone},
      {4, DnsOutcome::kServerFailure}, {5, DnsOutcome::kRefused},
      {9, DnsOutcome::kServerFailure}, {15, DnsOutcome::kServerFailure},
  };
  for (const auto& [rcode, outcome] : kTable) {
    DnsMessage message = Message({ARecord(kName, "127.0.0.2")});
    message.rcode = rcode;
    EXPECT_EQ(ParseA(message).outcome, outcome) << rcode;
    // Whatever records an error carries, they are not told.
    if (rcode != 0) {
      EXPECT_THAT(ParseA(message).addresses, IsEmpty());
    }
  }
}

TEST(DnsAnswerTest, JoinsTheStringsOfTheFirstText) {
  EXPECT_EQ(ParseTxt(Message({TxtRecord(kName, {"see ", "https://x/"}),
                              TxtRecord(kName, {"again"})}))
                .text,
            "see https://x/");
}

TEST(DnsAnswerTest, AnEmptyTextIsARecord) {
  const DnsAnswer answer = ParseTxt(Message({TxtRecord(kName, {""})}));
  EXPECT_EQ(answer.outcome, DnsOutcome::kRecords);
  EXPECT_EQ(answer.text, "");
}

TEST(DnsAnswerTest, ALongTextIsCut) {
  const std::vector<std::string> strings(100, std::string(255, 'x'));
  EXPECT_THAT(ParseTxt(Message({TxtRecord(kName, strings)})).text,
              SizeIs(kLongestDnsText));
}

TEST(DnsAnswerTest, AStringThatEndsBehindItsRecordIsGarbled) {
  DnsRecord record{.name = kName, .type = kTypeTxt, .data = {9, 'x'}};
  EXPECT_EQ(ParseTxt(Message({record})).outcome, DnsOutcome::kGarbled);
}

TEST(DnsAnswerTest, ManyRecordsAreCut) {
  const DnsAnswer answer = ParseA(
      Message(std::vector<DnsRecord>(4000, ARecord(kName, "127.0.0.2"))));
  EXPECT_EQ(answer.outcome, DnsOutcome::kRecords);
  EXPECT_THAT(answer.addresses, SizeIs(kMostDnsAddresses));
}

TEST(DnsAnswerTest, AnAddressOfAnotherLengthIsGarbled) {
  for (const Bytes& data :
       {Bytes{}, Bytes{127, 0, 0}, Bytes{127, 0, 0, 2, 0}}) {
    EXPECT_EQ(ParseA(Message({{.name = kName, .data = data}})).outcome,
              DnsOutcome::kGarbled);
  }
}

TEST(DnsAnswerTest, ALengthBeyondTheMessageIsGarbled) {
  DnsRecord record = ARecord(kName, "127.0.0.2");
  record.length = 4000;
  EXPECT_EQ(ParseA(Message({record})).outcome, DnsOutcome::kGarbled);
}

TEST(DnsAnswerTest, ANameThatPointsAtItselfIsGarbled) {
  const Bytes whole = Message({ARecord(kName, "127.0.0.2")}).Encode();
  const size_t owner = whole.size() - 16;
  Bytes loop = whole;
  loop[owner] = static_cast<uint8_t>(0xc0 | owner >> 8);
  loop[owner + 1] = static_cast<uint8_t>(owner);
  EXPECT_EQ(ParseDnsAnswer(loop, DnsType::kA).outcome, DnsOutcome::kGarbled);
}

DnsAnswer ParseMx(DnsMessage message) {
  message.question.type = kTypeMx;
  return ParseDnsAnswer(message.Encode(), DnsType::kMx);
}

DnsAnswer ParseAaaa(DnsMessage message) {
  message.question.type = kTypeAaaa;
  return ParseDnsAnswer(message.Encode(), DnsType::kAaaa);
}

TEST(DnsAnswerTest, KeepsExchangesAsTheyCome) {
  const DnsAnswer answer =
      ParseMx(Message({MxRecord(kName, 20, "b.mx.test", 60),
                       MxRecord(kName, 10, "a.mx.test", 300)}));
  EXPECT_EQ(answer.outcome, DnsOutcome::kRecords);
  EXPECT_THAT(answer.exchanges, ElementsAre(MailExchange{20, "b.mx.test"},
                                            MailExchange{10, "a.mx.test"}));
  EXPECT_EQ(answer.ttl, seconds(60));
}

TEST(DnsAnswerTest, AnExchangeMayBeTheRootOrAPointer) {
  // To the question's name, which begins behind the header of 12 bytes.
  const DnsRecord pointer{
      .name = kName, .type = kTypeMx, .data = {0, 5, 0xc0, 12}};
  EXPECT_THAT(ParseMx(Message({MxRecord(kName, 0, "."), pointer})).exchanges,
              ElementsAre(MailExchange{0, ""}, MailExchange{5, kName}));
}

TEST(DnsAnswerTest, AnExchangeThatCannotBeReadIsGarbled) {
  for (const Bytes& data :
       {Bytes{}, Bytes{0, 10}, Bytes{0, 10, 0xc0, 0xff}, Bytes{0, 10, 0x80}}) {
    const DnsRecord record{.name = kName, .type = kTypeMx, .data = data};
    EXPECT_EQ(ParseMx(Message({record})).outcome, DnsOutcome::kGarbled);
  }
}

TEST(DnsAnswerTest, ManyExchangesAreCut) {
  const DnsAnswer answer = ParseMx(
      Message(std::vector<DnsRecord>(1000, MxRecord(kName, 1, "mx.test"))));
  EXPECT_THAT(answer.exchanges, SizeIs(kMostExchanges));
}

TEST(DnsAnswerTest, KeepsAddressesOfIpv6) {
  EXPECT_THAT(ParseAaaa(Message({AaaaRecord(kName, "2001:db8::5")})).addresses6,
              ElementsAre(*IpAddress::Parse("2001:db8::5")));
  EXPECT_THAT(ParseAaaa(Message(std::vector<DnsRecord>(
                            100, AaaaRecord(kName, "2001:db8::5"))))
                  .addresses6,
              SizeIs(kMostDnsAddresses));
}

TEST(DnsAnswerTest, AnAddressOfIpv6HasItsLength) {
  const DnsRecord record{.name = kName, .type = kTypeAaaa, .data = Bytes(15)};
  EXPECT_EQ(ParseAaaa(Message({record})).outcome, DnsOutcome::kGarbled);
}

TEST(DnsAnswerTest, AnAliasWithoutMoreIsToldApart) {
  const DnsRecord alias = CnameRecord(kName, "real.test");
  EXPECT_TRUE(ParseA(Message({alias})).alias_only);
  EXPECT_FALSE(ParseA(Message({})).alias_only);
  EXPECT_FALSE(
      ParseA(Message({alias, ARecord("real.test", "127.0.0.2")})).alias_only);
  // They must not stand together (RFC 1034 section 3.6.2), but what is, is.
  EXPECT_FALSE(
      ParseA(Message({ARecord(kName, "127.0.0.2"), alias})).alias_only);
}

TEST(DnsAnswerTest, AQuestionIsNoAnswer) {
  DnsMessage message = Message({ARecord(kName, "127.0.0.2")});
  message.response = false;
  EXPECT_EQ(ParseA(message).outcome, DnsOutcome::kGarbled);
}

TEST(DnsAnswerTest, ATruncatedAnswerIsNotBelieved) {
  DnsMessage message = Message({ARecord(kName, "127.0.0.2")});
  message.truncated = true;
  EXPECT_EQ(ParseA(message).outcome, DnsOutcome::kGarbled);
}

TEST(DnsAnswerTest, EveryPrefixOfAnAnswerIsGarbled) {
  DnsMessage message = Message({ARecord(kName, "127.0.0.2")});
  message.authority = {SoaRecord("list.test", 3600, 150)};
  const Bytes whole = message.Encode();
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(
        ParseDnsAnswer(absl::MakeSpan(whole.data(), size), DnsType::kA).outcome,
        DnsOutcome::kGarbled)
        << size;
  }
}

TEST(DnsOutcomeTest, OnlyRecordsAndTheirAbsenceAreNoErrors) {
  for (int i = 0; i <= static_cast<int>(DnsOutcome::kCancelled); ++i) {
    const auto outcome = static_cast<DnsOutcome>(i);
    EXPECT_EQ(IsDnsError(outcome), i >= 2) << DnsOutcomeName(outcome);
    EXPECT_STRNE(DnsOutcomeName(outcome), "?");
  }
}

}  // namespace
}  // namespace breakwater
