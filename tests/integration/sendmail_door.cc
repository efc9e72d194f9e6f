#include "tests/integration/sendmail_door.h"

#include <gmock/gmock.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/integration/harness/temp_directory.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::IsEmpty;

// The line of breakwaterd(8), as it is shown there.
std::string MilterLine() {
  const std::string manual =
      ReadFile(BREAKWATER_SOURCE_DIR "/daemon/breakwaterd.8");
  const size_t begin = manual.find("INPUT_MAIL_FILTER(");
  const size_t end = manual.find("dnl\n", begin);
  if (end == manual.npos) return "breakwaterd(8) has no line for sendmail.mc";
  return absl::StrReplaceAll(manual.substr(begin, end + 3 - begin),
                             {{"\\(ga", "`"}, {"\\(aq", "'"}});
}

}  // namespace

void SendmailDoor::StartParts(SendmailOptions options, Service service) {
  options.mc.insert(options.mc.begin(), MilterLine());
  BREAKWATER_ASSERT_OK_AND_ASSIGN(sendmail_,
                                  Sendmail::Start(mta(), std::move(options)));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const std::string directory,
                                  sendmail_->MakeSocketDirectory(kDaemonUid));
  service.milter = absl::StrCat("unix:", directory, "/milter.sock");
  StartService(service);
}

absl::StatusOr<std::unique_ptr<DnsFault>> SendmailDoor::DelayedList() {
  return DnsFault::Start(mta(),
                         {.rules = {DnsFault::Delay(milliseconds(700))}});
}

absl::StatusOr<SmtpReply> SendmailDoor::SayMail(Session& session) {
  const auto hello = session.client.Command("EHLO client.example");
  if (!hello.ok()) return hello;
  return session.client.Command("MAIL FROM:<a@example.org>");
}

void SendmailDoor::SayUpToData(SmtpClient& client) {
  for (const char* line : {"EHLO client.example", "MAIL FROM:<a@example.org>",
                           "RCPT TO:<honest@mail.test>", "DATA"}) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, client.Command(line));
    ASSERT_TRUE(reply.Positive()) << line << ": " << reply.text;
  }
  BREAKWATER_ASSERT_OK(client.Send("Subject: held\r\n\r\nbody\r\n"));
}

CommandResult SendmailDoor::TalkInTls(const std::string& from,
                                      const std::string& smtp) {
  return RunIn(world(),
               {BREAKWATER_SMTP_TALK, "tls", from, Network::kMtaAddress},
               seconds(20), smtp);
}

CommandResult SendmailDoor::Submit(const std::string& channel,
                                   const std::string& smtp) {
  std::vector<std::string> talk = sendmail_->SubmitCommand();
  talk.insert(talk.begin(), {BREAKWATER_SMTP_TALK, channel});
  return RunIn(mta(), talk, seconds(20), smtp);
}

bool SendmailDoor::SlotIsFree() {
  return WaitUntil(
      [&] {
        return sendmail_->ChildCount() == 0 && sendmail_->OpenSessions() == 0;
      },
      seconds(2));
}

void SendmailDoor::ExpectMailFlows(const std::string& from) {
  const size_t before = sendmail_->Mailbox("honest").size();
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpClient client,
      SmtpClient::Connect(world(), {.from = from,
                                    .to = from.find(':') == from.npos
                                              ? Network::kMtaAddress
                                              : Network::kMtaAddress6}));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply banner,
                                  client.ReadReply(seconds(20)));
  ASSERT_EQ(banner.code, 220) << banner.text;
  BREAKWATER_ASSERT_OK_AND_ASSIGN(
      SmtpReply reply,
      client.SendMessage("friend@example.org", "honest@mail.test", "hello"));
  EXPECT_EQ(reply.code, 250) << reply.text;
  EXPECT_TRUE(sendmail_->WaitForMail("honest", before + 1));
}

void SendmailDoor::ExpectNothingWasTaken() {
  EXPECT_THAT(sendmail_->Mailbox("honest"), IsEmpty());
  EXPECT_EQ(sendmail_->Queued(), 0u);
}

}  // namespace breakwater::testing
