#include "core/screener/session_table.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

std::shared_ptr<Screening> SessionOf(std::string_view address) {
  return std::make_shared<Screening>(
      Client{.connection = {.client = *IpAddress::Parse(address)}});
}

TEST(SessionTable, KnowsASessionUntilItIsRemoved) {
  SessionTable table;
  const auto session = SessionOf("192.0.2.5");
  EXPECT_EQ(table.Find(*session), nullptr);
  table.Add(session);
  ASSERT_NE(table.Find(*session), nullptr);
  table.Find(*session)->authenticated = true;
  EXPECT_TRUE(table.Remove(*session)->authenticated);
  EXPECT_EQ(table.Find(*session), nullptr);
  EXPECT_FALSE(table.Remove(*session));
  EXPECT_EQ(table.size(), 0u);
}

TEST(SessionTable, KnowsAnOpenSessionByItsClientsPort) {
  SessionTable table;
  const Connection open{.client = *IpAddress::Parse("192.0.2.5"),
                        .client_port = 4711};
  const auto session = std::make_shared<Screening>(Client{.connection = open});
  table.Add(session);
  Connection asked = open;
  asked.server_port = 25;
  EXPECT_TRUE(table.Holds(asked));
  asked.client_port = 4712;
  EXPECT_FALSE(table.Holds(asked));
  asked.client_port = 0;
  EXPECT_FALSE(table.Holds(asked)) << "not known";
  table.Remove(*session);
  EXPECT_FALSE(table.Holds(open));
}

TEST(SessionTable, FindsAllSessionsOfAClient) {
  SessionTable table;
  const auto first = SessionOf("192.0.2.5");
  const auto second = SessionOf("192.0.2.5");
  const auto other = SessionOf("192.0.2.6");
  for (const auto& session : {first, second, other}) table.Add(session);
  const Network network = Network::OfClient(first->client().address());
  EXPECT_EQ(table.Of(network).size(), 2u);
  table.Remove(*first);
  ASSERT_EQ(table.Of(network).size(), 1u);
  EXPECT_EQ(table.Of(network)[0]->screening, second);
}

TEST(SessionTable, FindsTheSessionsOfAllClientsOfANetwork) {
  SessionTable table;
  std::vector<std::shared_ptr<Screening>> sessions;
  for (const char* address : {"2001:db8:0:101::1", "2001:db8:0:1ff::1",
                              "2001:db8:0:200::1", "192.0.2.5"}) {
    sessions.push_back(SessionOf(address));
    table.Add(sessions.back());
  }
  EXPECT_EQ(table.Of(*Network::Parse("2001:db8:0:100::/56")).size(), 2u);
  EXPECT_EQ(table.Of(*Network::Parse("192.0.2.0/24")).size(), 1u);
}

TEST(SessionTable, AnIpv6ClientIsItsSlash64) {
  SessionTable table;
  const auto one = SessionOf("2001:db8::1");
  const auto neighbour = SessionOf("2001:db8::2");
  table.Add(one);
  table.Add(neighbour);
  EXPECT_EQ(table.Of(Network::OfClient(one->client().address())).size(), 2u);
}

}  // namespace
}  // namespace breakwater
