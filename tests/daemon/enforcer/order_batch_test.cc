#include "daemon/enforcer/order_batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

Network Net(const char* text) { return *Network::Parse(text); }

TEST(OrderBatch, ABanBehindWhichAnUnbanComesIsNone) {
  OrderBatch batch;
  batch.Ban(Net("192.0.2.5"), 600s);
  batch.Unban(Net("192.0.2.5"));
  EXPECT_THAT(batch.Adds(), IsEmpty());
  EXPECT_THAT(batch.Removes(), ElementsAre(Net("192.0.2.5")));
}

TEST(OrderBatch, ABanBehindAnUnbanStartsAnew) {
  OrderBatch batch;
  batch.Ban(Net("192.0.2.5"), 86'400s);
  batch.Unban(Net("192.0.2.5"));
  batch.Ban(Net("192.0.2.5"), 600s);
  EXPECT_THAT(batch.Removes(), ElementsAre(Net("192.0.2.5")));
  EXPECT_THAT(batch.Adds(), ElementsAre(TimedNetwork{Net("192.0.2.5"), 600s}));
}

TEST(OrderBatch, OfTwoBansTheLongerCounts) {
  OrderBatch batch;
  batch.Ban(Net("192.0.2.5"), 600s);
  batch.Ban(Net("192.0.2.6"), 600s);
  batch.Ban(Net("192.0.2.5"), 60s);
  EXPECT_THAT(batch.Adds(), ElementsAre(TimedNetwork{Net("192.0.2.5"), 600s},
                                        TimedNetwork{Net("192.0.2.6"), 600s}));
  EXPECT_THAT(batch.Removes(), IsEmpty());
}

TEST(OrderBatch, KeepsTheOrderOfSparingAndForgetting) {
  const Connection connection{.client = *IpAddress::Parse("192.0.2.5"),
                              .client_port = 4711,
                              .server = *IpAddress::Parse("192.0.2.1"),
                              .server_port = 25};
  OrderBatch batch;
  batch.AddConnection({.kind = RecordKind::kForget, .connection = connection});
  batch.AddConnection({.kind = RecordKind::kSpare, .connection = connection});
  ASSERT_EQ(batch.work().sparings.size(), 2U);
  EXPECT_FALSE(batch.work().sparings[0].spared);
  EXPECT_TRUE(batch.work().sparings[1].spared);
}

}  // namespace
}  // namespace breakwater
