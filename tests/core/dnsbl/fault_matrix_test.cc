// Whatever goes wrong between us and a list: nobody suffers who is on no list,
// nobody waits long, the operator sees it, and what is still in order does its
// work. Each fault with one zone or all of them, one resolver or all of them,
// there from the start or beginning while mail flows.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/dnsbl/dnsbl.h"
#include "core/screener/screener.h"
#include "tests/core/dnsbl/dns_faults.h"
#include "tests/core/loop.h"
#include "tests/fakes/fake_enforcer.h"

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::Bool;
using testing::IsEmpty;

enum class Kin { kClean, kListedByA, kListedByB };

Client ClientOf(Kin kin, int number) {
  constexpr const char* kNetworks[] = {"203.0.", "198.18.", "198.19."};
  const std::string address = absl::StrCat(kNetworks[static_cast<size_t>(kin)],
                                           number / 250, ".", number % 250 + 1);
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = 4711,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = 25}};
}

// As zones answer that are in order.
FakeReply Honest(const std::string& name) {
  const bool listed = absl::StartsWith(name, "2.0.0.127.") ||
                      absl::EndsWith(name, ".18.198.a.test") ||
                      absl::EndsWith(name, ".19.198.b.test");
  return listed ? Says({"127.0.0.2"}) : NoSuchName(60);
}

// fault, all zones, all resolvers, while mail flows
using Cell = std::tuple<DnsFault, bool, bool, bool>;

class FaultMatrixTest : public testing::TestWithParam<Cell> {
 protected:
  FaultMatrixTest() {
    for (const bool first : {true, false}) {
      (first ? first_ : second_)
          .Spoil([this, first](const auto& question, FakeReply) {
            FakeReply honest = Honest(question.name);
            const bool spoiled =
                at_fault_ && (first || all_resolvers()) &&
                (all_zones() || absl::EndsWith(question.name, ".a.test"));
            return spoiled ? fault().spoil(honest, ++spoiled_) : honest;
          });
    }
  }

  static const DnsFault& fault() { return std::get<0>(GetParam()); }
  static bool all_zones() { return std::get<1>(GetParam()); }
  static bool all_resolvers() { return std::get<2>(GetParam()); }
  static bool begins_later() { return std::get<3>(GetParam()); }

  static bool IsMadeGood() {
    return fault().standing == ZoneStanding::kOk ||
           (!all_resolvers() && fault().another_helps);
  }
  static bool BWorks() { return !all_zones() || IsMadeGood(); }

  // Screens clients that nobody has seen before, all at the same time, answers
  // them, and returns those that were rejected.
  std::vector<Client> Screen(Kin kin, int count) {
    std::vector<Client> rejected;
    int outstanding = count;
    const Instant began = Clock::now();
    for (int i = 0; i < count; ++i) {
      asio::co_spawn(
          loop_,
          [](auto& screener, Client client, auto& out,
             int& left) -> asio::awaitable<void> {
            const Verdict verdict = co_await screener.Screen(client);
            screener.Answered(client, verdict);
            if (verdict.action == Action::kReject) out.push_back(client);
            --left;
          }(*screener_, ClientOf(kin, number_++), rejected, outstanding),
          asio::detached);
    }
    RunUntil(loop_, [&] { return outstanding == 0; });
    EXPECT_LT(Clock::now() - began, seconds(5)) << "the deadline is two";
    return rejected;
  }

  void ExpectRejectedAndBanned(Kin kin) {
    const std::vector<Client> rejected = Screen(kin, 1);
    ASSERT_EQ(rejected.size(), 1u);
    EXPECT_TRUE(IsBanned(rejected[0]));
  }
  bool IsBanned(const Client& client) {
    return bans_.Find(client.address(), Clock::now()).has_value();
  }
  ZoneStanding Standing(size_t zone) {
    return dnsbl_->Health()[zone].ipv4.standing;
  }
  // What the zones that are at fault must be found to be.
  bool IsFound() {
    const auto expected = IsMadeGood() ? ZoneStanding::kOk : fault().standing;
    return Standing(0) == expected.value_or(Standing(0)) &&
           (!all_zones() || Standing(1) == expected.value_or(Standing(1)));
  }

