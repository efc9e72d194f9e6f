#include "core/dns/resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::SizeIs;

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override { Use({server_.address()}); }

  void Use(std::vector<DnsServer> servers) {
    options_.servers = std::move(servers);
    auto resolver = Resolver::Make(loop_, options_);
    ASSERT_TRUE(resolver.ok()) << resolver.status();
    resolver_ = *std::move(resolver);
  }

  DnsAnswer Ask(const std::string& name, DnsType type = DnsType::kA) {
    std::optional<DnsAnswer> result;
    resolver_->Query(name, type,
                     [&](DnsAnswer answer) { result = std::move(answer); });
    EXPECT_FALSE(result.has_value()) << "done from within Query";
    RunUntil(loop_, [&] { return result.has_value(); });
    EXPECT_EQ(resolver_->in_flight(), 0u);
    return result.value();
  }

  DnsOutcome OutcomeOf(FakeReply reply) {
    server_.On("q.test", std::move(reply));
    return Ask("q.test").outcome;
  }

  asio::io_context loop_;
  FakeDnsServer server_;
  ResolverOptions options_{.timeout = milliseconds(100), .tries = 2};
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, BringsAddressesWithTheirTtl) {
  server_.On("q.test", Says({"127.0.0.2", "127.0.0.4"}, 60));
  const DnsAnswer answer = Ask("q.test");
  EXPECT_EQ(answer.outcome, DnsOutcome::kRecords);
  EXPECT_THAT(answer.addresses, ElementsAre(0x7f000002, 0x7f000004));
  EXPECT_EQ(answer.ttl, seconds(60));
}

TEST_F(ResolverTest, BringsText) {
  server_.OnText("q.test", SaysText({"see https://list.test/", "?ip=1"}));
  const DnsAnswer answer = Ask("q.test", DnsType::kTxt);
  EXPECT_EQ(answer.text, "see https://list.test/?ip=1");
}

TEST_F(ResolverTest, NoSuchNameAndNoDataAreNoErrors) {
  EXPECT_EQ(OutcomeOf(NoSuchName()), DnsOutcome::kNone);
  EXPECT_EQ(OutcomeOf(FakeReply{}), DnsOutcome::kNone);
}

TEST_F(ResolverTest, ANegativeAnswerBringsTheTimeOfItsSoa) {
  server_.On("q.test", NoSuchName(120));
  EXPECT_EQ(Ask("q.test").ttl, seconds(120));
}

TEST_F(ResolverTest, ErrorsOfTheServerAreToldApart) {
  EXPECT_EQ(OutcomeOf(Rcode(kServFail)), DnsOutcome::kServerFailure);
  EXPECT_EQ(OutcomeOf(Rcode(kNotImp)), DnsOutcome::kServerFailure);
  EXPECT_EQ(OutcomeOf(Rcode(kRefusedRcode)), DnsOutcome::kRefused);
  EXPECT_EQ(OutcomeOf(Rcode(kFormErr)), DnsOutcome::kFormatError);
}

TEST_F(ResolverTest, AServerWithoutEdnsIsAskedWithoutIt) {
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"}, .refuse_edns = true}),
            DnsOutcome::kRecords);
  EXPECT_EQ(server_.queries("q.test"), 2u);
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"}, .refuse_edns = true}),
            DnsOutcome::kRecords);
  EXPECT_EQ(server_.queries("q.test"), 3u);
}

TEST_F(ResolverTest, SoAreAllThatWereOnTheirWayToIt) {
  server_.Otherwise({.addresses = {"127.0.0.2"}, .refuse_edns = true});
  int records = 0;
  for (const char* name : {"a.test", "b.test", "c.test"}) {
    resolver_->Query(name, DnsType::kA, [&](DnsAnswer answer) {
      if (answer.outcome == DnsOutcome::kRecords) ++records;
    });
  }
  EXPECT_TRUE(RunUntil(loop_, [&] { return resolver_->in_flight() == 0; }));
  EXPECT_EQ(records, 3);
}

TEST_F(ResolverTest, SilenceEndsAfterAllTries) {
  EXPECT_EQ(OutcomeOf(Silence()), DnsOutcome::kTimeout);
  EXPECT_EQ(server_.queries("q.test"), 2u);
}

