#include "contrib/courier/question.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Asked(Envelope envelope, std::vector<std::string> header) {
  const Question question(std::move(envelope), std::move(header));
  return FormatPolicyRequest(question.attributes());
}

TEST(Question, TellsAllThatIsKnownOfTheMessage) {
  EXPECT_EQ(Asked({.sender = "a@example.org",
                   .recipients = {"honest@mail.test", "good@mail.test"},
                   .client_address = "::ffff:203.0.113.9",
                   .client_port = "54205",
                   .server_address = "::ffff:192.0.2.25",
                   .server_port = "25",
                   .helo = "c.test",
                   .message_id = "0041.1DBD"},
                  {"Subject: hi", "X-Spam-Flag: YES"}),
            "request=smtpd_access_policy\n"
            "protocol_state=END-OF-MESSAGE\nprotocol_name=ESMTP\n"
            "client_address=::ffff:203.0.113.9\nclient_port=54205\n"
            "server_address=::ffff:192.0.2.25\nserver_port=25\n"
            "helo_name=c.test\nsender=a@example.org\nrecipient_count=2\n"
            "queue_id=0041.1DBD\nrecipient=honest@mail.test\n"
            "breakwater_recipient=honest@mail.test\n"
            "breakwater_recipient=good@mail.test\n"
            "breakwater_header=Subject: hi\n"
            "breakwater_header=X-Spam-Flag: YES\n\n");
}

TEST(Question, OfAMessageWithoutRecipientsNamesNone) {
  EXPECT_THAT(Asked({.client_address = "192.0.2.5"}, {}),
              Not(HasSubstr("recipient=")));
}

TEST(Question, StaysWithinWhatTheServerTakes) {
  const std::vector<std::string> many(10'000, std::string(300, 'r'));
  const std::vector<std::string> long_ones(100, std::string(100'000, 'h'));
  const std::string request = Asked({.sender = std::string(100'000, 's'),
                                     .recipients = many,
                                     .client_address = "192.0.2.5",
                                     .helo = std::string(100'000, 'h')},
                                    long_ones);
  EXPECT_LT(request.size(), 64u * 1024);
  EXPECT_GT(request.size(), 50u * 1024);
  EXPECT_THAT(request, HasSubstr("recipient_count=10000\n"));
}

TEST(Question, HoldsTheRecipientsThatCourierTakes) {
  // Its own bound, and an address of a common length.
  const std::vector<std::string> all(100, std::string(200, 'r'));
  const std::string request =
      Asked({.recipients = all, .client_address = "192.0.2.5"}, {});
  size_t found = 0;
  for (size_t at = 0;
       (at = request.find("\nbreakwater_recipient=", at)) != request.npos;
       ++at) {
    ++found;
  }
  EXPECT_EQ(found, 100u);
}

TEST(Question, LetsNoStrangerWriteAttributes) {
  const std::string request =
      Asked({.sender = "a\nsasl_username=b", .client_address = "192.0.2.5"},
            {"Subject: a\rb\nsasl_username=c"});
  EXPECT_THAT(request, Not(HasSubstr("\nsasl_username")));
}

}  // namespace
}  // namespace breakwater
