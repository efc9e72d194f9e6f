#include "contrib/tcp/decision.h"

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace breakwater {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kRefusal[] = "521 5.7.1 Client 192.0.2.5 is listed [id 1]";

// What the environment and then, if it is asked, the daemon lead to.
TcpDecision Decide(const TcpOptions& options, const TcpEnvironment& environment,
                   const PolicyAnswer& answer) {
  const TcpDecision decision = DecideByEnvironment(options, environment);
  if (decision.step != TcpStep::kAsk) return decision;
  return DecideByAnswer(options, answer);
}

struct DecisionCase {
  const char* what;
  std::optional<std::string> rblsmtpd;
  bool may_relay = false;
  std::string action = "DUNNO";
  TcpOptions options;
  std::string reply;  // empty: goes on
  bool may_speak = false;
};

TEST(TcpDecisionTest, FollowsRblsmtpdThenRelayThenTheDaemon) {
  const std::optional<std::string> unset;
  const TcpOptions temporary{.temporary = true};
  const TcpOptions all{.ask_about_all = true};
  const std::vector<DecisionCase> cases = {
      {"the daemon passes", unset},
      {"the daemon says OK", unset, false, "OK"},
      {"the daemon refuses", unset, false, kRefusal, {}, kRefusal},
      {"the daemon defers", unset, false, "451 4.7.1 no", {}, "451 4.7.1 no"},
      {"-B", unset, false, "521 5.7.1 no", temporary, "451 4.7.1 no"},
      {"-B, no status", unset, false, "550 no", temporary, "451 no"},
      {"-B, a 4xx", unset, false, "450 4.2.0 no", temporary, "450 4.2.0 no"},
      {"a bare code", unset, false, "521"},
      {"garbage", unset, false, "garbage"},
      {"no answer", unset, false, ""},
      {"may relay", unset, true, kRefusal},
      {"may relay, -A", unset, true, kRefusal, all, kRefusal},
      {"RBLSMTPD empty", "", false, kRefusal},
      {"RBLSMTPD empty, -A", "", true, kRefusal, all},
      {"RBLSMTPD", "text", false, "DUNNO", {}, "451 text", true},
      {"RBLSMTPD -", "-text", false, "DUNNO", {}, "553 text", true},
      {"RBLSMTPD - alone", "-", false, "DUNNO", {}, "553 ", true},
      {"RBLSMTPD before the daemon", "a", false, kRefusal, {}, "451 a", true},
      {"RBLSMTPD before RELAYCLIENT", "-a", true, "OK", {}, "553 a", true},
      {"RBLSMTPD -, -B", "-a", false, "OK", temporary, "553 a", true},
      {"RBLSMTPD odd",
       "a\r\n250 b\xff",
       false,
       "OK",
       {},
       "451 a??250 b?",
       true},
  };
  for (const DecisionCase& c : cases) {
    const TcpEnvironment environment{.rblsmtpd = c.rblsmtpd,
                                     .may_relay = c.may_relay,
                                     .remote_ip = "192.0.2.5"};
    const TcpDecision decision = Decide(c.options, environment, {c.action, ""});
    EXPECT_EQ(decision.step,
              c.reply.empty() ? TcpStep::kGoOn : TcpStep::kRefuse)
        << c.what;
    EXPECT_EQ(decision.reply, c.reply) << c.what;
    EXPECT_EQ(decision.may_speak, c.may_speak) << c.what;
  }
}

TEST(TcpDecisionTest, RblsmtpdsTextIsCut) {
  const TcpEnvironment environment{.rblsmtpd = std::string(1000, 'x')};
  EXPECT_EQ(DecideByEnvironment({}, environment).reply,
            "451 " + std::string(200, 'x'));
}

TEST(TcpDecisionTest, SaysWhyTheDaemonDidNotDecide) {
  const TcpOptions options{.socket = "unix:/p.sock"};
  EXPECT_EQ(DecideByAnswer(options, {"", "connecting: no"}).complaint,
            "unix:/p.sock: connecting: no");
  EXPECT_EQ(DecideByAnswer(options, {"REJECT\x1b", ""}).complaint,
            "unix:/p.sock: odd action \"REJECT?\"");
  EXPECT_THAT(DecideByAnswer(options, {"DUNNO", ""}).complaint, IsEmpty());
}

TEST(TcpDecisionTest, WithoutAnAddressNobodyIsAsked) {
  const TcpDecision decision = DecideByEnvironment({}, {});
  EXPECT_EQ(decision.step, TcpStep::kGoOn);
  EXPECT_THAT(decision.complaint, HasSubstr("TCPREMOTEIP"));
}

// The environment as a test wants it, for as long as it lives.
class TcpEnvironmentTest : public ::testing::Test {
 protected:
  using Variables = std::vector<std::pair<const char*, const char*>>;
  static constexpr const char* kNames[] = {
      "RBLSMTPD",    "RELAYCLIENT",  "TCPREMOTEIP",  "TCPREMOTEPORT",
      "TCPLOCALIP",  "TCPLOCALPORT", "TCP6REMOTEIP", "TCP6REMOTEPORT",
      "TCP6LOCALIP", "TCP6LOCALPORT"};

  ~TcpEnvironmentTest() override { Read({}); }
  static TcpEnvironment Read(const Variables& variables) {
    for (const char* name : kNames) unsetenv(name);
    for (const auto& [name, value] : variables) setenv(name, value, 1);
    return TcpEnvironment::Read();
  }
};

TEST_F(TcpEnvironmentTest, TcpserversIsUnderstood) {
  const TcpEnvironment environment = Read({{"TCPREMOTEIP", "192.0.2.5"},
                                           {"TCPREMOTEPORT", "4711"},
                                           {"TCPLOCALIP", "192.0.2.25"},
                                           {"TCPLOCALPORT", "25"}});
  EXPECT_FALSE(environment.rblsmtpd);
  EXPECT_FALSE(environment.may_relay);
  EXPECT_EQ(FormatPolicyRequest(environment.Question()),
            "request=smtpd_access_policy\nprotocol_state=CONNECT\n"
            "protocol_name=SMTP\nclient_address=192.0.2.5\nclient_port=4711\n"
            "server_address=192.0.2.25\nserver_port=25\n\n");
}

TEST_F(TcpEnvironmentTest, CouriertcpdsMappedAddressesAreIPv4) {
  const TcpEnvironment environment = Read(
      {{"TCPREMOTEIP", "::ffff:192.0.2.5"}, {"TCPLOCALIP", "::ffff:c000:219"}});
  EXPECT_EQ(environment.remote_ip, "192.0.2.5");
  EXPECT_EQ(environment.local_ip, "192.0.2.25");
}

TEST_F(TcpEnvironmentTest, Tcp6VariablesStandInWhereTheOthersDoNotServe) {
  const TcpEnvironment environment = Read({{"TCPREMOTEIP", "unknown"},
                                           {"TCP6REMOTEIP", "2001:db8::5"},
                                           {"TCP6REMOTEPORT", "4711"},
                                           {"TCPLOCALIP", "2001:db8::25"},
                                           {"TCP6LOCALIP", "2001:db8::99"}});
  EXPECT_EQ(environment.remote_ip, "2001:db8::5");
  EXPECT_EQ(environment.remote_port, "4711");
  EXPECT_EQ(environment.local_ip, "2001:db8::25");
}

TEST_F(TcpEnvironmentTest, WhatIsNoAddressOrPortIsUnknown) {
  const TcpEnvironment environment = Read({{"TCPREMOTEIP", "192.0.2.5\nx=y"},
                                           {"TCPREMOTEPORT", "47a"},
                                           {"TCPLOCALIP", "mail.test"},
                                           {"TCPLOCALPORT", "123456"}});
  EXPECT_EQ(environment.remote_ip, "");
  EXPECT_EQ(environment.remote_port, "");
  EXPECT_EQ(environment.local_ip, "");
  EXPECT_EQ(environment.local_port, "");
}

TEST_F(TcpEnvironmentTest, AnInterfacesNameIsNotOfTheAddress) {
  EXPECT_EQ(Read({{"TCPREMOTEIP", "fe80::1%eth0"}}).remote_ip, "fe80::1");
}

TEST_F(TcpEnvironmentTest, EmptyIsNotUnset) {
  const TcpEnvironment environment =
      Read({{"RBLSMTPD", ""}, {"RELAYCLIENT", ""}});
  EXPECT_EQ(environment.rblsmtpd, "");
  EXPECT_TRUE(environment.may_relay);
}

}  // namespace
}  // namespace breakwater
