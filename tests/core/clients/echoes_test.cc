#include "core/clients/echoes.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::seconds;

Client At(Front front, uint16_t port = 4711, uint64_t socket = 0) {
  return {.connection = {.client = *IpAddress::Parse("192.0.2.5"),
                         .client_port = port},
          .front = front,
          .socket = socket};
}

TEST(Echoes, TheMilterEchoesWhatThePolicyServerRefused) {
  Echoes echoes;
  const Instant now = Clock::now();
  EXPECT_FALSE(echoes.IsEcho(At(Front::kPolicy), "Trap@mail.test", now));
  EXPECT_FALSE(echoes.IsEcho(At(Front::kMilter), "<other@mail.test>", now));
  EXPECT_TRUE(echoes.IsEcho(At(Front::kMilter), "<trap@mail.test>", now));
  EXPECT_FALSE(echoes.IsEcho(At(Front::kMilter), "<trap@mail.test>", now));
}

TEST(Echoes, OneDoorsOwnAreEachOne) {
  Echoes echoes;
  const Instant now = Clock::now();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(echoes.IsEcho(At(Front::kMilter), "<trap@mail.test>", now));
  }
  EXPECT_FALSE(echoes.IsEcho(At(Front::kPolicy, 4712), "trap@mail.test", now));
  EXPECT_FALSE(
      echoes.IsEcho(At(Front::kPolicy), "trap@mail.test", now + seconds(6)));
}

TEST(Echoes, AnotherSocketOfThePortIsNoEcho) {
  Echoes echoes;
  const Instant now = Clock::now();
  EXPECT_FALSE(echoes.IsEcho(At(Front::kPolicy, 4711, 77), "", now));
  EXPECT_FALSE(echoes.IsEcho(At(Front::kMilter, 4711, 78), "", now));
  EXPECT_TRUE(echoes.IsEcho(At(Front::kPolicy, 4711, 78), "", now));
}

TEST(Echoes, AreBounded) {
  Echoes echoes;
  const Instant now = Clock::now();
  for (uint16_t port = 1; port < 20'000; ++port) {
    EXPECT_FALSE(echoes.IsEcho(At(Front::kPolicy, port), "", now));
  }
  EXPECT_FALSE(echoes.IsEcho(At(Front::kMilter, 1), "", now)) << "made room";
  EXPECT_TRUE(echoes.IsEcho(At(Front::kMilter, 19'999), "", now));
}

}  // namespace
}  // namespace breakwater
