#include "core/judge/unknown_user.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

TEST(UnknownUser, IsPostfixsLocalUserUntilSomethingIsLearned) {
  const UnknownUser words;
  EXPECT_EQ(words.TextFor("<a@mail.test>"),
            "User unknown in local recipient table");
  EXPECT_EQ(words.TextFor("<a@mail.test>", "User unknown"), "User unknown");
}

TEST(UnknownUser, LearnsTheWordsForEachDomain) {
  UnknownUser words;
  words.Learn("<x@Mail.test>",
              "Recipient address rejected: User unknown in relay recipient "
              "table");
  words.Learn("y@sendmail.test", "550 5.1.1 User unknown");
  EXPECT_EQ(words.TextFor("<a@mail.TEST>"),
            "User unknown in relay recipient table");
  EXPECT_EQ(words.TextFor("<a@sendmail.test>"), "User unknown");
  EXPECT_EQ(words.TextFor("<a@other.test>", "no"), "User unknown") << "last";
}

TEST(UnknownUser, WordsAboutOneAddressAreNotTaken) {
  UnknownUser words;
  for (const char* text :
       {"Recipient address rejected: undeliverable address: host a said: 550 "
        "<x@mail.test>: no",
        "Recipient address rejected: ", "", "{client}"}) {
    words.Learn("<x@mail.test>", text);
    EXPECT_EQ(words.TextFor("<a@mail.test>", "no"), "no") << text;
  }
}

TEST(UnknownUser, ForgetsNothingAndIsBounded) {
  UnknownUser words;
  for (int i = 0; i < 1001; ++i) {
    words.Learn("<x@" + std::to_string(i) + ".test>", "User unknown");
  }
  words.Learn("<x@0.test>", "Nobody");
  words.Learn("<x@1.test>", "No such user");
  EXPECT_EQ(words.TextFor("<x@0.test>"), "Nobody");
  EXPECT_EQ(words.TextFor("<x@1000.test>"), "No such user") << "last";
}

}  // namespace
}  // namespace breakwater
