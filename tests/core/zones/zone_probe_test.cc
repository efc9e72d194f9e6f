#include "core/zones/zone_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

DnsAnswer Records(const char* address) {
  return {.outcome = DnsOutcome::kRecords,
          .addresses = {IpAddress::Parse(address)->V4()}};
}
DnsAnswer Answer(DnsOutcome outcome) { return {.outcome = outcome}; }

TEST(ReadProbeTest, TellsFromThreeAnswersWhatAZoneIs) {
  using enum ZoneStanding;
  const DnsAnswer none = Answer(DnsOutcome::kNone);
  const DnsAnswer gone{.outcome = DnsOutcome::kNone, .no_such_name = true};
  const DnsAnswer listed = Records("127.0.0.2");
  const DnsAnswer parked = Records("203.0.113.80");
  const DnsAnswer error = Records("127.255.255.254");
  const DnsAnswer refused = Answer(DnsOutcome::kRefused);
  const DnsAnswer timeout = Answer(DnsOutcome::kTimeout);
  const DnsAnswer unasked = Answer(DnsOutcome::kOverloaded);
  const struct {
    const char* what;
    ProbeAnswers answers;
    ZoneStanding standing;
    const char* hint;
  } kTable[] = {
      {"a good list", {listed, none, none}, kOk, ""},
      {"dnswl.org", {Records("127.0.10.2"), none, none}, kOk, ""},
      {"an empty list", {none, none, none}, kNoTestEntry, "strict = false"},
      {"a wildcard", {listed, listed, listed}, kListsEverything, "name that"},
      {"a wildcard behind a cache",
       {listed, none, listed},
       kListsEverything,
       "127.0.0.2 to a name that nobody has"},
      {"all addresses", {listed, listed, none}, kListsEverything, "127.0.0.1"},
      {"parked", {parked, parked, parked}, kListsEverything, "expired domain"},
      {"parked, in part", {parked, none, none}, kListsEverything, "203.0.113"},
      {"a wildcard that stumbles",
       {timeout, refused, listed},
       kListsEverything,
       "name that nobody has"},
      {"public resolver", {error, error, error}, kRefused, "public resolver"},
      {"mistyped",
       {Records("127.255.255.252"), none, none},
       kRefused,
       "mistyped"},
      {"quota", {Records("127.255.255.255"), none, none}, kRefused, "too many"},
      {"an unknown error",
       {Records("127.255.255.9"), none, none},
       kRefused,
       "reports an error"},
      {"dnswl.org's blocked",
       {Records("127.0.0.255"), none, none},
       kRefused,
       "blocked"},
      {"uribl.com's refusal",
       {Records("127.0.0.1"), Records("127.0.0.1"), Records("127.0.0.1")},
       kRefused,
       "127.0.0.1"},
      {"REFUSED", {refused, refused, refused}, kRefused, "key"},
      {"refused, in part", {timeout, refused, none}, kRefused, "key"},
      {"silence", {timeout, timeout, timeout}, kUnreachable, "timeout"},
      {"one lost answer", {listed, none, timeout}, kUnreachable, "timeout"},
      {"SERVFAIL",
       {Answer(DnsOutcome::kServerFailure), none, none},
       kUnreachable,
       "failure"},
      {"rebinding protection of unbound and dnsmasq",
       {none, gone, gone},
       kRefused,
       "127.0.0.2 is there and has no address: the resolver of dns.servers"},
      {"of BIND",
       {Answer(DnsOutcome::kServerFailure), gone, gone},
       kUnreachable,
       "failure; the resolver of dns.servers seems to take"},
      {"of Knot", {refused, gone, gone}, kRefused, "DNS rebinding"},
      {"a list that says so of every name",
       {none, none, gone},
       kNoTestEntry,
       "strict = false"},
      {"an empty list with good manners",
       {gone, gone, gone},
       kNoTestEntry,
       "strict = false"},
      {"our own overload", {listed, none, unasked}, kUnknown, ""},
  };
  for (const auto& [what, answers, standing, hint] : kTable) {
    const ProbeReading reading = ReadProbe(answers);
    EXPECT_STREQ(ZoneStandingName(reading.standing), ZoneStandingName(standing))
        << what;
    EXPECT_THAT(reading.hint, HasSubstr(hint)) << what;
    EXPECT_EQ(reading.hint.empty(), *hint == '\0') << what;
  }
}

TEST(ReadProbeTest, NamesTheTestEntriesOfAListOfDomains) {
  const DnsAnswer none = Answer(DnsOutcome::kNone);
  const DnsAnswer listed = Records("127.0.1.2");
  const auto hint = [](const ProbeAnswers& answers) {
    return ReadProbe(answers, ZoneType::kDomain).hint;
  };
  EXPECT_THAT(hint({none, none, none}), HasSubstr("TEST is not listed"));
  EXPECT_THAT(hint({listed, listed, none}), HasSubstr("127.0.1.2 to INVALID"));
  // It may hold names under it.
  const DnsAnswer gone{.outcome = DnsOutcome::kNone, .no_such_name = true};
  EXPECT_EQ(ReadProbe({none, gone, gone}, ZoneType::kDomain).standing,
            ZoneStanding::kNoTestEntry);
  EXPECT_THAT(hint({none, gone, gone}), HasSubstr("DNS rebinding"));
  const DnsAnswer no_addresses = Records("127.0.1.255");
  const ProbeReading reading =
      ReadProbe({no_addresses, no_addresses, no_addresses});
  EXPECT_EQ(reading.standing, ZoneStanding::kRefused);
  EXPECT_THAT(reading.hint, HasSubstr("the list holds domains"));
}

