#include "core/dns/mail_domain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Longer than RunUntil waits.
constexpr Duration kLong = 2 * kPatience;

class MailDomainTest : public testing::Test {
 protected:
  MailDomainTest() { UseResolver(milliseconds(100)); }

  void UseResolver(Duration timeout) {
    auto resolver = Resolver::Make(
        loop_,
        {.servers = {server_.address()}, .timeout = timeout, .tries = 1});
    domains_.reset();
    resolver_ = *std::move(resolver);
    Use({});
  }

  void Use(const MailDomainOptions& options) {
    domains_ = std::make_unique<MailDomains>(loop_, *resolver_, options);
  }

  MailDomain Look(const std::string& domain) {
    return Await(loop_, domains_->Look(domain, Clock::now() + kPatience));
  }

  // The answer goes where the pointer shows.
  void Begin(const std::string& domain, Duration patience,
             std::optional<MailDomain>* state) {
    asio::co_spawn(
        loop_,
        [](asio::awaitable<MailDomain> look,
           std::optional<MailDomain>* to) -> asio::awaitable<void> {
          *to = co_await std::move(look);
        }(domains_->Look(domain, Clock::now() + patience), state),
        asio::detached);
  }

  // What the domain's exchanges have for addresses.
  void Exchange(const std::string& host, FakeReply a, FakeReply aaaa) {
    server_.On(host, std::move(a));
    server_.OnAddress6(host, std::move(aaaa));
  }

  std::chrono::seconds KeptFor(const std::string& domain) {
    seconds result(0);
    const Instant now = Clock::now();
    while (domains_->Known(domain, now + result + seconds(1))) ++result;
    return result;
  }

  asio::io_context loop_;
  FakeDnsServer server_;  // NXDOMAIN for all else
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<MailDomains> domains_;
};

