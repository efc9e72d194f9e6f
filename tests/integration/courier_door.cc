#include "tests/integration/courier_door.h"

#include "absl/strings/str_cat.h"
#include "tests/integration/harness/wait.h"

namespace breakwater::testing {
namespace {

// As the manual has them.
constexpr char kPort[] =
    "PORT=\"25 /usr/lib/breakwater/breakwater-tcp -p "
    "unix:/run/breakwater/courier/policy.sock\"";
constexpr char kNoTarpit[] = "TARPIT=0";

}  // namespace

void CourierDoor::StartParts(const Parts& parts) {
  CourierOptions options{.esmtpd = parts.esmtpd};
  if (!parts.tarpit) options.esmtpd.push_back(kNoTarpit);
  if (parts.wrapper) {
    options.esmtpd.push_back(kPort);
    options.programs.push_back({Breakwater::ProgramPath("breakwater-tcp"),
                                "/usr/lib/breakwater/breakwater-tcp"});
  }
  if (parts.filter) {
    options.filters.push_back("breakwater");
    options.programs.push_back(
        {Breakwater::ProgramPath("breakwater-courierfilter"),
         "/usr/lib/courier/filters/breakwater"});
  }
  BREAKWATER_ASSERT_OK_AND_ASSIGN(courier_, Courier::Start(mta(), options));
  BREAKWATER_ASSERT_OK_AND_ASSIGN(const std::string sockets,
                                  courier_->MakeSocketDirectory(kDaemonUid));
  StartService({.policy = {absl::StrCat("unix:", sockets, "/policy.sock")},
                .rules = parts.rules,
                .mode = parts.mode,
                .config = parts.config,
                .listed = parts.listed});
}

void CourierDoor::ExpectMailFlows(const std::string& from) {
  const size_t before = courier_->Mailbox("honest").size();
  absl::StatusOr<Session> session = Open(from);
  ASSERT_TRUE(session.ok()) << session.status();
  ASSERT_EQ(session->banner.code, 220) << session->banner.text;
  const absl::StatusOr<SmtpReply> reply = session->client.SendMessage(
      "friend@example.org", "honest@mail.test", "hello");
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->code, 250) << reply->text;
  EXPECT_TRUE(courier_->WaitForMail("honest", before + 1));
}

void CourierDoor::ExpectNothingElseArrives() {
  ExpectMailFlows("203.0.113.77");
  EXPECT_EQ(courier_->Mailbox("honest").size(), 1u);
}

void CourierDoor::Say(SmtpClient& client,
                      const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    BREAKWATER_ASSERT_OK_AND_ASSIGN(SmtpReply reply, client.Command(line));
    ASSERT_TRUE(reply.Positive()) << line << ": " << reply.text;
  }
}

void CourierDoor::SayUpToData(SmtpClient& client) {
  Say(client, {"EHLO client.example", "MAIL FROM:<a@example.org>",
               "RCPT TO:<honest@mail.test>", "DATA"});
  BREAKWATER_ASSERT_OK(client.Send("Subject: held\r\n\r\nbody\r\n"));
}

absl::Status CourierDoor::Filterctl(const std::string& verb) {
  return RunIn(mta(), courier_->root().Chroot(
                          {"/usr/sbin/filterctl", verb, "breakwater"}))
      .ToStatus("filterctl");
}

bool CourierDoor::WaitForNoSession() {
  return WaitUntil([&] { return courier_->SessionProcessCount() == 0; }) &&
         WaitUntil([&] { return courier_->OpenSessions() == 0; });
}

}  // namespace breakwater::testing
