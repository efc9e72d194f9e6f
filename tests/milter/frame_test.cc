#include "milter/frame.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using namespace std::string_literals;

using ::testing::IsNull;
using ::testing::StrEq;

struct Case {
  char command;
  std::string payload;
};

std::string Strings(size_t count) {
  std::string strings;
  for (size_t i = 0; i < count; ++i) strings += "x\0"s;
  return strings;
}

TEST(FrameTest, TakesWhatMtasSend) {
  const std::vector<Case> frames = {
      {'O', "\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"s},
      {'O', "\0\0\0\2\0\0\0\x3f\0\0\0\x7f"s},
      {'D', "C{daemon_addr}\000192.0.2.25\0{if_name}\0\0"s},
      {'D', "C"},         // none for that command
      {'D', "Uj\0h\0"s},  // of a command that libmilter knows no macros of
      {'C', "client.test\0004\x12g192.0.2.5\0"s},
      {'C', "client.test\0006\x12gIPv6:2001:db8::5\0"s},
      {'C', "client.test\0006\x12g::1\0"s},
      {'C', "localhost\0L\0\0/run/socket\0"s},
      {'C', "unknown\0U"s},
      {'H', "client.test\0"s},
      {'M', "<>\0"s},
      {'M', "<a@client.test>\0SIZE=100\0BODY=8BITMIME\0"s},
      {'R', "<b@mail.test>\0"s},
      {'T', ""},
      {'L', "Subject\0 hello\0"s},
      {'L', "Subject\0\0"s},
      {'N', ""},
      {'B', "any \0 bytes"s},
      {'E', ""},
      {'E', "the last of them"},
      {'U', "XFOO bar\0"s},
      {'A', ""},
      {'K', ""},
      {'Q', ""},
  };
  for (const Case& frame : frames) {
    EXPECT_THAT(FrameFault(frame.command, frame.payload), IsNull())
        << frame.command << frame.payload;
  }
}

TEST(FrameTest, RefusesWhatLibmilterWouldReadBeyond) {
  EXPECT_THAT(FrameFault('D', "C{daemon_addr}\0"s),
              StrEq("a macro without a value"));
  EXPECT_THAT(FrameFault('D', "Ca\0b\0c\0"s), StrEq("a macro without a value"));
  EXPECT_THAT(FrameFault('D', "Ca\0b"s), StrEq("a string without end"));
  EXPECT_THAT(FrameFault('U', "XFOO"), StrEq("a string without end"));
  EXPECT_THAT(FrameFault('H', "client"), StrEq("a string without end"));
  EXPECT_THAT(FrameFault('M', "<>\0SIZE"s), StrEq("a string without end"));
  EXPECT_THAT(FrameFault('C', "client.test"),
              StrEq("a client's name without end"));
  EXPECT_THAT(FrameFault('C', "c\0L\0\0/run/socket"s),
              StrEq("a client's address without end"));
  EXPECT_THAT(FrameFault('C', "c\0L\0\0"s + std::string(108, 'x') + '\0'),
              StrEq("a client's address that is none"));
}

TEST(FrameTest, RefusesWhatLibmilterWouldTellSyslogOf) {
  EXPECT_THAT(FrameFault('O', "\0\0\0\6"s), StrEq("a negotiation cut short"));
  for (const std::string& version : {"\0\0\0\1"s, "\xff\xff\xff\xff"s}) {
    EXPECT_THAT(FrameFault('O', version + std::string(8, '\0')),
                StrEq("a version of the protocol that is not known"));
  }
  EXPECT_THAT(FrameFault('C', "c\0"s), StrEq("a client without a family"));
  EXPECT_THAT(FrameFault('C', "c\0004\0\0"s),
              StrEq("a client without an address"));
  for (const std::string& address :
       {"4\0\0001.2.3.999\0"s, "6\0\000192.0.2.5\0"s, "X\0\0x\0"s}) {
    EXPECT_THAT(FrameFault('C', "c\0"s + address),
                StrEq("a client's address that is none"));
  }
}

