// contrib/rspamd in Debian's rspamd.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/report_filter_test.h"

namespace breakwater::testing {
namespace {

constexpr char kPlugin[] = R"(
breakwater {
  actions { reject = "spam"; }
  symbols { EICAR_TEST = "virus"; }
}
)";

// What a scanner would find, without one. rspamd asks for nothing else in a
// message with GTUBE, so that cannot be the test's.
constexpr char kRule[] =
    "EICAR_TEST { re = '/EICAR-STANDARD-ANTIVIRUS-TEST-FILE/{mime}'; "
    "score = 20.0; }\n";

TEST_F(ReportFilterTest, RspamdTellsOfAVirus) {
  MakeRoot("rspamd", "_rspamd");
  if (IsSkipped() || HasFatalFailure()) return;
  CopyIntoRoot("contrib/rspamd/breakwater.lua",
               "/etc/rspamd/plugins.d/breakwater.lua");
  ASSERT_FALSE(HasFatalFailure());
  const std::string run = root_->Path("/run/rspamd");
  std::filesystem::create_directories(run);
  ASSERT_EQ(chown(run.c_str(), user_, group_), 0);
  for (const auto& [name, text] : {
           std::pair{"/etc/rspamd/rspamd.conf.local", kPlugin},
           {"/etc/rspamd/local.d/regexp.conf", kRule},
           {"/etc/rspamd/local.d/options.inc",
            "dns { nameserver = [\"127.0.0.1\"]; timeout = 0.1s; "
            "retransmits = 1; }\n"},
           {"/etc/rspamd/local.d/worker-proxy.inc",
            "upstream \"local\" { default = yes; self_scan = yes; }\n"},
           // Ten thousand take half a minute to be compiled.
           {"/usr/share/rspamd/effective_tld_names.dat", "org\ntest\n"},
       }) {
    BREAKWATER_ASSERT_OK(WriteFile(root_->Path(name), text));
  }
  StartPostfix("inet:127.0.0.1:11332",
               "[[offence]]\nkind = \"virus\"\n[[offence]]\nkind = \"spam\"\n");
  ASSERT_FALSE(HasFatalFailure());
  StartProgram({"rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd"});
  ASSERT_TRUE(WaitForPort(11332)) << Logs();
  ExpectAVirusBansItsSender();
  EXPECT_TRUE(breakwater_->WaitForLog("detail=EICAR_TEST"));
}

}  // namespace
}  // namespace breakwater::testing
