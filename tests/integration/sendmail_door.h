#pragma once

#include <memory>
#include <string>

#include "tests/integration/breakwater_test.h"
#include "tests/integration/harness/sendmail.h"

namespace breakwater::testing {

// The whole path on real parts, with a Sendmail.
class SendmailDoor : public BreakwaterTest {
 protected:
  static constexpr char kIpv4Only[] =
      "Name=MTA, Family=inet, Port=25, Addr=0.0.0.0";
  // Commands, and the lines of a message, for TalkInTls and Submit.
  static constexpr char kTransaction[] =
      "EHLO client.example\nMAIL FROM:<friend@example.org>\n"
      "RCPT TO:<honest@mail.test>\nDATA\nSubject: hello\n\nhello\n.\nQUIT\n";

  // Fails the test if something does not start; the caller then returns.
  void StartParts(SendmailOptions options = {}, Service service = {});
  // In front of the list; it takes 0.7 seconds. For Service::dns_server.
  static constexpr char kDelayedList[] = "127.0.0.3";
  absl::StatusOr<std::unique_ptr<DnsFault>> DelayedList();

  // EHLO and MAIL; returns the reply to MAIL.
  absl::StatusOr<SmtpReply> SayMail(Session& session);
  // As far as into the message, of which some is sent.
  void SayUpToData(SmtpClient& client);
  // One by one through STARTTLS; see smtp_talk.py.
  CommandResult TalkInTls(const std::string& from, const std::string& smtp);
  // The same with a Sendmail on standard input: a "pipe" or a "socketpair".
  CommandResult Submit(const std::string& channel, const std::string& smtp);

  // Within a second, with some more for a busy machine. Sendmail itself would
  // wait minutes for the next command.
  bool SlotIsFree();
  // Whether a whole message goes through and arrives.
  void ExpectMailFlows(const std::string& from);
  void ExpectNothingWasTaken();

  std::unique_ptr<Sendmail> sendmail_;
};

}  // namespace breakwater::testing
