#include "policy/request.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

// As Postfix 3.7.11 sends it.
constexpr char kReal[] =
    "request=smtpd_access_policy\nprotocol_state=RCPT\n"
    "protocol_name=ESMTP\nclient_address=192.0.2.5\n"
    "client_name=client.test\nclient_port=37779\n"
    "reverse_client_name=client.test\nserver_address=192.0.2.25\n"
    "server_port=25\nhelo_name=client.test\nsender=a@client.test\n"
    "recipient=good@mail.test\nrecipient_count=0\nqueue_id=\n"
    "instance=fbe.6b012148.c29e.0\nsize=1234\netrn_domain=\nstress=\n"
    "sasl_method=\nsasl_username=\nsasl_sender=\nccert_subject=\n"
    "ccert_issuer=\nccert_fingerprint=\nccert_pubkey_fingerprint=\n"
    "encryption_protocol=\nencryption_cipher=\nencryption_keysize=0\n"
    "policy_context=client\n";

std::string Minimal(const std::string& more = "") {
  return "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
         "client_address=192.0.2.5\n" +
         more;
}

std::string ErrorOf(const std::string& block) {
  const auto request = ParsePolicyRequest(block);
  return request.ok() ? "none" : std::string(request.status().message());
}

TEST(PolicyRequest, TakesWhatPostfixSends) {
  const auto request = ParsePolicyRequest(kReal);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->protocol_state, "RCPT");
  const Client& client = request->client;
  EXPECT_EQ(client.address().ToString(), "192.0.2.5");
  EXPECT_EQ(client.connection.client_port, 37779);
  EXPECT_EQ(client.connection.server.ToString(), "192.0.2.25");
  EXPECT_EQ(client.connection.server_port, 25);
  EXPECT_EQ(client.front, Front::kPolicy);
  EXPECT_FALSE(client.authenticated);
  EXPECT_EQ(client.helo, "client.test");
  EXPECT_EQ(client.sender, "a@client.test");
  EXPECT_EQ(client.recipient, "good@mail.test");
}

TEST(PolicyRequest, NeedsOnlyThreeAttributes) {
  const auto request = ParsePolicyRequest(Minimal());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_FALSE(request->client.connection.IsComplete());
}

TEST(PolicyRequest, DoesNotNeedTheLastNewline) {
  std::string block = Minimal();
  block.pop_back();
  EXPECT_EQ(ErrorOf(block), "none");
}

TEST(PolicyRequest, KnowsAUserByTheName) {
  const auto request = ParsePolicyRequest(Minimal("sasl_username=alice\n"));
  ASSERT_TRUE(request.ok());
  EXPECT_TRUE(request->client.authenticated);
}

TEST(PolicyRequest, HasNoAddressWherePostfixHadNone) {
  for (const char* address : {"", "unknown"}) {
    const auto request = ParsePolicyRequest(
        std::string("request=smtpd_access_policy\nprotocol_state=CONNECT\n"
                    "client_address=") +
        address + "\nclient_port=unknown\n");
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_TRUE(request->client.address().IsUnspecified());
    EXPECT_EQ(request->client.connection.client_port, 0);
  }
}

TEST(PolicyRequest, WhatNoConnectionHasIsAClaim) {
  const auto presence = [](const std::string& more) {
    return ParsePolicyRequest(Minimal(more)).value().client.presence;
  };
  const std::string all = "client_port=1\nserver_port=25\n";
  EXPECT_EQ(presence(""), Presence::kNotLooked);
  EXPECT_EQ(presence(all + "server_address=192.0.2.25\n"),
            Presence::kNotLooked);
  for (const char* odd :
       {"client_port=0\n", "client_port=\n", "client_port=unknown\n",
        "server_port=0\n", "server_port=unknown\n", "server_port=\n"}) {
    EXPECT_EQ(presence(odd), Presence::kClaimed) << odd;
  }
  for (const char* odd : {"0.0.0.0", "::", "::ffff:0.0.0.0", "unknown", ""}) {
    EXPECT_EQ(presence(all + "server_address=" + odd + "\n"),
              Presence::kClaimed)
        << odd;
  }
}

TEST(PolicyRequest, TakesIpv6WithAndWithoutAnInterface) {
  for (const char* address : {"fe80::5", "fe80::5%eth0"}) {
    const auto request = ParsePolicyRequest(
        std::string("request=smtpd_access_policy\nprotocol_state=CONNECT\n"
                    "client_address=") +
        address + "\n");
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ(request->client.address().ToString(), "fe80::5");
  }
}

TEST(PolicyRequest, PassesOverUnknownAttributes) {
  EXPECT_EQ(ErrorOf(Minimal("compatibility_level=3.8\nmail_version=3.10\n"
                            "mail_version=3.10\n=x")),
            "line is not name=value: \"=x\"");
  EXPECT_EQ(ErrorOf(Minimal("mail_version=a=b\nmail_version=\n")), "none");
}