TEST(FrameTest, RefusesWhatNoMtaSends) {
  EXPECT_THAT(FrameFault('D', ""), StrEq("macros of no command"));
  EXPECT_THAT(FrameFault('L', "\0v\0"s), StrEq("a header line without a name"));
  EXPECT_THAT(FrameFault('L', "X\0"s), StrEq("a header line without a value"));
  EXPECT_THAT(FrameFault('B', ""), StrEq("a piece of a body that is empty"));
  EXPECT_THAT(FrameFault('?', ""), StrEq("a command that is not known"));
}

TEST(FrameTest, BoundsHowManyStringsAreKept) {
  EXPECT_THAT(FrameFault('D', "C" + Strings(kMostStrings)), IsNull());
  EXPECT_THAT(FrameFault('D', "C" + Strings(kMostStrings + 2)),
              StrEq("too many strings"));
  EXPECT_THAT(FrameFault('M', std::string(60'000, '\0')),
              StrEq("too many strings"));
}

// As libmilter reads: at most `piece` bytes at once, a frame's payload into one
// place.
const char* ReadAll(FrameReader& reader, std::string_view bytes, size_t piece) {
  std::string payload(kLongestFrame, '\0');
  char header[5];
  size_t taken = 0;  // of this frame
  while (!bytes.empty()) {
    const size_t count = std::min({bytes.size(), reader.Wanted(), piece});
    char* place =
        taken < sizeof header ? header + taken : payload.data() + taken - 5;
    bytes.copy(place, count);
    bytes.remove_prefix(count);
    if (const char* fault = reader.Take(place, count)) return fault;
    taken = reader.IsInFrame() ? taken + count : 0;
  }
  return nullptr;
}

const std::string kNegotiation = "\0\0\0\15O\0\0\0\6\0\0\1\xff\0\x1f\xff\xff"s;

TEST(FrameReaderTest, ReadsFramesInPiecesOfAnySize) {
  const std::string session = kNegotiation + "\0\0\0\5M<a>\0"s + "\0\0\0\1T"s +
                              "\0\0\0\3Hx\0"s + "\0\0\0\1Q"s;
  for (size_t piece = 1; piece <= session.size(); ++piece) {
    FrameReader reader;
    EXPECT_THAT(ReadAll(reader, session, piece), IsNull()) << piece;
    EXPECT_FALSE(reader.IsInFrame()) << piece;
  }
}

TEST(FrameReaderTest, KnowsThatTheRestOfAFrameIsOwed) {
  FrameReader reader;
  EXPECT_EQ(reader.Wanted(), 5u);
  EXPECT_THAT(ReadAll(reader, kNegotiation.substr(0, 7), 99), IsNull());
  EXPECT_TRUE(reader.IsInFrame());
  EXPECT_EQ(reader.Wanted(), 10u);
  EXPECT_FALSE(reader.HasNegotiated());
}

TEST(FrameReaderTest, RefusesLengthsThatNoFrameHas) {
  for (const std::string& length :
       {"\0\1\0\1"s, "\xff\xff\xff\xff"s, "\x80\0\0\0"s}) {
    FrameReader reader;
    EXPECT_THAT(ReadAll(reader, kNegotiation + length + "M", 99),
                StrEq("a frame longer than 64 KiB"));
  }
  FrameReader reader;
  EXPECT_THAT(ReadAll(reader, kNegotiation + "\0\0\0\0M"s, 99),
              StrEq("a frame without a command"));
}

TEST(FrameReaderTest, BeginsWithOneNegotiation) {
  FrameReader first;
  EXPECT_THAT(ReadAll(first, "\0\0\0\5M<a>\0"s, 99),
              StrEq("no negotiation at the beginning"));
  FrameReader second;
  EXPECT_THAT(ReadAll(second, kNegotiation + kNegotiation, 99),
              StrEq("another negotiation"));
}

}  // namespace
}  // namespace breakwater
