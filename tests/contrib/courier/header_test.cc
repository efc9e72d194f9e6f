#include "contrib/courier/header.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(HeaderFields, EndAtTheEmptyLine) {
  EXPECT_THAT(HeaderFields("From: a\nSubject: b\n\nTo: c\n"),
              ElementsAre("From: a", "Subject: b"));
}

TEST(HeaderFields, AreUnfolded) {
  EXPECT_THAT(
      HeaderFields("Received: from c.test\n  by mail.test\n\tid 1\nX: y\n\n"),
      ElementsAre("Received: from c.test  by mail.test\tid 1", "X: y"));
}

TEST(HeaderFields, KnowBothEndsOfALine) {
  EXPECT_THAT(HeaderFields("A: 1\r\n 2\r\nB: 3\r\n\r\nC: 4\r\n"),
              ElementsAre("A: 1 2", "B: 3"));
}

TEST(HeaderFields, EndWhereSomethingElseStands) {
  // Courier puts its own field before whatever it is given.
  EXPECT_THAT(HeaderFields("Received: x\nhello\nTo: c\n"),
              ElementsAre("Received: x"));
  EXPECT_THAT(HeaderFields("A: 1\nnot a field: x\nB: 2\n"),
              ElementsAre("A: 1"));
  EXPECT_THAT(HeaderFields("A: 1\n: x\nB: 2\n"), ElementsAre("A: 1"));
  EXPECT_THAT(HeaderFields("A: 1\n\xc3\xa9: x\n"), ElementsAre("A: 1"));
}

TEST(HeaderFields, MayHaveSpaceBeforeTheColon) {
  EXPECT_THAT(HeaderFields("Subject : x\n\n"), ElementsAre("Subject : x"));
}

TEST(HeaderFields, MayBeNone) {
  EXPECT_THAT(HeaderFields(""), IsEmpty());
  EXPECT_THAT(HeaderFields("\nA: 1\n"), IsEmpty());
  EXPECT_THAT(HeaderFields(" A: 1\n"), IsEmpty());
}

TEST(HeaderFields, MayBeCutAnywhere) {
  const std::string whole = "A: 1\n 2\nBcc: 3\n\nbody";
  for (size_t length = 0; length <= whole.size(); ++length) {
    EXPECT_LE(HeaderFields(whole.substr(0, length)).size(), 2u);
  }
  EXPECT_THAT(HeaderFields("A: 1\nBcc: thr"), SizeIs(2));
}

}  // namespace
}  // namespace breakwater