TEST_F(ResolverTest, WhatIsNoAnswerToTheQuestionIsSilence) {
  EXPECT_EQ(OutcomeOf({.raw = Bytes{}}), DnsOutcome::kTimeout);
  EXPECT_EQ(OutcomeOf({.raw = Bytes{'h', 'e', 'l', 'l', 'o'}}),
            DnsOutcome::kTimeout);
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"}, .wrong_id = true}),
            DnsOutcome::kTimeout);
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"}, .wrong_question = true}),
            DnsOutcome::kTimeout);
}

TEST_F(ResolverTest, ATruncatedAnswerIsAskedForAgainOverTcp) {
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"}, .truncated = true}),
            DnsOutcome::kRecords);
  EXPECT_EQ(server_.tcp_queries(), 1u);
}

TEST_F(ResolverTest, FourThousandRecordsAreCut) {
  FakeReply reply = Says(std::vector<std::string>(4000, "127.0.0.2"));
  reply.truncated = true;
  server_.On("q.test", reply);
  const DnsAnswer answer = Ask("q.test");
  EXPECT_EQ(answer.outcome, DnsOutcome::kRecords);
  EXPECT_THAT(answer.addresses, SizeIs(kMostDnsAddresses));
}

TEST_F(ResolverTest, LengthsThatDoNotFitAreGarbled) {
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"},
                       .change =
                           [](DnsMessage& message) {
                             message.answers[0].length = 400;
                           }}),
            DnsOutcome::kGarbled);
}

TEST_F(ResolverTest, AnAnswerThatComesLateIsStillTheAnswer) {
  EXPECT_EQ(OutcomeOf({.addresses = {"127.0.0.2"}, .delay = milliseconds(150)}),
            DnsOutcome::kRecords);
}

TEST_F(ResolverTest, NobodyListeningIsUnreachable) {
  uint16_t port;
  {
    FakeDnsServer gone;
    port = gone.address().port;
  }
  Use({{.address = IpAddress::FromV4(0x7f000001), .port = port}});
  EXPECT_EQ(Ask("q.test").outcome, DnsOutcome::kUnreachable);
}

