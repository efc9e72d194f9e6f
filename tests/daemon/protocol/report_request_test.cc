#include "daemon/protocol/report_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

namespace breakwater {

void PrintTo(const ReportRequest& request, std::ostream* out) {
  *out << FormatReport(request);
}

namespace {

using ::testing::HasSubstr;

ReportRequest Parsed(std::string_view line) {
  const absl::StatusOr<ReportRequest> request = ParseReport(line);
  EXPECT_TRUE(request.ok()) << request.status();
  return request.value_or(ReportRequest{});
}

std::string ErrorOf(std::string_view line) {
  const absl::StatusOr<ReportRequest> request = ParseReport(line);
  return request.ok() ? "no error" : std::string(request.status().message());
}

TEST(ReportRequest, HasAnAddressAKindALengthAndADetailOfManyWords) {
  const ReportRequest request =
      Parsed("report 192.0.2.1 virus 12h Eicar Test File");
  EXPECT_EQ(request.address.ToString(), "192.0.2.1");
  EXPECT_EQ(request.kind, OffenceKind::kVirus);
  EXPECT_EQ(request.word, "");
  EXPECT_EQ(request.length, std::chrono::hours(12));
  EXPECT_EQ(request.detail, "Eicar Test File");
  EXPECT_EQ(Parsed("report 2001:db8::5 spam").address.ToString(),
            "2001:db8::5");
}

TEST(ReportRequest, ALengthMayBeLeftOut) {
  EXPECT_EQ(Parsed("report 192.0.2.1 spam").length, std::nullopt);
  EXPECT_EQ(Parsed("report 192.0.2.1 spam - 15 points").detail, "15 points");
  EXPECT_EQ(Parsed("report 192.0.2.1 spam - 15 points").length, std::nullopt);
  EXPECT_EQ(Parsed("report 192.0.2.1 spam by rspamd").detail, "by rspamd");
  EXPECT_EQ(Parsed("report 192.0.2.1 spam 1500ms").length,
            std::chrono::seconds(2));
}

TEST(ReportRequest, AnotherWordIsReportedWithTheWordBeforeTheDetail) {
  const ReportRequest request =
      Parsed("report 192.0.2.1 Dictionary_attack 1h 40 logins");
  EXPECT_EQ(request.kind, OffenceKind::kReported);
  const Offence offence = request.ToOffence();
  EXPECT_EQ(offence.kind, OffenceKind::kReported);
  EXPECT_EQ(offence.detail, "Dictionary_attack: 40 logins");
  EXPECT_EQ(offence.ban_duration, std::chrono::hours(1));
  EXPECT_EQ(Parsed("report 192.0.2.1 dos").ToOffence().detail, "dos");
  EXPECT_EQ(Parsed("report 192.0.2.1 reported").word, "");
}

TEST(ReportRequest, ADetailBecomesSafeAsciiOfBoundedLength) {
  EXPECT_EQ(Parsed("report 192.0.2.1 spam - a\r\tb\x1b[31m\xc3\xa4").detail,
            "a b?[31m??");
  EXPECT_EQ(
      Parsed("report 192.0.2.1 spam - " + std::string(900, 'x')).detail.size(),
      200u);
}

struct BadLine {
  std::string_view line;
  const char* error;
};

class ReportRequestRefuses : public ::testing::TestWithParam<BadLine> {};

TEST_P(ReportRequestRefuses, AndNamesTheWord) {
  EXPECT_THAT(ErrorOf(GetParam().line), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Lines, ReportRequestRefuses,
    ::testing::Values(
        BadLine{"", "verb: the word is unknown; write report ADDRESS"},
        BadLine{"GET / HTTP/1.1", "verb: \"GET\""},
        BadLine{"Report 192.0.2.1 spam", "verb: \"Report\""},
        BadLine{std::string_view("report\0", 7), "verb: \"report\\x00\""},
        BadLine{"report", "address: the word is not an IP address"},
        BadLine{"report mail.test spam", "address: \"mail.test\""},
        BadLine{"report 192.0.2.0/24 spam", "address: \"192.0.2.0/24\""},
        BadLine{"report  192.0.2.1 spam", "address: the word"},
        BadLine{"report 192.0.2.1", "kind: the word is not a word"},
        BadLine{"report 192.0.2.1 sp\xc3\xa4m", "kind: \"sp\\xc3\\xa4m\""},
        BadLine{"report 192.0.2.1 event=x", "kind: \"event=x\""},
        BadLine{"report 192.0.2.1 spam 0s", "length: \"0s\""},
        BadLine{"report 192.0.2.1 spam 12", "length: \"12\""},
        BadLine{"report 192.0.2.1 spam 12 points", "or - before a detail"},
        BadLine{"report 192.0.2.1 spam 99999d", "length: \"99999d\""}));

TEST(ReportRequest, AWordAndALineThatAreTooLongAreNotRead) {
  EXPECT_THAT(ErrorOf("report 192.0.2.1 " + std::string(61, 'x')),
              HasSubstr("kind: "));
  EXPECT_THAT(ErrorOf("report 192.0.2.1 spam - " + std::string(1000, 'x')),
              HasSubstr("line: has 1024 bytes; at most 1000"));
}

TEST(ReportRequest, IsReadBackAsItIsWritten) {
  for (const char* line :
       {"report 192.0.2.1 spam", "report 192.0.2.1 spam 12h",
        "report 192.0.2.1 spam - 15 points", "report 192.0.2.1 spam 1d -",
        "report 2001:db8::5 dos 90s many words"}) {
    EXPECT_EQ(FormatReport(Parsed(line)), line);
  }
}

}  // namespace
}  // namespace breakwater
