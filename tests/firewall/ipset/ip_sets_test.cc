#include "firewall/ipset/ip_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/fakes/net_namespace.h"

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

Network Net(const char* text) { return *Network::Parse(text); }

// Real sets of the kernel, in a network namespace of the test's own.
class IpSetsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!namespace_.made()) GTEST_SKIP() << "needs root for a namespace";
  }
  std::unique_ptr<IpSets> Open(const TimedSetsOptions& common = {},
                               uint32_t hash_size = 1024) {
    const IpSetOptions options{common, hash_size};
    auto sets = IpSets::Open(options);
    EXPECT_TRUE(sets.ok()) << sets.status();
    return sets.ok() ? *std::move(sets) : nullptr;
  }
  // The seconds that the kernel gives the element, -1 if it is not there.
  static int Left(IpSets& sets, const char* network) {
    const auto elements = sets.List();
    EXPECT_TRUE(elements.ok()) << elements.status();
    for (const TimedNetwork& element : *elements) {
      if (element.network == Net(network)) {
        return static_cast<int>(element.left / 1s);
      }
    }
    return -1;
  }
  static bool Run(const std::string& command) {
    return NetNamespace::Run(command + " 2>/dev/null");
  }

  NetNamespace namespace_;
};

TEST_F(IpSetsTest, MakesTheSetsWithRoomAndTimeouts) {
  ASSERT_TRUE(Open());
  const std::string v4 = NetNamespace::Output("ipset list -t breakwater4");
  EXPECT_THAT(v4, HasSubstr("hash:ip"));
  EXPECT_THAT(v4, HasSubstr("hashsize 1024 maxelem 1000000"));
  EXPECT_THAT(v4, HasSubstr("timeout 600"));
  EXPECT_THAT(NetNamespace::Output("ipset list -t breakwater6"),
              HasSubstr("netmask 64"));
  EXPECT_FALSE(Run("ipset list -t breakwater4-extend"));
}

TEST_F(IpSetsTest, PutsInAndListsBothFamilies) {
  auto sets = Open();
  EXPECT_THAT(sets->Add(std::vector<TimedNetwork>{
                  {Net("192.0.2.5"), 600s}, {Net("2001:db8:1:2::/64"), 900s}}),
              IsEmpty());
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 600, 2);
  EXPECT_NEAR(Left(*sets, "2001:db8:1:2::/64"), 900, 2);
  // Any host of the /64 matches.
  EXPECT_TRUE(Run("ipset test breakwater6 2001:db8:1:2:3:4:5:6"));
  EXPECT_FALSE(Run("ipset test breakwater6 2001:db8:1:3::1"));
}

TEST_F(IpSetsTest, AddingAgainProlongsAndNeverShortens) {
  auto sets = Open();
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 60s}});
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 86'400s}});
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 86'400, 2);
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 600s}});
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 86'400, 2);
}

TEST_F(IpSetsTest, ANewProgramDoesNotShortenWhatItFinds) {
  Open()->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 86'400s}});
  auto sets = Open();
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 86'400, 2);
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 600s}});
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 86'400, 2);
}

TEST_F(IpSetsTest, TheKernelEndsABan) {
  auto sets = Open();
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 1s}});
  EXPECT_TRUE(Run("ipset test breakwater4 192.0.2.5"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1200));
  EXPECT_FALSE(Run("ipset test breakwater4 192.0.2.5"));
  EXPECT_EQ(Left(*sets, "192.0.2.5"), -1);
}

TEST_F(IpSetsTest, TakesOutAndDoesNotMindWhatIsNotThere) {
  auto sets = Open();
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 600s},
                                      {Net("2001:db8::/64"), 600s}});
  EXPECT_THAT(sets->Remove(std::vector<Network>{
                  Net("192.0.2.5"), Net("192.0.2.6"), Net("2001:db8::/64")}),
              IsEmpty());
  EXPECT_THAT(*sets->List(), IsEmpty());
  // The long ban that was lifted does not come back with a short one.
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 60s}});
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 60, 2);
}