TEST_F(ResolverTest, ANameThatCannotBeAskedIsAFormatError) {
  EXPECT_EQ(Ask(std::string(70, 'a') + ".test").outcome,
            DnsOutcome::kFormatError);
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(ResolverTest, AFailingServerIsReplacedByTheNext) {
  FakeDnsServer second;
  second.Otherwise(Says({"127.0.0.2"}));
  for (const FakeReply& reply :
       {Rcode(kServFail), Rcode(kRefusedRcode), Rcode(kFormErr), Silence(),
        Says({"127.255.255.254"}), Says({"127.0.0.2", "203.0.113.80"})}) {
    server_.Otherwise(reply);
    Use({server_.address(), second.address()});
    EXPECT_EQ(Ask("q.test").outcome, DnsOutcome::kRecords);
  }
}

TEST_F(ResolverTest, BringsExchangesAndAddressesOfHosts) {
  server_.OnExchange("q.test", SaysExchanges({{10, "mx.test"}}));
  server_.On("q.test", Says({"198.51.100.7"}));
  server_.OnAddress6("q.test", SaysAddresses6({"2001:db8::7"}));
  EXPECT_THAT(Ask("q.test", DnsType::kMx).exchanges,
              ElementsAre(MailExchange{10, "mx.test"}));
  EXPECT_THAT(Ask("q.test", DnsType::kHostA).addresses,
              ElementsAre(0xc6336407));
  EXPECT_THAT(Ask("q.test", DnsType::kAaaa).addresses6,
              ElementsAre(*IpAddress::Parse("2001:db8::7")));
}

TEST_F(ResolverTest, AHostsAddressIsNoReasonToAskTheNextServer) {
  FakeDnsServer second;
  server_.On("q.test", Says({"198.51.100.7"}));
  Use({server_.address(), second.address()});
  EXPECT_THAT(Ask("q.test", DnsType::kHostA).addresses,
              ElementsAre(0xc6336407));
  EXPECT_EQ(second.queries(), 0u);
}

TEST_F(ResolverTest, TheServerThatAnsweredIsAskedFirst) {
  FakeDnsServer second;
  server_.Otherwise(Silence());
  Use({server_.address(), second.address()});
  EXPECT_EQ(Ask("a.test").outcome, DnsOutcome::kNone);
  EXPECT_EQ(Ask("b.test").outcome, DnsOutcome::kNone);
  EXPECT_EQ(server_.queries("b.test"), 0u);
}

TEST_F(ResolverTest, NoSuchNameIsNotAskedOfTheNextServer) {
  FakeDnsServer second;
  Use({server_.address(), second.address()});
  EXPECT_EQ(Ask("q.test").outcome, DnsOutcome::kNone);
  EXPECT_EQ(second.queries(), 0u);
}

TEST_F(ResolverTest, WhenAllServersFailTheLastErrorIsTold) {
  FakeDnsServer second;
  server_.Otherwise(Silence());
  second.Otherwise(Rcode(kRefusedRcode));
  Use({server_.address(), second.address()});
  EXPECT_EQ(Ask("q.test").outcome, DnsOutcome::kRefused);
}

TEST_F(ResolverTest, AnOddAnswerTellsMoreThanTheNextServersSilence) {
  FakeDnsServer second;
  server_.Otherwise(Says({"127.255.255.254"}));
  second.Otherwise(Silence());
  Use({server_.address(), second.address()});
  EXPECT_THAT(Ask("q.test").addresses, ElementsAre(0x7ffffffe));
}

TEST_F(ResolverTest, TooManyQuestionsAreNotAsked) {
  options_.most_in_flight = 1;
  Use({server_.address()});
  server_.Otherwise(Silence());
  resolver_->Query("a.test", DnsType::kA, [](DnsAnswer) {});
  std::optional<DnsAnswer> second;
  resolver_->Query("b.test", DnsType::kA, [&](DnsAnswer a) { second = a; });
  EXPECT_FALSE(second.has_value());
  RunUntil(loop_, [&] { return second.has_value(); });
  EXPECT_EQ(second->outcome, DnsOutcome::kOverloaded);
  EXPECT_EQ(server_.queries("b.test"), 0u);
}

TEST_F(ResolverTest, ItsEndEndsEveryQuestionOnce) {
  server_.Otherwise(Silence());
  int cancelled = 0;
  const auto count = [&](DnsAnswer answer) {
    if (answer.outcome == DnsOutcome::kCancelled) ++cancelled;
  };
  resolver_->Query("a.test", DnsType::kA, count);
  resolver_->Query(std::string(70, 'a'), DnsType::kA, count);  // answered early
  resolver_->Query("b.test", DnsType::kTxt, count);
  resolver_.reset();
  loop_.run_for(milliseconds(50));
  EXPECT_EQ(cancelled, 3);
}

TEST_F(ResolverTest, AQuestionMayBeAskedFromWithinAnAnswer) {
  server_.On("a.test", Says({"127.0.0.2"}));
  server_.OnText("a.test", SaysText({"why"}));
  std::string text;
  resolver_->Query("a.test", DnsType::kA, [&](DnsAnswer) {
    resolver_->Query("a.test", DnsType::kTxt,
                     [&](DnsAnswer answer) { text = answer.text; });
  });
  RunUntil(loop_, [&] { return !text.empty(); });
  EXPECT_EQ(text, "why");
}

TEST_F(ResolverTest, ThousandsOfQuestionsAtOnceAreAllAnswered) {
  server_.Otherwise(Says({"127.0.0.2"}));
  options_.timeout = seconds(2);
  Use({server_.address()});
  constexpr int kQuestions = 3000;
  int answered = 0;
  int records = 0;
  for (int i = 0; i < kQuestions; ++i) {
    resolver_->Query("q" + std::to_string(i) + ".test", DnsType::kA,
                     [&](DnsAnswer answer) {
                       ++answered;
                       if (answer.outcome == DnsOutcome::kRecords) ++records;
                     });
  }
  EXPECT_TRUE(RunUntil(loop_, [&] { return answered == kQuestions; }));
  EXPECT_EQ(records, kQuestions);
}

TEST(ResolverMakeTest, NeedsAServer) {
  asio::io_context loop;
  EXPECT_FALSE(Resolver::Make(loop, {}).ok());
}

}  // namespace
}  // namespace breakwater
