#include "tests/integration/breakwater_test.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Users that every Debian has and that are not each other.
constexpr char kDaemonUser[] = "nobody";
constexpr char kEnforcerUser[] = "daemon";

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
deadline = "$deadline"
[enforcer]
socket = "$dir/enforcer.sock"
user = "$enforcer"
[control]
socket = "$dir/control.sock"
[memory]
file = "$dir/memory/memory.db"
[[zone]]
name = "dnsbl.test"
)";

}  // namespace

std::string BreakwaterTest::ConfigText(const Service& service) const {
  const std::string policy = absl::StrJoin(
      service.policy, ", ", [](std::string* out, const std::string& socket) {
        absl::StrAppend(out, "\"", socket, "\"");
      });
  return absl::StrCat(
      absl::StrReplaceAll(kConfig, {{"$mode", service.mode},
                                    {"$user", kDaemonUser},
                                    {"$enforcer", kEnforcerUser},
                                    {"$milter", service.milter},
                                    {"$policy", policy},
                                    {"$dns", service.dns_server},
                                    {"$deadline", service.dns_deadline},
                                    {"$dir", breakwater_->directory()}}),
      service.config);
}

void BreakwaterTest::StartService(const Service& service) {
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      list_, DnsList::Start(mta(), {.entries = service.listed,
                                    .names = service.listed_names}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(breakwater_, Breakwater::Make(mta()));
  BREAKWATER_ASSERT_OK(breakwater_->WriteConfig(ConfigText(service)));
  sets_ = std::make_unique<IpSets>(mta());
  StartBreakwater();
  if (HasFatalFailure() || !service.rules) return;
  for (const bool ipv6 : {false, true}) {
    BREAKWATER_ASSERT_OK(
        LoadRules(mta(),
                  absl::StrCat(BREAKWATER_SOURCE_DIR "/etc/",
                               ipv6 ? "iptables/breakwater.v6"
                                    : "iptables/breakwater.v4"),
                  ipv6));
  }
}

void BreakwaterTest::StartBreakwater() {
  // An earlier run has left its lines in the same log.
  const size_t before = breakwater_->Log().size();
  BREAKWATER_ASSERT_OK(breakwater_->Start("event=ready"));
  ASSERT_TRUE(WaitUntil([&] {
    return breakwater_->Log().find("event=enforcer-connected", before) !=
           std::string::npos;
  })) << breakwater_->Log();
}

absl::StatusOr<BreakwaterTest::Session> BreakwaterTest::Open(
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

bool BreakwaterTest::IsDropped(const std::string& from) {
  const bool ipv6 = from.find(':') != std::string::npos;
  // A SYN, and the first time that it is sent again, after a second.
  const auto client = SmtpClient::Connect(
      world(),
      {.from = from, .to = ipv6 ? Network::kMtaAddress6 : Network::kMtaAddress},
      milliseconds(1200));
  return absl::IsDeadlineExceeded(client.status());
}

std::string BreakwaterTest::Ask(std::vector<std::string> words) {
  words.insert(words.begin(), "--json");
  const CommandResult result = breakwater_->Command(words);
  return result.out + result.err;
}

bool BreakwaterTest::IsBanned(const std::string& address) {
  const bool ipv6 = address.find(':') != std::string::npos;
  return sets_->Has(ipv6 ? "breakwater6" : "breakwater4", address);
}

}  // namespace breakwater::testing
