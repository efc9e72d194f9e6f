#include "reaper/answer.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

using std::chrono::milliseconds;

TcpSocket Unacknowledged(uint32_t bytes) { return {.unacknowledged = bytes}; }

TEST(AnswerWatch, TheReplyIsAnsweredWhenItWasSentAndAcknowledged) {
  AnswerWatch watch;
  // 0.1 s ago EHLO was answered, 0.05 s ago the client said MAIL.
  const Traffic before{100, milliseconds(100), milliseconds(50)};
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0), before, milliseconds(0)));
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0), before, milliseconds(5)));
  const Traffic after{140, milliseconds(0), milliseconds(60)};
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(40), after, milliseconds(10)));
  EXPECT_TRUE(watch.IsAnswered(Unacknowledged(0), after, milliseconds(15)));
}

TEST(AnswerWatch, ALineSentInTheSameTickAsTheOrderIsNotTakenForTheReply) {
  AnswerWatch watch;
  // A client next door: EHLO's answer, MAIL and the order within one tick.
  const Traffic before{100, milliseconds(0), milliseconds(0)};
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0), before, milliseconds(0)));
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0),
                                {100, milliseconds(8), milliseconds(8)},
                                milliseconds(10)));
}

TEST(AnswerWatch, AReplySentBeforeTheFirstLookIsSeen) {
  AnswerWatch watch;
  EXPECT_TRUE(watch.IsAnswered(Unacknowledged(0),
                               {140, milliseconds(4), milliseconds(30)},
                               milliseconds(0)));
}

TEST(AnswerWatch, AReplySentInTheTickOfTheOrderIsSeenALittleLater) {
  AnswerWatch watch;
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0),
                                {140, milliseconds(4), milliseconds(4)},
                                milliseconds(0)));
  EXPECT_TRUE(watch.IsAnswered(Unacknowledged(0),
                               {140, milliseconds(104), milliseconds(104)},
                               milliseconds(100)));
}

TEST(AnswerWatch, OfAConnectionThatWasNeverSpokenToNothingIsTakenForAReply) {
  AnswerWatch watch;
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0),
                                {0, milliseconds(0), milliseconds(4)},
                                milliseconds(0)));
  EXPECT_FALSE(watch.IsAnswered(Unacknowledged(0),
                                {0, milliseconds(900), milliseconds(904)},
                                milliseconds(900)));
}

}  // namespace
}  // namespace breakwater
