#include "daemon/protocol/control_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace breakwater {

void PrintTo(const ControlRequest& request, std::ostream* out) {
  *out << FormatControlRequest(request);
}

namespace {

using ::testing::HasSubstr;

ControlRequest Parsed(std::string_view line) {
  const absl::StatusOr<ControlRequest> request = ParseControlRequest(line);
  EXPECT_TRUE(request.ok()) << request.status();
  return request.value_or(ControlRequest{});
}

std::string ErrorOf(std::string_view line) {
  const absl::StatusOr<ControlRequest> request = ParseControlRequest(line);
  return request.ok() ? "no error" : std::string(request.status().message());
}

TEST(ControlRequest, ReadsEachVerb) {
  EXPECT_EQ(Parsed("status"), ControlRequest{});
  EXPECT_EQ(Parsed("bans").limit, kUsualBansShown);
  EXPECT_EQ(Parsed("bans 7").limit, 7u);
  EXPECT_EQ(Parsed("unban 2001:db8::5").address.ToString(), "2001:db8::5");
  EXPECT_EQ(Parsed("explain 192.0.2.5").verb, Verb::kExplain);
  EXPECT_EQ(Parsed("zones").verb, Verb::kZones);
  EXPECT_EQ(Parsed("test-zones").label, "");
  EXPECT_EQ(Parsed("test-zones zen of mine").label, "zen of mine");
  EXPECT_EQ(Parsed("metrics").verb, Verb::kMetrics);
  EXPECT_EQ(Parsed("reload").verb, Verb::kReload);
}

TEST(ControlRequest, AClientMayBeWrittenAsTheLogAndBansPrintIt) {
  for (const char* verb :
       {"unban %", "ban % 60", "history % 7", "explain %", "report % virus"}) {
    const auto with = [verb](const char* word) {
      return absl::StrReplaceAll(verb, {{"%", word}});
    };
    const auto address = [&](const char* word) {
      const ControlRequest request = Parsed(with(word));
      EXPECT_FALSE(request.IsWide());
      return (request.verb == Verb::kReport ? request.report.address
                                            : request.address)
          .ToString();
    };
    EXPECT_EQ(address("192.0.2.5"), "192.0.2.5");
    EXPECT_EQ(address("192.0.2.5/32"), "192.0.2.5");
    EXPECT_EQ(address("2001:db8:5::/64"), "2001:db8:5::");
    EXPECT_EQ(address("2001:db8:5::7"), "2001:db8:5::7");
    EXPECT_EQ(address("2001:db8:5::7/128"), "2001:db8:5::7");
    EXPECT_THAT(ErrorOf(with("192.0.2.0/25")), HasSubstr("192.0.2.0/25\" is "));
    EXPECT_THAT(ErrorOf(with("2001:db8::/32")), HasSubstr("bans shows"));
    EXPECT_THAT(ErrorOf(with("192.0.2.5/24")), HasSubstr("bits set behind"));
    EXPECT_THAT(ErrorOf(with("192.0.2.5/x")), HasSubstr("no prefix length"));
  }
}

TEST(ControlRequest, UnbanAndHistoryTakeANetworkThatABanMayHave) {
  for (const char* network :
       {"192.0.2.0/24", "2001:db8:0:100::/56", "2001:db8:1::/48"}) {
    for (const std::string verb : {"unban ", "history "}) {
      const ControlRequest request = Parsed(verb + network);
      EXPECT_TRUE(request.IsWide());
      EXPECT_EQ(request.network.ToString(), network);
      EXPECT_EQ(Parsed(FormatControlRequest(request)), request);
    }
    EXPECT_THAT(ErrorOf(absl::StrCat("ban ", network, " 60")),
                HasSubstr("is not one client's"));
    EXPECT_THAT(ErrorOf(absl::StrCat("explain ", network)),
                HasSubstr("is not one client's"));
  }
}

TEST(ControlRequest, ExplainTakesANameToo) {
  const ControlRequest request = Parsed("explain Mail.Example.ORG.");
  EXPECT_EQ(request.name, "mail.example.org");
  EXPECT_EQ(FormatControlRequest(request), "explain mail.example.org");
  EXPECT_EQ(Parsed("explain 192.0.2.5").name, "");
  EXPECT_THAT(ErrorOf("explain localhost"),
              HasSubstr("neither an IP address nor a domain name"));
}

TEST(ControlRequest, ABanHasALengthAndAReasonOfManyWords) {
  const ControlRequest request = Parsed("ban 192.0.2.5 3600 sends us viruses");
  EXPECT_EQ(request.verb, Verb::kBan);
  EXPECT_EQ(request.address.ToString(), "192.0.2.5");
  EXPECT_EQ(request.length, std::chrono::hours(1));
  EXPECT_EQ(request.reason, "sends us viruses");
  EXPECT_EQ(Parsed("ban 192.0.2.5 1").reason, "");
}

TEST(ControlRequest, AnAllowanceIsOfAClientOrANetwork) {
  const ControlRequest request = Parsed("allow 192.0.2.0/24 3600 our partner");
  EXPECT_EQ(request.verb, Verb::kAllow);
  EXPECT_EQ(request.network.ToString(), "192.0.2.0/24");
  EXPECT_EQ(request.length, std::chrono::hours(1));
  EXPECT_EQ(request.reason, "our partner");
  EXPECT_EQ(Parsed("allow 192.0.2.5 1").network.ToString(), "192.0.2.5");
  // An IPv6 host picks its addresses.
  EXPECT_EQ(Parsed("disallow 2001:db8::5").network.ToString(), "2001:db8::/64");
  EXPECT_EQ(Parsed("allow 2001:db8::/32 31622400").verb, Verb::kAllow);
  EXPECT_EQ(Parsed("allowed").verb, Verb::kAllowed);
  EXPECT_THAT(ErrorOf("allow 192.0.2.5/24 60"),
              HasSubstr("network: \"192.0.2.5/24\" has bits set behind"));
  EXPECT_THAT(ErrorOf("allow 192.0.2.5"), HasSubstr("seconds: the word"));
  EXPECT_THAT(ErrorOf("allow 192.0.2.5 31622401"), HasSubstr("31622400"));
  EXPECT_THAT(ErrorOf("disallow"), HasSubstr("network: "));
  EXPECT_THAT(ErrorOf("disallow 192.0.2.5 60"), HasSubstr("too much"));
}

TEST(ControlRequest, AWideAllowanceMustBeMeant) {
  for (const std::string network :
       {"0.0.0.0/0", "::/0", "10.0.0.0/8", "2000::/3"}) {
    const std::string line = "allow " + network + " 60";
    EXPECT_THAT(ErrorOf(line), HasSubstr("none of them would be judged; with "
                                         "--force"))
        << line;
    EXPECT_THAT(ErrorOf(line + " because"), HasSubstr("with --force"));
    EXPECT_THAT(ErrorOf(line + " --forced"), HasSubstr("with --force"));
    const ControlRequest request = Parsed(line + " --force because");
    EXPECT_EQ(request.network.ToString(), network);
    EXPECT_EQ(request.reason, "because");
    EXPECT_EQ(FormatControlRequest(request), line + " --force because");
    EXPECT_EQ(Parsed(line + " --force").reason, "");
    EXPECT_EQ(Parsed("disallow " + network).network.ToString(), network);
  }
  EXPECT_FALSE(Parsed("allow 10.1.0.0/16 60 because").force);
}

TEST(ControlRequest, AReportIsReadAsTheReportSocketReadsIt) {
  const std::string line = "report 192.0.2.5 virus 12h Eicar-Test";
  const ControlRequest request = Parsed(line);
  EXPECT_EQ(request.verb, Verb::kReport);
  EXPECT_EQ(request.report, ParseReport(line).value());
  EXPECT_EQ(FormatControlRequest(request), line);
  EXPECT_THAT(ErrorOf("report 192.0.2.5"), HasSubstr("kind: the word"));
}

TEST(ControlRequest, AReasonBecomesSafeAsciiOfBoundedLength) {
  EXPECT_EQ(Parsed("ban 192.0.2.5 1 a\r\nevent=x \x1b[31m\xc3\xa4").reason,
            "a event=x ?[31m??");
  EXPECT_EQ(Parsed("ban 192.0.2.5 1 " + std::string(3000, 'x')).reason.size(),
            200u);
}

TEST(ControlRequest, WhatIsFormattedReadsBackTheSame) {
  for (const char* line :
       {"status", "bans 10000", "ban 2001:db8::5 2147483 a b", "ban ::1 1",
        "unban 192.0.2.5", "allow 192.0.2.0/24 60 a b", "allow 2001:db8::/64 1",
        "allowed", "disallow 192.0.2.5", "explain ::ffff:192.0.2.5", "zones",
        "test-zones", "test-zones a.test", "metrics", "reload", "export",
        "export 7 128",
        "import [{\"network\":\"192.0.2.5\",\"seconds_left\":7}]"}) {
    const ControlRequest request = Parsed(line);
    EXPECT_EQ(Parsed(FormatControlRequest(request)), request) << line;
  }
}

TEST(ControlRequest, AnImportMayBeLongerThanTheRest) {
  std::vector<BanEntry> entries(kMostEntries,
                                {.network = *Network::Parse("192.0.2.5"),
                                 .left = std::chrono::seconds(7),
                                 .reason = std::string(300, 'x')});
  const std::string line = "import " + FormatBanEntries(entries);
  EXPECT_GT(line.size(), kLongestControlLine);
  EXPECT_EQ(Parsed(line).entries, entries);
  EXPECT_THAT(ErrorOf(line + std::string(kLongestImportLine, ' ')),
              HasSubstr("at most 65536 are read"));
  EXPECT_THAT(ErrorOf("status" + std::string(5000, ' ')),
              HasSubstr("at most 4096 are read"));
}

struct BadLine {
  std::string_view line;
  const char* error;
};

class ControlRequestRefuses : public ::testing::TestWithParam<BadLine> {};

TEST_P(ControlRequestRefuses, AndNamesTheField) {
  EXPECT_THAT(ErrorOf(GetParam().line), HasSubstr(GetParam().error));
}

INSTANTIATE_TEST_SUITE_P(
    Lines, ControlRequestRefuses,
    ::testing::Values(
        BadLine{"", "verb: the word is unknown"},
        BadLine{"Status", "verb: \"Status\" is unknown; write status, bans"},
        BadLine{" status", "verb: the word is unknown"},
        BadLine{std::string_view("status\0", 7), "verb: \"status\\x00\""},
        BadLine{"status now", "line: \"now\" is too much"},
        BadLine{"bans 0", "limit: \"0\""}, BadLine{"bans -1", "limit: \"-1\""},
        BadLine{"bans 10001", "limit: \"10001\" is not a number of 1 to 10000"},
        BadLine{"bans 1x", "limit: \"1x\""}, BadLine{"bans 1 2", "line: \"2\""},
        BadLine{"ban", "address: the word is not an IP address"},
        BadLine{"ban example.com 1", "address: \"example.com\""},
        BadLine{"ban 192.0.2.0/24 1", "address: \"192.0.2.0/24\""},
        BadLine{"ban 192.0.2.5",
                "seconds: the word is not a number of seconds"},
        BadLine{"ban 192.0.2.5 0", "seconds: \"0\""},
        BadLine{"ban 192.0.2.5 2147484", "seconds: \"2147484\""},
        BadLine{"ban 192.0.2.5 99999999999999999999999", "seconds: "},
        BadLine{"ban 192.0.2.5 1h", "seconds: \"1h\""},
        BadLine{"unban  192.0.2.5", "address: the word"},
        BadLine{"explain fe80::1%eth0", "address: \"fe80::1%eth0\""}));

TEST(ControlRequest, ALineThatIsTooLongIsNotReadAtAll) {
  EXPECT_THAT(ErrorOf("ban 192.0.2.5 1 " + std::string(5000, 'x')),
              HasSubstr("line: has 5016 bytes; at most 4096"));
}

}  // namespace
}  // namespace breakwater