TEST_F(IpSetsTest, ABadElementDoesNotTakeTheRestOfItsBatchWithIt) {
  auto sets = Open();
  std::vector<TimedNetwork> batch;
  for (uint32_t i = 0; i < 200; ++i) {
    batch.push_back(
        {Network::OfClient(IpAddress::FromV4(0xc0000200 + i)), 60s});
  }
  batch[3].network = Net("0.0.0.0");  // hash:ip cannot hold it
  const std::vector<ElementFailure> failures = sets->Add(batch);
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].index, 3U);
  EXPECT_THAT(std::string(failures[0].status.message()),
              HasSubstr("add 0.0.0.0: set breakwater4"));
  EXPECT_EQ(sets->List()->size(), 199U);
}

TEST_F(IpSetsTest, RefusesOtherPrefixesThanABanCovers) {
  auto sets = Open();
  const auto failures =
      sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.0/25"), 60s},
                                          {Net("2001:db8::1"), 60s},
                                          {Net("::/0"), 60s}});
  EXPECT_EQ(failures.size(), 3U);
  for (const ElementFailure& failure : failures) {
    EXPECT_TRUE(absl::IsInvalidArgument(failure.status));
  }
  EXPECT_EQ(sets->Remove(std::vector<Network>{Net("192.0.2.0/25")}).size(), 1U);
  EXPECT_THAT(*sets->List(), IsEmpty());
}

TEST_F(IpSetsTest, SaysWhenASetIsFull) {
  auto sets = Open({.most_entries = 64});
  std::vector<TimedNetwork> batch;
  for (uint32_t i = 0; i < 2'000; ++i) {
    batch.push_back(
        {Network::OfClient(IpAddress::FromV4(0xc0000200 + i)), 60s});
  }
  const auto failures = sets->Add(batch);
  ASSERT_GT(failures.size(), 1'000U);
  EXPECT_TRUE(absl::IsResourceExhausted(failures[0].status))
      << failures[0].status;
}

// The kernel counts a hash of 16,384 buckets in sixteen parts. While one has
// its share, the others let in more than the whole was to hold.
TEST_F(IpSetsTest, ALargeHashThatIsFullTakesOneMoreEachTime) {
  auto sets = Open({.most_entries = 100}, /*hash_size=*/16'384);
  for (uint32_t i = 0; i < 2'000; ++i) {
    const auto failures = sets->Add(std::vector<TimedNetwork>{
        {Network::OfClient(IpAddress::FromV4(0x0a000000 + i)), 60s}});
    ASSERT_THAT(failures, IsEmpty()) << i << ": " << failures[0].status;
  }
  EXPECT_GT(sets->evicted(), 1'800U);
  EXPECT_GT(sets->List()->size(), 60U) << "none is put out without need";
}

TEST_F(IpSetsTest, ASetThatVanishedIsMissedAndMadeAgain) {
  auto sets = Open();
  EXPECT_EQ(sets->Check().made, 0);
  ASSERT_TRUE(Run("ipset destroy breakwater4"));
  const auto failures =
      sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 60s}});
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_TRUE(absl::IsNotFound(failures[0].status)) << failures[0].status;
  EXPECT_EQ(sets->Check().made, 1);
  EXPECT_THAT(sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 60s}}),
              IsEmpty());
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 60, 2);
}

TEST_F(IpSetsTest, SaysWhatIsWrongWithASetOfAnotherMaking) {
  const std::pair<const char*, const char*> cases[] = {
      {"ipset create breakwater4 hash:net timeout 5", "has type hash:net"},
      {"ipset create breakwater4 hash:ip family inet6 timeout 5",
       "has family inet6, not inet"},
      {"ipset create breakwater4 hash:ip netmask 24 timeout 5",
       "has netmask 24, not 32"},
      {"ipset create breakwater4 hash:ip", "was made without a timeout"},
      {"ipset create breakwater6 hash:ip family inet6 timeout 5",
       "has netmask 128, not 64"},
  };
  for (const auto& [command, wrong] : cases) {
    ASSERT_TRUE(Run(command)) << command;
    auto sets = Open();
    const SetsCheck check = sets->Check();
    ASSERT_EQ(check.wrong.size(), 1U) << command;
    EXPECT_TRUE(absl::IsFailedPrecondition(check.wrong[0])) << check.wrong[0];
    EXPECT_THAT(std::string(check.wrong[0].message()), HasSubstr(wrong));
    EXPECT_THAT(std::string(check.wrong[0].message()),
                HasSubstr("ipset destroy breakwater"));
    ASSERT_TRUE(Run("ipset destroy"));
  }
}

