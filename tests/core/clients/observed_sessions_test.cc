#include "core/clients/observed_sessions.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::minutes;

Client ClientAt(uint16_t port, uint64_t socket = 0) {
  return {.connection = {.client = *IpAddress::Parse("192.0.2.5"),
                         .client_port = port},
          .socket = socket};
}
Verdict VerdictOf(const char* label, bool bans) {
  Verdict verdict{.label = label};
  if (bans) verdict.ban = minutes(10);
  return verdict;
}

TEST(ObservedSessions, TheSecondDoorHasNothingNewToTell) {
  ObservedSessions sessions;
  const Instant now = Clock::now();
  EXPECT_TRUE(sessions.IsNews(ClientAt(1), VerdictOf("list", true), now));
  EXPECT_FALSE(sessions.IsNews(ClientAt(1), VerdictOf("list", true), now));
  EXPECT_TRUE(sessions.IsNews(ClientAt(2), VerdictOf("list", true), now));
}

TEST(ObservedSessions, NothingIsNewsOfWhoWouldHaveBeenBanned) {
  ObservedSessions sessions;
  const Instant now = Clock::now();
  EXPECT_TRUE(sessions.IsNews(ClientAt(1), VerdictOf("helo", false), now));
  EXPECT_TRUE(sessions.IsNews(ClientAt(1), VerdictOf("trap", true), now));
  EXPECT_FALSE(sessions.IsNews(ClientAt(1), VerdictOf("spam", true), now));
}

TEST(ObservedSessions, APortThatIsUsedAgainIsAnotherSession) {
  ObservedSessions sessions;
  const Verdict verdict = VerdictOf("list", true);
  const Instant now = Clock::now();
  EXPECT_TRUE(sessions.IsNews(ClientAt(1, 77), verdict, now));
  EXPECT_FALSE(sessions.IsNews(ClientAt(1, 77), verdict, now + minutes(60)));
  EXPECT_TRUE(sessions.IsNews(ClientAt(1, 78), verdict, now));
  EXPECT_FALSE(sessions.IsNews(ClientAt(1), verdict, now)) << "not seen";
  EXPECT_TRUE(sessions.IsNews(ClientAt(1), verdict, now + minutes(6)));
}

TEST(ObservedSessions, AreBounded) {
  ObservedSessions sessions(2);
  const Verdict verdict = VerdictOf("list", true);
  const Instant now = Clock::now();
  for (uint16_t port = 1; port <= 3; ++port) {
    EXPECT_TRUE(sessions.IsNews(ClientAt(port), verdict, now));
  }
  EXPECT_FALSE(sessions.IsNews(ClientAt(3), verdict, now));
  EXPECT_TRUE(sessions.IsNews(ClientAt(1), verdict, now)) << "made room";
}

}  // namespace
}  // namespace breakwater
