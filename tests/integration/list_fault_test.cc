// One of two lists is in trouble, seen through the resolver that a mail server
// should have: honest mail flows, the other list does its work, and the
// operator sees which one it is. (All faults there are: fault_matrix_test.cc.)

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/unbound.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr char kFaulty[] = "127.0.0.3";
constexpr char kOther[] = "127.0.0.5";
constexpr char kResolver[] = "127.0.0.4";

struct Row {
  std::string name;
  std::string rule;   // for dnsdist
  std::string shown;  // what `breakwater zones` says; empty: this or that
  bool later = false;
};

// As ctest shows it.
std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.name;
}

std::string Answers(const std::string& address) {
  return absl::StrCat("addAction(AllRule(), SpoofAction('", address, "'))");
}

std::string State(const std::string& state) {
  return absl::StrCat("\"ipv4\":\"", state, "\"");
}

class ListFaultTest : public WholePathTest,
                      public ::testing::WithParamInterface<Row> {
 protected:
  void SetUp() override {
    WholePathTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        other_, DnsList::Start(mta(), {.zone = "other.test",
                                       .address = kOther,
                                       .entries = {{kListedToo}}}));
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        resolver_, Unbound::Start(mta(), {.address = kResolver,
                                          .stubs = {{"dnsbl.test", kFaulty},
                                                    {"other.test", kOther}}}));
    std::vector<std::string> rules;
    if (!GetParam().later) rules.push_back(GetParam().rule);
    StartFault(rules);
    ASSERT_FALSE(HasFatalFailure());
    StartParts({.policy = true,
                .config = "[[zone]]\nname = \"other.test\"\n",
                .dns_server = kResolver,
                .listed = {{kListed}}});
  }

  void StartFault(std::vector<std::string> rules) {
    fault_ = nullptr;
    BREAKWATER_ASSERT_OK_AND_ASSIGN(
        fault_, DnsFault::Start(
                    mta(), {.address = kFaulty, .rules = std::move(rules)}));
  }

  std::unique_ptr<DnsList> other_;
  std::unique_ptr<DnsFault> fault_;
  std::unique_ptr<Unbound> resolver_;
};

TEST_P(ListFaultTest, HarmsNobodyAndLeavesTheOtherListItsWork) {
  ASSERT_FALSE(HasFatalFailure());
  if (GetParam().later) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(Session before, Open(kListed));
    EXPECT_EQ(before.banner.code, 521) << "the list works";
    StartFault({GetParam().rule});
  }
  ExpectMailFlows(kClean);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListedToo));
  EXPECT_EQ(session.banner.code, 521) << session.banner.text;
  EXPECT_THAT(session.banner.text, HasSubstr("listed by other.test"));
  EXPECT_TRUE(WaitUntil([&] { return IsBanned(kListedToo); }));
  EXPECT_FALSE(IsBanned(kClean));
  EXPECT_TRUE(WaitUntil(
      [&] {
        return Ask({"zones"}).find(GetParam().shown) != std::string::npos;
      },
      seconds(15), milliseconds(100)))
      << Ask({"zones"});
}

// Of two lists only one is excepted from the resolver's protection against DNS
// rebinding.
TEST_F(WholePathTest, AResolverThatTakesListingsOutOfAnswersIsNamed) {
  if (IsSkipped()) return;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      const auto other, DnsList::Start(mta(), {.zone = "other.test",
                                               .address = kOther,
                                               .entries = {{kListedToo}}}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      const auto resolver,
      Unbound::Start(mta(), {.address = kResolver,
                             .stubs = {{"dnsbl.test", "127.0.0.1"},
                                       {"other.test", kOther}},
                             .server = "  private-address: 127.0.0.0/8\n"
                                       "  private-domain: \"other.test\""}));
  StartParts({.policy = true,
              .config = "[[zone]]\nname = \"other.test\"\n",
              .dns_server = kResolver,
              .listed = {{kListed}}});
  ASSERT_FALSE(HasFatalFailure());
  ExpectMailFlows(kListed);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(Session session, Open(kListedToo));
  EXPECT_EQ(session.banner.code, 521) << session.banner.text;
  const std::string status = Ask({"status"});
  EXPECT_THAT(status, HasSubstr("127.0.0.2 is there and has no address: the "
                                "resolver of dns.servers"));
  EXPECT_EQ(status.find("strict = false"), status.npos) << status;
}

INSTANTIATE_TEST_SUITE_P(
    Each, ListFaultTest,
    ::testing::Values(
        Row{"Silence", DnsFault::Drop(), State("unreachable")},
        Row{"ServFail", DnsFault::ServFail(), State("unreachable")},
        // unbound makes SERVFAIL of it.
        Row{"Refused", DnsFault::Refused(), State("unreachable")},
        Row{"PublicResolver", Answers("127.255.255.254"), State("refused")},
        Row{"PublicResolverLater", Answers("127.255.255.254"), State("refused"),
            true},
        Row{"ListsTheWorld", Answers("127.0.0.2"), State("lists-everything")},
        Row{"ExpiredDomain", Answers("203.0.113.80"),
            State("lists-everything")},
        Row{"Slow", DnsFault::Delay(milliseconds(600)), ""},
        Row{"SilenceLater", DnsFault::Drop(), "\"timeout\":", true}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace breakwater::testing
