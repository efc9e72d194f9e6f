#include "firewall/tarpit/tarpit_script.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::HasSubstr;

TEST(TarpitScriptTest, SaysABannerAnAnswerAndTheReply) {
  const auto script = TarpitScript::Make("mail.test", "521 5.7.1 No");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_EQ(script->text(),
            "220 mail.test ESMTP\r\n250 mail.test\r\n521 5.7.1 No\r\n");
}

TEST(TarpitScriptTest, WaitsForALineBeforeEachAnswer) {
  const auto script = TarpitScript::Make("a", "521 No");
  ASSERT_TRUE(script.ok());
  std::string waits;
  for (size_t i = 0; i < script->size(); ++i) {
    waits += script->WaitsAt(i) ? 'w' : '.';
  }
  EXPECT_EQ(waits,
            "............."  // 220 a ESMTP
            "w......"        // 250 a
            "w.......");
}

TEST(TarpitScriptTest, RefusesWhatIsNoReply) {
  for (const std::string reply : {"", "521", "521 ", "250 ok", "521-more",
                                  "5xx no", "521 a\r\n250 b", "521 \xc3\xa4"}) {
    const auto script = TarpitScript::Make("mail.test", reply);
    EXPECT_THAT(std::string(script.status().message()),
                HasSubstr("is no reply"))
        << reply;
  }
  EXPECT_TRUE(TarpitScript::Make("a", "521 " + std::string(506, 'x')).ok());
  EXPECT_FALSE(TarpitScript::Make("a", "521 " + std::string(507, 'x')).ok());
}

TEST(TarpitScriptTest, AHostNameOfAnyKindMakesOneLine) {
  const auto script = TarpitScript::Make("a\r\nb\xff", "521 No");
  ASSERT_TRUE(script.ok());
  EXPECT_THAT(script->text(), ::testing::StartsWith("220 a b? ESMTP\r\n250 "));
}

}  // namespace
}  // namespace breakwater