TEST_F(IpSetsTest, OnlyBansOfTheUsualLengthGoWhereAHitProlongs) {
  auto sets = Open({.extend = true, .usual_seconds = 600});
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 600s},
                                      {Net("192.0.2.6"), 86'400s},
                                      {Net("192.0.2.7"), 412s},
                                      {Net("2001:db8::/64"), 600s}});
  EXPECT_TRUE(Run("ipset test breakwater4-extend 192.0.2.5"));
  EXPECT_FALSE(Run("ipset test breakwater4 192.0.2.5"));
  EXPECT_TRUE(Run("ipset test breakwater4 192.0.2.6"));
  EXPECT_FALSE(Run("ipset test breakwater4-extend 192.0.2.6"));
  EXPECT_TRUE(Run("ipset test breakwater4 192.0.2.7"));
  EXPECT_TRUE(Run("ipset test breakwater6-extend 2001:db8::1"));
}

TEST_F(IpSetsTest, AnAddressInBothSetsIsListedWithItsLaterEndAndLeavesBoth) {
  auto sets = Open({.extend = true, .usual_seconds = 600});
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 86'400s}});
  sets->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 600s}});
  EXPECT_EQ(sets->List()->size(), 1U);
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 86'400, 2);
  sets->Remove(std::vector<Network>{Net("192.0.2.5")});
  EXPECT_FALSE(Run("ipset test breakwater4 192.0.2.5"));
  EXPECT_FALSE(Run("ipset test breakwater4-extend 192.0.2.5"));
}

TEST_F(IpSetsTest, SetsThatProlongAreStillEmptiedWhenThatIsSwitchedOff) {
  Open({.extend = true})
      ->Add(std::vector<TimedNetwork>{{Net("192.0.2.5"), 600s}});
  auto sets = Open({.extend = false});
  EXPECT_NEAR(Left(*sets, "192.0.2.5"), 600, 2);
  sets->Remove(std::vector<Network>{Net("192.0.2.5")});
  EXPECT_THAT(*sets->List(), IsEmpty());
}

TEST_F(IpSetsTest, ASetThatNobodyMissedHasLostNothingWhenItIsMade) {
  auto sets = Open();
  ASSERT_TRUE(
      Run("ipset create breakwater4-extend hash:ip maxelem 5 timeout 7"));
  const SetsCheck check = sets->Check();
  EXPECT_EQ(check.made, 0);
  EXPECT_EQ(check.flushed, 0);
  EXPECT_THAT(check.wrong, IsEmpty());
}

TEST_F(IpSetsTest, ListsMoreThanOneDatagramHolds) {
  auto sets = Open();
  std::vector<TimedNetwork> batch;
  for (uint32_t i = 0; i < 50'000; ++i) {
    batch.push_back(
        {Network::OfClient(IpAddress::FromV4(0x0a000000 + i)), 60s});
  }
  EXPECT_THAT(sets->Add(batch), IsEmpty());
  EXPECT_EQ(sets->List()->size(), 50'000U);
}

TEST_F(IpSetsTest, WithoutTheRightToTheErrorSaysSo) {
  // Another effective user than root has no effective capability.
  ASSERT_EQ(seteuid(65534), 0);
  const auto sets = IpSets::Open({});
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_THAT(sets.status().message(), HasSubstr("ermi")) << sets.status();
  EXPECT_FALSE(sets.ok());
}

TEST(IpSets, ANameThatTheKernelCannotHoldIsRefused) {
  const auto sets = IpSets::Open({{.prefix = std::string(30, 'x')}});
  EXPECT_TRUE(absl::IsInvalidArgument(sets.status()));
}

}  // namespace
}  // namespace breakwater