  // What is there before the fault.
  void Start() {
    at_fault_ = !begins_later();
    auto rules = std::make_shared<Rules>();
    rules->zones = {{.name = "a.test", .label = "A"},
                    {.name = "b.test", .label = "B"}};
    dnsbl_->SetRules(rules);
    screener_ = std::make_unique<Screener>(loop_, *dnsbl_, bans_, enforcer_,
                                           metrics_, rules);
    if (!begins_later()) return;
    ASSERT_THAT(Screen(Kin::kClean, 60), IsEmpty());
    ExpectRejectedAndBanned(Kin::kListedByA);
    ExpectRejectedAndBanned(Kin::kListedByB);
    // Long enough ago for the proof of the zones' truth to be doubted.
    loop_.restart();
    if (fault().standing == ZoneStanding::kListsEverything ||
        fault().standing == ZoneStanding::kRefused) {
      loop_.run_for(ZoneTrust::kProofLasts);
    }
    at_fault_ = true;
  }

  asio::io_context loop_;
  std::atomic<bool> at_fault_ = false;
  std::atomic<size_t> spoiled_ = 0;
  int number_ = 0;
  FakeDnsServer first_;
  FakeDnsServer second_;
  Metrics metrics_;
  BanTable bans_{10'000};
  FakeEnforcer enforcer_;
  std::unique_ptr<Resolver> resolver_ =
      *Resolver::Make(loop_, {.servers = {first_.address(), second_.address()},
                              .timeout = milliseconds(150)});
  std::unique_ptr<Dnsbl> dnsbl_ = std::make_unique<Dnsbl>(
      loop_, *resolver_, metrics_, DnsblOptions{.deadline = seconds(2)});
  std::unique_ptr<Screener> screener_;
};

TEST_P(FaultMatrixTest, DoesNoHarmAndIsShown) {
  Start();
  std::vector<Client> wronged;
  for (int round = 0; round < 50 && (round < 2 || !IsFound()); ++round) {
    const std::vector<Client> more = Screen(Kin::kClean, 10);
    wronged.insert(wronged.end(), more.begin(), more.end());
  }
  EXPECT_TRUE(IsFound()) << ZoneStandingName(Standing(0)) << " "
                         << ZoneStandingName(Standing(1));
  EXPECT_THAT(Screen(Kin::kClean, 20), IsEmpty());
  for (const Client& client : wronged) {
    EXPECT_FALSE(IsBanned(client)) << client.address().ToString();
  }
  RecordProperty("wronged", static_cast<int>(wronged.size()));
  if (!begins_later() || fault().name != "WildcardListed") {
    EXPECT_EQ(wronged.size(), 0u) << "rejected, though on no list";
  }

  if (BWorks()) ExpectRejectedAndBanned(Kin::kListedByB);
  if (IsMadeGood()) ExpectRejectedAndBanned(Kin::kListedByA);
}

std::string NameOf(const testing::TestParamInfo<Cell>& info) {
  const DnsFault& fault = std::get<0>(info.param);
  return absl::StrCat(
      fault.name, std::get<1>(info.param) ? "InAllZones" : "InOneZone",
      std::get<2>(info.param) ? "OfAllResolvers" : "OfOneResolver",
      std::get<3>(info.param) ? "Later" : "FromTheStart");
}

INSTANTIATE_TEST_SUITE_P(Each, FaultMatrixTest,
                         testing::Combine(testing::ValuesIn(DnsFaults()),
                                          Bool(), Bool(), Bool()),
                         NameOf);

}  // namespace
}  // namespace breakwater