TEST_F(MailDomainTest, AnExchangeWithAnAddressReceives) {
  server_.OnExchange("a.test", SaysExchanges({{10, "mx.a.test"}}));
  server_.On("mx.a.test", Says({"198.51.100.7"}));
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, AnExchangeOfIpv6AloneReceives) {
  server_.OnExchange("a.test", SaysExchanges({{10, "mx.a.test"}}));
  server_.OnAddress6("mx.a.test", SaysAddresses6({"2001:db8::7"}));
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, WithoutExchangesTheDomainsOwnAddressReceives) {
  server_.On("four.test", Says({"198.51.100.7"}));
  server_.OnAddress6("six.test", SaysAddresses6({"2001:db8::7"}));
  EXPECT_EQ(Look("four.test"), MailDomain::kReceives);
  EXPECT_EQ(Look("six.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, ADomainWithoutRecordsReceivesNothing) {
  EXPECT_EQ(Look("nobody.test"), MailDomain::kNoRecords);
  for (const auto& on : {&FakeDnsServer::OnExchange, &FakeDnsServer::On,
                         &FakeDnsServer::OnAddress6}) {
    (server_.*on)("no-data.test", FakeReply{});
  }
  EXPECT_EQ(Look("no-data.test"), MailDomain::kNoRecords);
}

TEST_F(MailDomainTest, NorDoesOneWhoseExchangesHaveNoAddress) {
  server_.OnExchange("a.test", SaysExchanges({{10, "gone.a.test"}}));
  server_.On("a.test", Says({"198.51.100.7"}));  // not asked: RFC 5321
  EXPECT_EQ(Look("a.test"), MailDomain::kNoRecords);
}

TEST_F(MailDomainTest, ANullMxReceivesNothing) {
  server_.OnExchange("a.test", SaysExchanges({{0, "."}}));
  server_.On("a.test", Says({"198.51.100.7"}));
  EXPECT_EQ(Look("a.test"), MailDomain::kNullMx);
}

TEST_F(MailDomainTest, TheRootIsANullMxOnlyAsRfc7505WritesIt) {
  server_.OnExchange("a.test", SaysExchanges({{10, "."}}));
  EXPECT_EQ(Look("a.test"), MailDomain::kUnknown);
  server_.OnExchange("b.test", SaysExchanges({{0, "."}, {5, "mx.b.test"}}));
  EXPECT_EQ(Look("b.test"), MailDomain::kUnknown);
  server_.OnExchange("c.test", SaysExchanges({{0, "."}, {5, "mx.c.test"}}));
  server_.On("mx.c.test", Says({"198.51.100.7"}));
  EXPECT_EQ(Look("c.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, SpecialAddressesAreUnroutable) {
  for (const char* address : {"127.0.0.1", "127.3.4.5", "0.0.0.0", "10.1.2.3",
                              "192.168.0.1", "224.0.0.1"}) {
    Use({});
    server_.On("a.test", Says({address}));
    EXPECT_EQ(Look("a.test"), MailDomain::kUnroutable) << address;
  }
  server_.OnExchange("b.test", SaysExchanges({{10, "mx.b.test"}}));
  server_.OnAddress6("mx.b.test", SaysAddresses6({"::1", "fd00::1"}));
  EXPECT_EQ(Look("b.test"), MailDomain::kUnroutable);
}

TEST_F(MailDomainTest, OneRoutableAddressAmongSpecialOnesReceives) {
  server_.On("a.test", Says({"127.0.0.1", "198.51.100.7"}));
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
  server_.On("b.test", Says({"127.0.0.1"}));
  server_.OnAddress6("b.test", SaysAddresses6({"2001:db8::7"}));
  EXPECT_EQ(Look("b.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, ALaterExchangeIsLookedAtToo) {
  server_.OnExchange(
      "a.test", SaysExchanges({{20, "second.a.test"}, {10, "first.a.test"}}));
  server_.On("first.a.test", Says({"127.0.0.1"}));
  server_.On("second.a.test", Says({"198.51.100.7"}));
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, TheBestExchangeIsAskedFirstAndSuffices) {
  server_.OnExchange(
      "a.test", SaysExchanges({{20, "second.a.test"}, {10, "first.a.test"}}));
  server_.On("first.a.test", Says({"198.51.100.7"}));
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
  EXPECT_EQ(server_.queries("second.a.test"), 0u);
}

TEST_F(MailDomainTest, BehindTheFifthExchangeThereIsADoubt) {
  std::vector<std::pair<uint16_t, std::string>> exchanges;
  for (uint16_t i = 1; i <= 5; ++i) {
    exchanges.push_back({i, "mx" + std::to_string(i) + ".a.test"});
  }
  server_.OnExchange("a.test", SaysExchanges(exchanges));
  EXPECT_EQ(Look("a.test"), MailDomain::kNoRecords);
  exchanges.push_back({6, "mx6.b.test"});
  server_.On("mx6.b.test", Says({"198.51.100.7"}));
  server_.OnExchange("b.test", SaysExchanges(exchanges));
  EXPECT_EQ(Look("b.test"), MailDomain::kUnknown);
  EXPECT_EQ(server_.queries("mx6.b.test"), 0u);
}

TEST_F(MailDomainTest, AnErrorAboutExchangesIsUnknown) {
  int i = 0;
  for (const FakeReply& reply :
       {Rcode(kServFail), Rcode(kRefusedRcode), Rcode(kFormErr), Rcode(kNotImp),
        Silence(), FakeReply{.raw = Bytes{'h', 'e', 'l', 'l', 'o'}}}) {
    const std::string domain = "q" + std::to_string(++i) + ".test";
    server_.OnExchange(domain, reply);
    EXPECT_EQ(Look(domain), MailDomain::kUnknown) << i;
  }
}

TEST_F(MailDomainTest, AnErrorAboutEitherKindOfAddressIsUnknown) {
  server_.On("a.test", Rcode(kServFail));
  EXPECT_EQ(Look("a.test"), MailDomain::kUnknown);
  server_.OnAddress6("b.test", Silence());
  EXPECT_EQ(Look("b.test"), MailDomain::kUnknown);
  Exchange("c.test", Says({"127.0.0.1"}), Rcode(kServFail));
  EXPECT_EQ(Look("c.test"), MailDomain::kUnknown);
}

TEST_F(MailDomainTest, AnErrorBesideARoutableAddressDoesNotMatter) {
  Exchange("a.test", Says({"198.51.100.7"}), Rcode(kServFail));
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
}

TEST_F(MailDomainTest, AnErrorAboutOneExchangeLeavesADoubtAboutAll) {
  server_.OnExchange("a.test", SaysExchanges({{10, "first.a.test"},
                                              {20, "second.a.test"},
                                              {30, "third.a.test"}}));
  server_.On("second.a.test", Rcode(kServFail));
  EXPECT_EQ(Look("a.test"), MailDomain::kUnknown);
}

TEST_F(MailDomainTest, AnAliasIsWhatItStandsFor) {
  server_.On("a.test", {.addresses = {"198.51.100.7"}, .alias = "real.test"});
  EXPECT_EQ(Look("a.test"), MailDomain::kReceives);
  server_.OnExchange("b.test",
                     {.exchanges = {{10, "mx.b.test"}}, .alias = "real.test"});
  server_.On("mx.b.test", {.addresses = {"127.0.0.1"}, .alias = "lo.test"});
  EXPECT_EQ(Look("b.test"), MailDomain::kUnroutable);
}

TEST_F(MailDomainTest, AnAliasWithoutMoreLeavesADoubt) {
  server_.On("a.test", {.alias = "real.test"});
  EXPECT_EQ(Look("a.test"), MailDomain::kUnknown);
  server_.OnExchange("b.test", {.alias = "real.test"});
  EXPECT_EQ(Look("b.test"), MailDomain::kUnknown);
}

TEST_F(MailDomainTest, AnExchangeThatIsAnAddressLeavesADoubt) {
  server_.OnExchange("a.test", SaysExchanges({{10, "198.51.100.7"}}));
  EXPECT_EQ(Look("a.test"), MailDomain::kUnknown);
  server_.OnExchange("b.test",
                     SaysExchanges({{10, "198.51.100.7"}, {20, "mx.b.test"}}));
  EXPECT_EQ(Look("b.test"), MailDomain::kUnknown);
  EXPECT_EQ(server_.queries("198.51.100.7"), 0u);
}

TEST_F(MailDomainTest, WhatIsNoDomainIsNotAskedAbout) {
  for (const char* domain : {"", ".", "localhost", "[192.0.2.5]", "192.0.2.5",
                             "a..test", "a b.test", "\303(.test", "-a.test"}) {
    EXPECT_EQ(Look(domain), MailDomain::kUnknown) << domain;
  }
  EXPECT_EQ(Look(std::string(300, 'a') + ".test"), MailDomain::kUnknown);
  EXPECT_EQ(server_.queries(), 0u);
}

TEST_F(MailDomainTest, TheDeadlineIsKept) {
  server_.Otherwise(Silence());
  UseResolver(kLong);
  for (const Duration patience : {milliseconds(20), milliseconds(0)}) {
    const Instant begin = Clock::now();
    EXPECT_EQ(Await(loop_, domains_->Look("a.test", begin + patience)),
              MailDomain::kUnknown);
    EXPECT_LT(Clock::now() - begin, kPatience);
  }
  EXPECT_EQ(domains_->inquiries(), 1u);  // it goes on
}

TEST_F(MailDomainTest, WhatComesBehindTheDeadlineServesTheNext) {
  server_.OnExchange("a.test",
                     {.exchanges = {{0, "."}}, .delay = milliseconds(50)});
  EXPECT_EQ(Await(loop_, domains_->Look("a.test", Clock::now())),
            MailDomain::kUnknown);
  EXPECT_TRUE(RunUntil(loop_, [&] { return domains_->inquiries() == 0; }));
  EXPECT_EQ(domains_->Known("a.test", Clock::now()), MailDomain::kNullMx);
}

TEST_F(MailDomainTest, EqualQuestionsAreAskedOnce) {
  server_.OnExchange("a.test",
                     {.exchanges = {{0, "."}}, .delay = milliseconds(50)});
  std::optional<MailDomain> first, second;
  Begin("a.test", kLong, &first);
  Begin("A.Test.", kLong, &second);
  EXPECT_TRUE(RunUntil(loop_, [&] { return first && second; }));
  EXPECT_EQ(first, MailDomain::kNullMx);
  EXPECT_EQ(second, MailDomain::kNullMx);
  EXPECT_EQ(server_.queries("a.test"), 1u);
}

TEST_F(MailDomainTest, WhoJoinsKeepsItsOwnDeadline) {
  server_.OnExchange("a.test",
                     {.exchanges = {{0, "."}}, .delay = milliseconds(60)});
  std::optional<MailDomain> patient, hasty;
  Begin("a.test", kLong, &patient);
  Begin("a.test", milliseconds(5), &hasty);
  EXPECT_TRUE(RunUntil(loop_, [&] { return hasty.has_value(); }));
  EXPECT_EQ(hasty, MailDomain::kUnknown);
  EXPECT_TRUE(RunUntil(loop_, [&] { return patient.has_value(); }));
  EXPECT_EQ(patient, MailDomain::kNullMx);
}

TEST_F(MailDomainTest, AnAnswerIsKept) {
  server_.OnExchange("a.test", SaysExchanges({{0, "."}}));
  Look("a.test");
  EXPECT_EQ(Look("A.test"), MailDomain::kNullMx);
  EXPECT_EQ(server_.queries(), 1u);
  EXPECT_EQ(domains_->Known("a.TEST", Clock::now()), MailDomain::kNullMx);
  EXPECT_EQ(domains_->Known("b.test", Clock::now()), std::nullopt);
}

TEST_F(MailDomainTest, ItIsKeptForTheLeastTtlWithinBounds) {
  FakeReply exchanges = SaysExchanges({{10, "mx.test"}});
  exchanges.ttl = 600;
  server_.OnExchange("a.test", exchanges);
  server_.On("mx.test", Says({"198.51.100.7"}, 200));
  Use({.ttl_floor = seconds(100), .ttl_ceiling = seconds(400)});
  Look("a.test");
  EXPECT_NEAR(static_cast<double>(KeptFor("a.test").count()), 200, 5);

  server_.On("mx.test", Says({"198.51.100.7"}, 10));
  server_.OnExchange("b.test", exchanges);
  Look("b.test");
  EXPECT_NEAR(static_cast<double>(KeptFor("b.test").count()), 100, 5);

  server_.On("mx.test", Says({"198.51.100.7"}, 9000));
  server_.OnExchange("c.test", exchanges);
  Look("c.test");
  EXPECT_NEAR(static_cast<double>(KeptFor("c.test").count()), 400, 5);
}

TEST_F(MailDomainTest, ThatThereIsNothingIsKeptAsLongAsTheSoaSays) {
  server_.Otherwise(NoSuchName(200));
  Look("a.test");
  EXPECT_NEAR(static_cast<double>(KeptFor("a.test").count()), 200, 5);
  server_.Otherwise(NoSuchName());
  Look("b.test");
  EXPECT_NEAR(static_cast<double>(KeptFor("b.test").count()), 300, 5);
}

TEST_F(MailDomainTest, ThatNothingIsKnownIsKeptForAMoment) {
  server_.OnExchange("a.test", Rcode(kServFail));
  Look("a.test");
  Look("a.test");
  EXPECT_EQ(server_.queries("a.test"), 1u);
  EXPECT_NEAR(static_cast<double>(KeptFor("a.test").count()), 60, 5);
}

TEST_F(MailDomainTest, TheOldestMakesRoom) {
  Use({.capacity = 2});
  Look("a.test");
  Look("b.test");
  Look("c.test");
  EXPECT_EQ(domains_->size(), 2u);
  EXPECT_EQ(domains_->Known("a.test", Clock::now()), std::nullopt);
  EXPECT_TRUE(domains_->Known("b.test", Clock::now()).has_value());
  EXPECT_TRUE(domains_->Known("c.test", Clock::now()).has_value());
}

TEST_F(MailDomainTest, OneThatIsAskedAgainIsNoLongerTheOldest) {
  Use({.capacity = 2, .ttl_floor = seconds(0), .negative_ttl = seconds(0)});
  Look("a.test");
  Look("b.test");
  Look("a.test");  // too old
  EXPECT_EQ(domains_->size(), 2u);
  Look("c.test");
  EXPECT_EQ(domains_->size(), 2u);
  EXPECT_EQ(domains_->Known("b.test", Clock::now() - minutes(1)), std::nullopt);
  EXPECT_TRUE(domains_->Known("a.test", Clock::now() - minutes(1)).has_value());
}

TEST_F(MailDomainTest, WithoutRoomItStillAnswers) {
  Use({.capacity = 0});
  EXPECT_EQ(Look("a.test"), MailDomain::kNoRecords);
  EXPECT_EQ(domains_->size(), 0u);
}

TEST_F(MailDomainTest, BeyondSoManyInquiriesNothingIsAsked) {
  server_.Otherwise(Silence());
  std::vector<std::optional<MailDomain>> states(MailDomains::kMostInquiries);
  for (size_t i = 0; i < states.size(); ++i) {
    Begin("q" + std::to_string(i) + ".test", kLong, &states[i]);
  }
  loop_.poll();
  EXPECT_EQ(domains_->inquiries(), MailDomains::kMostInquiries);
  EXPECT_EQ(Look("one-more.test"), MailDomain::kUnknown);
  EXPECT_TRUE(RunUntil(loop_, [&] { return domains_->inquiries() == 0; }));
  EXPECT_EQ(server_.queries("one-more.test"), 0u);
  EXPECT_EQ(Look("q0.test"), MailDomain::kUnknown);
}

TEST_F(MailDomainTest, ItsEndEndsEveryWait) {
  server_.Otherwise(Silence());
  std::optional<MailDomain> state;
  Begin("a.test", kLong, &state);
  loop_.poll();
  domains_.reset();
  EXPECT_TRUE(RunUntil(loop_, [&] { return state.has_value(); }));
  EXPECT_EQ(state, MailDomain::kUnknown);
  // What the resolver still says finds nobody.
  EXPECT_TRUE(RunUntil(loop_, [&] { return resolver_->in_flight() == 0; }));
}

TEST_F(MailDomainTest, TheResolversEndLeavesADoubt) {
  server_.Otherwise(Silence());
  std::optional<MailDomain> state;
  Begin("a.test", kLong, &state);
  loop_.poll();
  resolver_.reset();
  EXPECT_TRUE(RunUntil(loop_, [&] { return state.has_value(); }));
  EXPECT_EQ(state, MailDomain::kUnknown);
}

TEST(MailDomainNameTest, EachStateHasItsName) {
  for (int i = 0; i <= static_cast<int>(MailDomain::kUnknown); ++i) {
    EXPECT_STRNE(MailDomainName(static_cast<MailDomain>(i)), "?");
  }
}

}  // namespace
}  // namespace breakwater
