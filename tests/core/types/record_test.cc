#include "core/types/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace breakwater {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

Record Ban() {
  return {.kind = RecordKind::kBan,
          .network = *Network::Parse("192.0.2.5"),
          .seconds = 600,
          .number = 4'711'000};
}

const Connection kConnection = {.client = *IpAddress::Parse("192.0.2.5"),
                                .client_port = 4711,
                                .server = *IpAddress::Parse("2001:db8::25"),
                                .server_port = 25};

// The error of a record whose bytes were changed at one place.
std::string ErrorOf(const Record& record, size_t at, uint8_t value) {
  RecordBytes bytes = EncodeRecord(record);
  bytes[at] = value;
  return std::string(DecodeRecord(bytes).status().message());
}

TEST(RecordTest, EveryKindMakesTheRoundTrip) {
  const Network network = *Network::Parse("2001:db8:1:2::/64");
  const Record kTable[] = {
      {.kind = RecordKind::kHello, .number = kProtocolVersion},
      {.kind = RecordKind::kBan,
       .serial = 7,
       .network = network,
       .seconds = kLongestBanSeconds,
       .number = 0xffffffffffffffff},
      {.kind = RecordKind::kUnban, .network = network},
      {.kind = RecordKind::kEndAfterReply, .connection = kConnection},
      {.kind = RecordKind::kDestroy, .connection = kConnection},
      {.kind = RecordKind::kSpare, .connection = kConnection},
      {.kind = RecordKind::kForget, .connection = kConnection},
      {.kind = RecordKind::kList},
      {.kind = RecordKind::kReload},
      {.kind = RecordKind::kProtected,
       .detail = static_cast<uint8_t>(ProtectionSource::kGateway),
       .network = network},
      {.kind = RecordKind::kProtectedEnd},
      {.kind = RecordKind::kApplied, .serial = 0xffffffff},
      {.kind = RecordKind::kRefused,
       .detail = static_cast<uint8_t>(Refusal::kTooFast),
       .serial = 9,
       .network = network},
      {.kind = RecordKind::kEntry,
       .network = network,
       .seconds = 1,
       .number = 1},
      {.kind = RecordKind::kEntriesEnd},
      {.kind = RecordKind::kSetsMade},
      {.kind = RecordKind::kCounter,
       .detail = static_cast<uint8_t>(EnforcerCounter::kLast),
       .number = 0xffffffffffffffff},
      {.kind = RecordKind::kGoodbye},
      {.kind = RecordKind::kNoRule,
       .detail = static_cast<uint8_t>(SetsOf::kXtRecent),
       .number = 0x7f},
  };
  for (const Record& record : kTable) {
    const absl::StatusOr<Record> decoded = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(decoded.ok())
        << static_cast<int>(record.kind) << ": " << decoded.status();
    EXPECT_EQ(*decoded, record);
  }
}

TEST(RecordTest, HasExactlyItsSize) {
  const RecordBytes bytes = EncodeRecord(Ban());
  const std::vector<uint8_t> longer(kRecordSize + 1);
  for (size_t size = 0; size < kRecordSize; ++size) {
    EXPECT_FALSE(DecodeRecord(absl::MakeSpan(bytes.data(), size)).ok());
  }
  EXPECT_FALSE(DecodeRecord(longer).ok());
}

TEST(RecordTest, OnlyKnownKindsAreRead) {
  for (int kind = 0; kind < 256; ++kind) {
    const bool known =
        kind == 1 || (kind >= 16 && kind <= 23) || (kind >= 32 && kind <= 41);
    const std::string error = ErrorOf(Ban(), 0, static_cast<uint8_t>(kind));
    EXPECT_EQ(error.find("record: kind is") != std::string::npos, !known)
        << kind;
  }
}

TEST(RecordTest, EachBadFieldIsNamed) {
  EXPECT_THAT(ErrorOf(Ban(), 1, 1), HasSubstr("detail is 1"));
  EXPECT_THAT(ErrorOf(Ban(), 2, 129), HasSubstr("prefix length is 129"));
  EXPECT_THAT(ErrorOf(Ban(), 2, 120), HasSubstr("bits set behind its prefix"));
  EXPECT_THAT(ErrorOf(Ban(), 3, 1), HasSubstr("padding is 1"));
  EXPECT_THAT(ErrorOf(Ban(), 63, 0xff), HasSubstr("seconds is"));
  for (size_t at = 72; at < kRecordSize; ++at) {
    EXPECT_THAT(ErrorOf(Ban(), at, 1), HasSubstr("reserved is"));
  }
}

