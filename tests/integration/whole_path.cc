#include "tests/integration/whole_path.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Users that every Debian has and that are not each other.
constexpr char kDaemonUser[] = "nobody";
constexpr uid_t kDaemonUid = 65534;
constexpr char kEnforcerUser[] = "daemon";

// As README.md has them.
constexpr char kPolicyLine[] =
    "smtpd_client_restrictions = check_policy_service { "
    "unix:breakwater/policy.sock, default_action=DUNNO, timeout=5s, "
    "try_limit=1 }";
constexpr char kMilterLine[] =
    "smtpd_milters = { unix:breakwater/milter.sock, default_action=accept, "
    "connect_timeout=2s, command_timeout=5s }";

constexpr char kConfig[] = R"(
mode = "$mode"
user = "$user"
[milter]
socket = "$milter"
patience = "1s"
[policy]
sockets = [$policy]
[dns]
servers = ["$dns"]
[enforcer]
socket = "$dir/enforcer.sock"
user = "$enforcer"
[control]
socket = "$dir/control.sock"
[[zone]]
name = "dnsbl.test"
)";

}  // namespace

std::string WholePathTest::ConfigText(const Parts& parts) const {
  const std::string sockets =
      absl::StrCat("unix:", postfix_->QueueDirectory(), "/breakwater/");
  return absl::StrCat(
      absl::StrReplaceAll(
          kConfig,
          {{"$mode", parts.mode},
           {"$user", kDaemonUser},
           {"$enforcer", kEnforcerUser},
           {"$milter", parts.milter ? sockets + "milter.sock" : ""},
           {"$policy",
            parts.policy ? absl::StrCat("\"", sockets, "policy.sock\"") : ""},
           {"$dns", parts.dns_server},
           {"$dir", breakwater_->directory()}}),
      parts.config);
}

void WholePathTest::StartParts(const Parts& parts) {
  PostfixOptions options;
  options.main_cf = {"smtpd_delay_reject = no"};
  if (parts.policy) options.main_cf.push_back(kPolicyLine);
  if (parts.milter) options.main_cf.push_back(kMilterLine);
  options.main_cf.insert(options.main_cf.end(), parts.main_cf.begin(),
                         parts.main_cf.end());
  options.master_cf = parts.master_cf;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(postfix_, Postfix::Start(mta(), options));
  BREAKWATER_ASSERT_OK(postfix_->MakeSocketDirectory(kDaemonUid));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      list_, DnsList::Start(mta(), {.entries = parts.listed}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(breakwater_, Breakwater::Make(mta()));
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(parts)));
  sets_ = std::make_unique<IpSets>(mta());
  StartBreakwater();
  if (HasFatalFailure() || !parts.rules) return;
  for (const bool ipv6 : {false, true}) {
    BREAKWATER_ASSERT_OK(
        LoadRules(mta(),
                  absl::StrCat(BREAKWATER_SOURCE_DIR "/etc/",
                               ipv6 ? "iptables/breakwater.v6"
                                    : "iptables/breakwater.v4"),
                  ipv6));
  }
}

void WholePathTest::StartBreakwater() {
  // An earlier run has left its lines in the same log.
  const size_t before = breakwater_->Log().size();
  BREAKWATER_ASSERT_OK(breakwater_->Start("event=ready"));
  ASSERT_TRUE(WaitUntil([&] {
    return breakwater_->Log().find("event=enforcer-connected", before) !=
           std::string::npos;
  })) << breakwater_->Log();
}

absl::StatusOr<WholePathTest::Session> WholePathTest::Open(
    const std::string& from, uint16_t port) {
  const bool ipv6 = from.find(':') != std::string::npos;
  absl::StatusOr<SmtpClient> client = SmtpClient::Connect(
      world(), {.from = from,
                .to = ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress,
                .port = port});
  if (!client.ok()) return client.status();
  absl::StatusOr<SmtpReply> banner = client->ReadReply();
  if (!banner.ok()) return banner.status();
  return Session{*std::move(client), *std::move(banner)};
}

bool WholePathTest::IsDropped(const std::string& from) {
  const bool ipv6 = from.find(':') != std::string::npos;
  // Twice the first retransmission of a SYN.
  const auto client = SmtpClient::Connect(
      world(),
      {.from = from, .to = ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress},
      milliseconds(2000));
  return absl::IsDeadlineExceeded(client.status());
}

void WholePathTest::ExpectMailFlows(const std::string& from) {
  const size_t before = postfix_->Mailbox("honest").size();
  absl::StatusOr<Session> session = Open(from);
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_EQ(session->banner.code, 220) << session->banner.text;
  const absl::StatusOr<SmtpReply> reply = session->client.SendMessage(
      "friend@example.org", "honest@mail.test", "Subject: hello\n\nhello\n");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->code, 250) << reply->text;
  EXPECT_TRUE(postfix_->WaitForMail("honest", before + 1));
}

std::string WholePathTest::Ask(std::vector<std::string> words) {
  words.insert(words.begin(), "--json");
  const CommandResult result = breakwater_->Command(words);
  return result.out + result.err;
}

bool WholePathTest::IsBanned(const std::string& address) {
  const bool ipv6 = address.find(':') != std::string::npos;
  return sets_->Has(ipv6 ? "breakwater6" : "breakwater4", address);
}

}  // namespace breakwater::testing
