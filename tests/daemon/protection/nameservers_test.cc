#include "daemon/protection/nameservers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

IpAddress At(const char* text) { return *IpAddress::Parse(text); }

TEST(NameserversTest, ReadsThoseOfBothFamiliesAndNothingElse) {
  EXPECT_THAT(
      ParseNameservers("# nameserver 192.0.2.1\n"
                       "search example.org 192.0.2.2\n"
                       "nameserver 192.0.2.53\r\n"
                       "nameserver\t2001:db8::53 # the other\n"
                       "nameserver fe80::1%eth0\n"
                       "nameserver ns.example.org\n"
                       "nameserver\n"
                       "nameservers 192.0.2.3\n"
                       "nameserver 127.0.0.1"),
      ElementsAre(At("192.0.2.53"), At("2001:db8::53"), At("127.0.0.1")));
}

TEST(NameserversTest, TakesOnlySoMany) {
  std::string text;
  for (int i = 0; i < 100; ++i) {
    absl::StrAppend(&text, "nameserver 192.0.2.", i, "\n");
  }
  EXPECT_THAT(ParseNameservers(text), SizeIs(10));
}

TEST(NameserversTest, AFileThatIsNotThereNamesNone) {
  EXPECT_THAT(ReadNameservers("/no/such/file"), IsEmpty());
}

}  // namespace
}  // namespace breakwater