TEST(RecordTest, ABanWithoutAnEndIsRefused) {
  Record ban = Ban();
  ban.seconds = 0;
  EXPECT_FALSE(DecodeRecord(EncodeRecord(ban)).ok());
  ban.seconds = kLongestBanSeconds + 1;
  EXPECT_FALSE(DecodeRecord(EncodeRecord(ban)).ok());
}

TEST(RecordTest, NorIsOneThatEndsAtNoTime) {
  Record ban = Ban();
  ban.number = 0;
  EXPECT_THAT(std::string(DecodeRecord(EncodeRecord(ban)).status().message()),
              HasSubstr("end of a ban"));
}

TEST(RecordTest, ABanEndsWhenItEndsHoweverLateItIsSaid) {
  const Instant now = Instant(1h);
  const Instant ends = now + 9'900ms;
  for (const Duration later : {0ms, 1ms, 4'321ms, 9'899ms}) {
    const Record ban = TimedRecord(RecordKind::kBan, Ban().network, ends, now);
    EXPECT_EQ(LeftOf(ban, now + later), 9'900ms - later);
    const Record again =
        TimedRecord(RecordKind::kBan, Ban().network, ends, now + later);
    EXPECT_EQ(LeftOf(again, now + later), 9'900ms - later);
  }
  const Record ban = TimedRecord(RecordKind::kBan, Ban().network, ends, now);
  EXPECT_LE(LeftOf(ban, ends), Duration::zero());
  EXPECT_LE(LeftOf(ban, ends + 24h), Duration::zero());
}

TEST(RecordTest, NoBanComesToMoreThanItsSeconds) {
  Record ban = Ban();
  for (const uint64_t end : {uint64_t{1} << 40, ~uint64_t{0}}) {
    ban.number = end;
    EXPECT_EQ(LeftOf(ban, Instant(1h)), 600s);
  }
}

TEST(RecordTest, SecondsAreRoundedUp) {
  EXPECT_EQ(ToSeconds(0ms), 1u);
  EXPECT_EQ(ToSeconds(1'000ms), 1u);
  EXPECT_EQ(ToSeconds(1'001ms), 2u);
  EXPECT_EQ(ToSeconds(24h * 365), kLongestBanSeconds);
}

TEST(RecordTest, ADetailFitsItsKind) {
  Record refused{.kind = RecordKind::kRefused, .network = Ban().network};
  EXPECT_FALSE(DecodeRecord(EncodeRecord(refused)).ok()) << "none";
  refused.detail = static_cast<uint8_t>(Refusal::kTooWide) + 1;
  EXPECT_FALSE(DecodeRecord(EncodeRecord(refused)).ok()) << "too large";
}

TEST(RecordTest, OnlySetsThatThereAreHaveNoRule) {
  Record record{.kind = RecordKind::kNoRule, .detail = 1, .number = 0x80};
  EXPECT_THAT(
      std::string(DecodeRecord(EncodeRecord(record)).status().message()),
      HasSubstr("number of sets is 128"));
  record = {.kind = RecordKind::kNoRule, .detail = 4, .number = 1};
  EXPECT_THAT(
      std::string(DecodeRecord(EncodeRecord(record)).status().message()),
      HasSubstr("detail is 4"));
}

TEST(RecordTest, AnOrderAboutASessionNeedsAllOfIt) {
  for (int part = 0; part < 4; ++part) {
    Record record{.kind = RecordKind::kDestroy, .connection = kConnection};
    if (part == 0) record.connection.client = {};
    if (part == 1) record.connection.client_port = 0;
    if (part == 2) record.connection.server = IpAddress::FromV4(0);
    if (part == 3) record.connection.server_port = 0;
    EXPECT_THAT(
        std::string(DecodeRecord(EncodeRecord(record)).status().message()),
        HasSubstr("connection is incomplete"));
  }
}

}  // namespace
}  // namespace breakwater
