// The ending matrix: for each mail server, door and stage, what a client reads,
// who closes, and after how long the slot is free again. A row is a test, which
// fails when the ending is another one than breakwaterd(8) says; run as a
// program, it prints them all below each other:
//
//   build/release/bin/ending_matrix_test | grep '^|'

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/integration/courier_door.h"
#include "tests/integration/harness/wait.h"
#include "tests/integration/sendmail_door.h"
#include "tests/integration/tcpserver_door.h"
#include "tests/integration/whole_path.h"

namespace breakwater::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// All of 198.18.7.0/24 are listed: each client comes once, for it is banned
// then.
const std::vector<DnsListEntry> kListedNetwork = {{"198.18.7.0/24"}};
constexpr char kClientNetwork[] = "198.18.7.";
constexpr char kUnlistedNetwork[] = "198.18.8.";

std::string Percentiles(std::vector<milliseconds> times) {
  std::sort(times.begin(), times.end());
  return absl::StrFormat("%d / %d", times[times.size() / 2].count(),
                         times.back().count());
}

const char* CloserOf(Ending ending) {
  switch (ending) {
    case Ending::kClosed:
      return "mail server";
    case Ending::kReset:
      return "Breakwater";
    case Ending::kOpen:
      return "nobody";
  }
  return "";
}

// A door on any of the fixtures.
template <typename Fixture>
class EndingMatrix : public Fixture {
 protected:
  // What the client does until it has been refused, or until nothing more is
  // said to it: the last reply that it read. From then on it is silent and
  // ignores everything, as a zombie does.
  using Script = std::function<absl::StatusOr<SmtpReply>(
      SmtpClient&, const std::string& address)>;

  struct Row {
    const char* server;
    const char* door;
    const char* stage;
    int code = 0;  // of the last reply
    Ending ending = Ending::kClosed;
    bool listed = true;
    int rounds = 10;
  };

  void Measure(const Row& row, const Script& script) {
    std::vector<milliseconds> from_connect, from_reply;
    SmtpReply last;
    for (int i = 1; i <= row.rounds; ++i) {
      const std::string address =
          absl::StrCat(row.listed ? kClientNetwork : kUnlistedNetwork, i);
      const Clock::time_point connected = Clock::now();
      BREAKWATER_ASSERT_OK_AND_ASSIGN(
          SmtpClient client,
          SmtpClient::Connect(this->world(), {.from = address}));
      BREAKWATER_ASSERT_OK_AND_ASSIGN(last, script(client, address));
      ASSERT_EQ(last.code, row.code) << last.text;
      const Clock::time_point refused = Clock::now();
      ASSERT_TRUE(WaitUntil([this] { return SlotsInUse() == 0; }, seconds(30),
                            milliseconds(1)));
      const Clock::time_point free = Clock::now();
      from_connect.push_back(
          std::chrono::round<milliseconds>(free - connected));
      from_reply.push_back(std::chrono::round<milliseconds>(free - refused));
      EXPECT_EQ(client.WaitForEnd(milliseconds(500)), row.ending);
    }
    std::printf("| %s | %s | %s | %d | %s | %s | %s |\n", row.server, row.door,
                row.stage, last.code, CloserOf(row.ending),
                Percentiles(from_reply).c_str(),
                Percentiles(from_connect).c_str());
  }

  virtual size_t SlotsInUse() = 0;

  // The lines up to the one that is refused; a reply that is not is an error
  // here.
  static Script Say(std::vector<std::string> lines) {
    return [lines](SmtpClient& client,
                   const std::string&) -> absl::StatusOr<SmtpReply> {
      absl::StatusOr<SmtpReply> reply = client.ReadReply();
      for (const std::string& line : lines) {
        if (!reply.ok() || !reply->Positive()) return reply;
        reply = client.Command(line);
      }
      return reply;
    };
  }
  // The operator bans the client after that.
  Script ThenBan(Script script) {
    return [this, script](SmtpClient& client, const std::string& address) {
      absl::StatusOr<SmtpReply> reply = script(client, address);
      this->Ask({"ban", address});
      return reply;
    };
  }
};

const std::vector<std::string> kUpToMail = {"EHLO client.example",
                                            "MAIL FROM:<a@example.org>"};
const std::vector<std::string> kUpToRecipient = {"EHLO client.example",
                                                 "MAIL FROM:<a@example.org>",
                                                 "RCPT TO:<honest@mail.test>"};
const std::vector<std::string> kUpToData = {
    "EHLO client.example", "MAIL FROM:<a@example.org>",
    "RCPT TO:<honest@mail.test>", "DATA"};

// ---- Postfix ---------------------------------------------------------------

