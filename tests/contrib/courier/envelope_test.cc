#include "contrib/courier/envelope.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contrib/courier/scratch.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Envelope Parsed(const std::string& text) {
  Envelope envelope;
  TakeControlFile(text, envelope);
  return envelope;
}

TEST(Envelope, TakesWhatCourierWrites) {
  const Envelope envelope = Parsed(kControlFile);
  EXPECT_EQ(envelope.sender, "a@example.org");
  EXPECT_THAT(envelope.recipients,
              ElementsAre("honest@mail.test", "good@mail.test"));
  EXPECT_EQ(envelope.client_address, "::ffff:203.0.113.9");
  EXPECT_EQ(envelope.helo, "c.test");
  EXPECT_EQ(envelope.message_id, "0000000000000041.000000006B018C67.00001DBD");
  EXPECT_TRUE(envelope.IsStrangers());
}

TEST(Envelope, OfAUserIsNotAStrangers) {
  const Envelope envelope = Parsed(kUsersControlFile);
  EXPECT_EQ(envelope.user, "honest");
  EXPECT_TRUE(envelope.may_relay);
  EXPECT_FALSE(envelope.IsStrangers());
}

TEST(Envelope, OfAClientThatMayRelayIsNotAStrangers) {
  // By smtpaccess, without a login; with each of the signs alone.
  for (const char* line : {"ORELAYCLIENT=", "ORELAYCLIENT", "ORELAYCLIENT=@x",
                           "uauthsmtp", "ihonest"}) {
    EXPECT_FALSE(Parsed(std::string(kControlFile) + line + "\n").IsStrangers());
  }
  EXPECT_TRUE(
      Parsed(std::string(kControlFile) + "ORELAYCLIENTS=\n").IsStrangers());
}

TEST(Envelope, OfLocalMailIsNotAStrangers) {
  EXPECT_FALSE(
      Parsed("sroot@mail.test\nrgood@mail.test\nulocal\n").IsStrangers());
}

TEST(Envelope, HasNoSenderOfABounce) {
  EXPECT_EQ(Parsed("s\nrgood@mail.test\n").sender, "");
}

TEST(Envelope, TakesTheRecipientsOfAllFilesAndTheRestOfTheFirst) {
  Envelope envelope = Parsed(kControlFile);
  TakeControlFile(
      "sother@example.org\nrthird@mail.test\nOTCPREMOTEIP=192.0.2.1\n",
      envelope);
  EXPECT_EQ(envelope.sender, "a@example.org");
  EXPECT_EQ(envelope.client_address, "::ffff:203.0.113.9");
  EXPECT_EQ(envelope.recipients.size(), 3u);
}

TEST(Envelope, TakesAnOddHeloAsItIs) {
  EXPECT_EQ(Parsed("fdns; a (b ([192.0.2.5])\n").helo, "a (b");
  EXPECT_EQ(Parsed("fdns; ([192.0.2.5])\n").helo, "([192.0.2.5])");
  EXPECT_EQ(Parsed("f\n").helo, "");
}

TEST(Envelope, EndsWhereverAFileIsCut) {
  const std::string whole = kControlFile;
  for (size_t length = 0; length <= whole.size(); ++length) {
    EXPECT_LE(Parsed(whole.substr(0, length)).recipients.size(), 2u);
  }
  EXPECT_THAT(Parsed("\n\n\n").recipients, IsEmpty());
}

std::string Environment(const std::string& client) {
  return "PATH=/bin" + std::string(1, '\0') + "TCPREMOTEIP=" + client +
         std::string(
             "\0XTCPREMOTEPORT=1\0TCPREMOTEPORT=54205\0"
             "TCPLOCALIP=::ffff:192.0.2.25\0TCPLOCALPORT=25\0",
             82);
}

TEST(Envelope, TakesThePortsFromTheAskersEnvironment) {
  Envelope envelope = Parsed(kControlFile);
  TakeEnvironment(Environment("::ffff:203.0.113.9"), envelope);
  EXPECT_EQ(envelope.client_port, "54205");
  EXPECT_EQ(envelope.server_address, "::ffff:192.0.2.25");
  EXPECT_EQ(envelope.server_port, "25");
}

TEST(Envelope, TakesNothingFromAnEnvironmentOfAnotherClient) {
  Envelope envelope = Parsed(kControlFile);
  for (const std::string& environment :
       {Environment("::ffff:203.0.113.10"), Environment(""), std::string(),
        std::string("TCPREMOTEPORT=1")}) {
    TakeEnvironment(environment, envelope);
    EXPECT_EQ(envelope.client_port, "");
    EXPECT_EQ(envelope.server_port, "");
  }
}

}  // namespace
}  // namespace breakwater
