#include "core/base/text.h"

#include <gtest/gtest.h>

namespace breakwater {
namespace {

TEST(EscapedTest, LeavesPrintableAsciiAlone) {
  EXPECT_EQ(Escaped("helo=mail.example <a@b>"), "helo=mail.example <a@b>");
}

TEST(EscapedTest, ShowsAllElseAsNumbers) {
  EXPECT_EQ(Escaped("a\r\nb\t\x7f\xc3\xa4"),
            "a\\x0d\\x0ab\\x09\\x7f\\xc3\\xa4");
  EXPECT_EQ(Escaped(std::string_view("\0", 1)), "\\x00");
}

TEST(EscapedTest, NoQuoteEndsAValue) {
  EXPECT_EQ(Escaped("\" event=ban \\"), "\\\" event=ban \\\\");
}

TEST(EscapedTest, CutsWhatIsTooLong) {
  EXPECT_EQ(Escaped("abcdef", 6), "abcdef");
  EXPECT_EQ(Escaped("abcdefg", 6), "abcdef...");
}

TEST(Counted, HasAWordForOneAndOneForMany) {
  EXPECT_EQ(Counted(0, "ban", "bans"), "0 bans");
  EXPECT_EQ(Counted(1, "ban", "bans"), "1 ban");
  EXPECT_EQ(Counted(2, "ban", "bans"), "2 bans");
}

TEST(SafeReplyTextTest, IsPrintableAsciiWithSingleSpaces) {
  EXPECT_EQ(SafeReplyText("  listed \t\r\n see\v https://x/  ", 100),
            "listed see https://x/");
  EXPECT_EQ(SafeReplyText("b\xc3\xb6se\x01\x7f", 100), "b??se??");
  EXPECT_EQ(SafeReplyText(std::string_view("a\0b", 3), 100), "a?b");
}

TEST(SafeReplyTextTest, NeverStartsASecondLine) {
  const std::string text = SafeReplyText("ok\r\n250 2.0.0 accepted", 100);
  EXPECT_EQ(text, "ok 250 2.0.0 accepted");
}

TEST(SafeReplyTextTest, IsBounded) {
  EXPECT_EQ(SafeReplyText(std::string(1000, 'x'), 10), std::string(10, 'x'));
  EXPECT_EQ(SafeReplyText("abc def", 4), "abc");
  EXPECT_EQ(SafeReplyText("abc", 0), "");
}

TEST(WithoutZoneName, HidesThePaidKeyInAListsOwnWords) {
  constexpr char kName[] = "k3yk3yk3y.zen.list.test";
  constexpr char kLabel[] = "zen.list.test";
  const struct {
    const char* words;
    const char* name;
    const char* label;
    const char* shown;
  } kTable[] = {
      {"see https://list.test/5", kName, kLabel, "see https://list.test/5"},
      {"in k3yk3yk3y.zen.list.test now", kName, kLabel, "in zen.list.test now"},
      {"in K3YK3YK3Y.Zen.List.Test", kName, kLabel, "in zen.list.test"},
      {"for k3yk3yk3y, k3yK3Yk3y", kName, kLabel, "for ***, ***"},
      // A label of another kind does not tell what is secret.
      {"a zen list of 0123456789abcdef", "0123456789abcdef.zen.list.test",
       "mine", "a zen list of ***"},
      {"see https://list.test/5", "list.test", "mine",
       "see https://list.test/5"},
      {"list.test says so", "list.test", "list.test", "list.test says so"},
      {"", kName, kLabel, ""},
  };
  for (const auto& row : kTable) {
    EXPECT_EQ(WithoutZoneName(row.words, row.name, row.label), row.shown)
        << row.words;
  }
}

}  // namespace
}  // namespace breakwater