class PostfixEndings : public EndingMatrix<WholePathTest> {
 protected:
  void Start(Parts parts) {
    parts.listed = kListedNetwork;
    StartParts(parts);
  }
  size_t SlotsInUse() override { return postfix_->OpenSessions(); }
};

TEST_F(PostfixEndings, PolicyServerAtConnect) {
  Start({.policy = true});
  Measure({"Postfix", "policy server", "CONNECT", 521}, Say({}));
}

TEST_F(PostfixEndings, PolicyServerAtRecipient) {
  Start({.policy = true, .main_cf = {"smtpd_delay_reject = yes"}});
  Measure({"Postfix", "policy server, delay_reject", "RCPT", 521},
          Say(kUpToRecipient));
}

TEST_F(PostfixEndings, PolicyServerBannedWhileIdle) {
  Start({.policy = true});
  Measure({"Postfix", "policy server", "banned after EHLO", 250, Ending::kReset,
           false},
          ThenBan(Say({"EHLO client.example"})));
}

TEST_F(PostfixEndings, MilterAtMail) {
  Start({.milter = true});
  Measure({"Postfix", "milter", "MAIL", 521}, Say(kUpToMail));
}

TEST_F(PostfixEndings, MilterNeverAtMail) {
  Start({.milter = true});
  Measure({"Postfix", "milter", "silent (patience 1 s)", 220, Ending::kReset,
           true, 3},
          Say({}));
}

TEST_F(PostfixEndings, MilterBannedWhileIdle) {
  Start({.milter = true});
  Measure(
      {"Postfix", "milter", "banned after EHLO", 250, Ending::kReset, false},
      ThenBan(Say({"EHLO client.example"})));
}

TEST_F(PostfixEndings, MilterBannedInTheMessage) {
  Start({.milter = true});
  Measure({"Postfix", "milter", "banned in DATA", 354, Ending::kReset, false},
          ThenBan(Say(kUpToData)));
}

// ---- Sendmail --------------------------------------------------------------

class SendmailEndings : public EndingMatrix<SendmailDoor> {
 protected:
  void Start() { StartParts({}, {.listed = kListedNetwork}); }
  size_t SlotsInUse() override { return sendmail_->ChildCount(); }
};

TEST_F(SendmailEndings, AtMail) {
  Start();
  Measure({"Sendmail", "milter", "MAIL", 521, Ending::kReset}, Say(kUpToMail));
}

TEST_F(SendmailEndings, NeverAtMail) {
  Start();
  Measure({"Sendmail", "milter", "silent (patience 1 s)", 220, Ending::kReset,
           true, 3},
          Say({}));
}

TEST_F(SendmailEndings, BannedWhileIdle) {
  Start();
  Measure(
      {"Sendmail", "milter", "banned after EHLO", 250, Ending::kReset, false},
      ThenBan(Say({"EHLO client.example"})));
}

TEST_F(SendmailEndings, BannedInTheMessage) {
  Start();
  Measure({"Sendmail", "milter", "banned in DATA", 354, Ending::kReset, false},
          ThenBan(Say(kUpToData)));
}

// ---- Courier ---------------------------------------------------------------

class CourierEndings : public EndingMatrix<CourierDoor> {
 protected:
  void Start() {
    StartParts({.wrapper = true, .filter = true, .listed = kListedNetwork});
  }
  size_t SlotsInUse() override { return courier_->SessionProcessCount(); }
};

TEST_F(CourierEndings, AtConnect) {
  Start();
  Measure({"Courier", "breakwater-tcp", "CONNECT", 521}, Say({}));
}

TEST_F(CourierEndings, BannedWhileIdle) {
  Start();
  Measure({"Courier", "breakwater-tcp", "banned after EHLO", 250,
           Ending::kReset, false},
          ThenBan(Say({"EHLO client.example"})));
}

TEST_F(CourierEndings, BannedInTheMessage) {
  Start();
  Measure({"Courier", "courierfilter", "banned in DATA", 354, Ending::kReset,
           false},
          ThenBan(Say(kUpToData)));
}

// ---- tcpserver -------------------------------------------------------------

class TcpserverEndings : public EndingMatrix<TcpserverDoorTest> {
 protected:
  void Start() { StartDoor({.listed = kListedNetwork}); }
  size_t SlotsInUse() override { return SlotsUsed(); }
};

TEST_F(TcpserverEndings, AtConnect) {
  Start();
  Measure({"tcpserver", "breakwater-tcp", "CONNECT", 521}, Say({}));
}

TEST_F(TcpserverEndings, BannedWhileIdle) {
  Start();
  Measure({"tcpserver", "breakwater-tcp", "banned after EHLO", 250,
           Ending::kReset, false},
          ThenBan(Say({"EHLO client.example"})));
}

}  // namespace
}  // namespace breakwater::testing
