// contrib/mimedefang in Debian's MIMEDefang.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/report_filter_test.h"

namespace breakwater::testing {
namespace {

// What a scanner would find, without one.
constexpr char kFilter[] = R"(
require '/etc/mail/breakwater.pl';
sub filter {
    my($entity, $fname, $ext, $type) = @_;
    my $body = $entity->bodyhandle;
    if ($body && $body->as_string =~ /EICAR-STANDARD-ANTIVIRUS-TEST-FILE/) {
        breakwater_report($RelayAddr, 'virus', '-', 'Eicar-Test-Signature');
        return action_bounce('This is a virus: Eicar-Test-Signature');
    }
    return action_accept();
}
1;
)";

constexpr char kMultiplexor[] = "/var/spool/MIMEDefang/multiplexor.sock";

TEST_F(ReportFilterTest, MimedefangTellsOfAVirus) {
  MakeRoot("mimedefang", "defang");
  if (IsSkipped() || HasFatalFailure()) return;
  CopyIntoRoot("contrib/mimedefang/breakwater.pl", "/etc/mail/breakwater.pl");
  ASSERT_FALSE(HasFatalFailure());
  BREAKWATER_ASSERT_OK(
      WriteFile(root_->Path("/etc/mail/mimedefang-filter"), kFilter));
  StartPostfix("inet:127.0.0.1:10026", "[[offence]]\nkind = \"virus\"\n");
  ASSERT_FALSE(HasFatalFailure());
  // As Debian's init script does; -D: not in the background.
  StartProgram({"mimedefang-multiplexor", "-D", "-E", "-U", "defang", "-m", "1",
                "-s", kMultiplexor, "-p", "/var/spool/MIMEDefang/mx.pid"});
  ASSERT_TRUE(WaitUntil([&] {
    return std::filesystem::exists(root_->Path(kMultiplexor));
  })) << Logs();
  StartProgram({"mimedefang", "-D", "-U", "defang", "-m", kMultiplexor, "-P",
                "/var/spool/MIMEDefang/md.pid", "-p", "inet:10026@127.0.0.1"});
  ASSERT_TRUE(WaitForPort(10026)) << Logs();
  ExpectAVirusBansItsSender();
  EXPECT_TRUE(breakwater_->WaitForLog("detail=Eicar-Test-Signature"));
}

}  // namespace
}  // namespace breakwater::testing