constexpr char kTest6[] =
    "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.test";
constexpr char kNever6[] =
    "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.test";

class ProbeZoneTest : public testing::Test {
 protected:
  ZoneProbe Probe(ZoneType type = ZoneType::kAddress) {
    return Await(loop_,
                 ProbeZone(loop_, *resolver_, "a.test", type, "nobody",
                           [this](ZoneOutcome o) { counted_.push_back(o); }));
  }

  asio::io_context loop_;
  FakeDnsServer server_;
  std::unique_ptr<Resolver> resolver_ = *Resolver::Make(
      loop_, {.servers = {server_.address()}, .timeout = milliseconds(50)});
  std::vector<ZoneOutcome> counted_;
};

TEST_F(ProbeZoneTest, AsksBothFamiliesOnce) {
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  server_.On(kTest6, Says({"127.0.0.2"}));
  const ZoneProbe probe = Probe();
  EXPECT_EQ(probe.ipv4.standing, ZoneStanding::kOk);
  EXPECT_EQ(probe.ipv6.standing, ZoneStanding::kOk);
  EXPECT_FALSE(probe.silent);
  for (const char* name : {"2.0.0.127.a.test", "1.0.0.127.a.test",
                           "nobody.a.test", kTest6, kNever6}) {
    EXPECT_EQ(server_.queries(name), 1u) << name;
  }
  EXPECT_THAT(counted_, SizeIs(5));
}

TEST_F(ProbeZoneTest, AListWithoutIpv6IsOkForIpv4) {
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  const ZoneProbe probe = Probe();
  EXPECT_EQ(probe.ipv4.standing, ZoneStanding::kOk);
  EXPECT_EQ(probe.ipv6.standing, ZoneStanding::kNoTestEntry);
}

TEST_F(ProbeZoneTest, AListMayListTheWorldInOneFamilyOnly) {
  server_.On("2.0.0.127.a.test", Says({"127.0.0.2"}));
  server_.On(kTest6, Says({"127.0.0.2"}));
  server_.On(kNever6, Says({"127.0.0.2"}));
  const ZoneProbe probe = Probe();
  EXPECT_EQ(probe.ipv4.standing, ZoneStanding::kOk);
  EXPECT_EQ(probe.ipv6.standing, ZoneStanding::kListsEverything);
}

TEST_F(ProbeZoneTest, AListOfDomainsIsAskedAboutNamesOnly) {
  server_.On("test.a.test", Says({"127.0.1.2"}));
  const ZoneProbe probe = Probe(ZoneType::kDomain);
  EXPECT_EQ(probe.domain.standing, ZoneStanding::kOk);
  EXPECT_EQ(probe.ipv4.standing, ZoneStanding::kUnknown);
  EXPECT_EQ(probe.ipv6.standing, ZoneStanding::kUnknown);
  EXPECT_FALSE(probe.silent);
  EXPECT_THAT(
      server_.names(),
      UnorderedElementsAre("test.a.test", "invalid.a.test", "nobody.a.test"));
}

TEST_F(ProbeZoneTest, AListOfDomainsMayListTheWorldToo) {
  server_.On("test.a.test", Says({"127.0.1.2"}));
  server_.On("invalid.a.test", Says({"127.0.1.2"}));
  EXPECT_EQ(Probe(ZoneType::kDomain).domain.standing,
            ZoneStanding::kListsEverything);
}

TEST_F(ProbeZoneTest, EndsWhenTheResolverGivesUp) {
  server_.Otherwise(Silence());
  const Instant before = Clock::now();
  EXPECT_TRUE(Probe().silent);
  EXPECT_LT(Clock::now() - before, seconds(5));
}

TEST_F(ProbeZoneTest, OneAnswerIsNotSilence) {
  server_.Otherwise(Silence());
  server_.On("nobody.a.test", NoSuchName());
  const ZoneProbe probe = Probe();
  EXPECT_FALSE(probe.silent);
  EXPECT_EQ(probe.ipv4.standing, ZoneStanding::kUnreachable);
}

TEST_F(ProbeZoneTest, TheResolverMayGoMeanwhile) {
  server_.Otherwise(Silence());
  std::optional<ZoneProbe> probe;
  asio::co_spawn(
      loop_,
      [](asio::io_context& loop, Resolver& resolver,
         std::optional<ZoneProbe>& out) -> asio::awaitable<void> {
        out = co_await ProbeZone(loop, resolver, "a.test", ZoneType::kAddress,
                                 "nobody", [](ZoneOutcome) {});
      }(loop_, *resolver_, probe),
      asio::detached);
  RunUntil(loop_, [&] { return resolver_->in_flight() == 5; });
  resolver_.reset();
  ASSERT_TRUE(RunUntil(loop_, [&] { return probe.has_value(); }));
  EXPECT_EQ(probe->ipv4.standing, ZoneStanding::kUnknown);
}

}  // namespace
}  // namespace breakwater