TEST(PolicyRequest, TakesEveryRecipientAndHeaderFieldOfAnAdapter) {
  const auto request = ParsePolicyRequest(
      Minimal("recipient=a@mail.test\nbreakwater_recipient=a@mail.test\n"
              "breakwater_recipient=b=c@mail.test\n"
              "breakwater_header=Subject: a =\xff\nbreakwater_header=\n"
              "breakwater_header=X-Spam-Flag: YES\n"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_THAT(request->recipients, ElementsAre("a@mail.test", "b=c@mail.test"));
  EXPECT_THAT(request->header,
              ElementsAre("Subject: a =\xff", "", "X-Spam-Flag: YES"));
  EXPECT_EQ(request->client.recipient, "a@mail.test");
}

TEST(PolicyRequest, OfPostfixHoldsNeitherRecipientsNorHeader) {
  const auto request = ParsePolicyRequest(kReal);
  ASSERT_TRUE(request.ok());
  EXPECT_THAT(request->recipients, IsEmpty());
  EXPECT_THAT(request->header, IsEmpty());
}

TEST(PolicyRequest, TakesAnOddHeloAsItIs) {
  const auto request = ParsePolicyRequest(Minimal("helo_name=\xff\x01=\r\n"));
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->client.helo, "\xff\x01=\r");
}

TEST(PolicyRequest, SaysWhichAttributeIsWrong) {
  const struct {
    std::string block;
    const char* error;
  } cases[] = {
      {"", "request is missing"},
      {"\n", "line is not name=value: \"\""},
      {"request=smtpd_access_policy", "protocol_state is missing"},
      {"request=smtpd_access_policy\nprotocol_state=RCPT\n",
       "client_address is missing"},
      {"request=other\nprotocol_state=RCPT\nclient_address=192.0.2.5\n",
       "request is not smtpd_access_policy but \"other\""},
      {Minimal("client_address=192.0.2.6\n"),
       "client_address is given twice, again as \"192.0.2.6\""},
      {Minimal("sender=a\nsender=b\n"), "sender is given twice"},
      {Minimal("hello\n"), "line is not name=value: \"hello\""},
      {Minimal("\n"), "line is not name=value"},
      {Minimal("client_port=70000\n"), "client_port is not a port: \"70000\""},
      {Minimal("client_port=-1\n"), "client_port is not a port"},
      {Minimal("client_port= 1\n"), "client_port is not a port"},
      {Minimal("server_port=25\r\n"), "server_port is not a port: \"25\\x0d\""},
      {Minimal("server_address=mail.test\n"),
       "server_address is not an IP address: \"mail.test\""},
      {Minimal(std::string("helo_name=a\0b\n", 14)),
       "helo_name holds a NUL: \"a\\x00b\""},
      {Minimal(std::string("other=a\0b\n", 10)), "other holds a NUL"},
      {Minimal("x=" + std::string(kLongestPolicyRequest, 'y')),
       "the request is longer than 65536 bytes"},
  };
  for (const auto& [block, error] : cases) {
    EXPECT_THAT(ErrorOf(block), HasSubstr(error));
  }
}

TEST(PolicyRequest, ShowsStrangersTextShortAndEscaped) {
  const std::string error = ErrorOf(Minimal(std::string(5000, '\n') + "x"));
  EXPECT_LT(error.size(), 200u);
  EXPECT_LT(ErrorOf(Minimal(std::string(9000, '\x80'))).size(), 400u);
}

TEST(PolicyRequest, EndsWhereverItIsCut) {
  const std::string whole = kReal;
  for (size_t length = 0; length <= whole.size(); ++length) {
    const auto request = ParsePolicyRequest(whole.substr(0, length));
    if (request.ok()) {
      EXPECT_EQ(request->protocol_state, "RCPT");
    }
  }
}

TEST(PolicyAction, IsDunnoForAClientThatPasses) {
  EXPECT_EQ(PolicyAction(Verdict{}), "DUNNO");
  EXPECT_EQ(PolicyAction(Verdict{.code = 521, .text = "left over"}), "DUNNO");
}

TEST(PolicyAction, IsTheReplyOfARejection) {
  EXPECT_EQ(PolicyAction({.action = Action::kReject,
                          .code = 521,
                          .text = "Client 192.0.2.5 is listed [id 7f3a]"}),
            "521 5.7.1 Client 192.0.2.5 is listed [id 7f3a]");
  EXPECT_EQ(PolicyAction(
                {.action = Action::kDefer, .code = 451, .text = "Try later"}),
            "451 4.7.1 Try later");
}

TEST(PolicyAction, IsNeverWhatPostfixWouldMisread) {
  const std::string texts[] = {
      "", " ", "\n\n", "a\n\naction=OK", std::string(100'000, '5'), "\xff\0x"};
  for (const std::string& text : texts) {
    for (const int code : {0, 200, 250, 421, 521, 999, -1}) {
      for (const Action action : {Action::kReject, Action::kDefer}) {
        const std::string line =
            PolicyAction({.action = action, .code = code, .text = text});
        EXPECT_THAT(line, MatchesRegex("(421 4|451 4|521 5)\\.7\\.1 [ -~]+"));
        EXPECT_LT(line.size(), 450u);
      }
    }
  }
}

}  // namespace
}  // namespace breakwater
