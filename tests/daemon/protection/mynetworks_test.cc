#include "daemon/protection/mynetworks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/daemon/test_daemon.h"

namespace breakwater {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::SizeIs;

Network Net(const char* text) { return *Network::Parse(text); }

class MynetworksTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_.File(name);
    std::ofstream(path) << text;
    return path;
  }
  // A program in postconf's place.
  std::string Script(const std::string& text) {
    const std::string path = Write("postconf", "#!/bin/sh\n" + text);
    chmod(path.c_str(), 0755);
    return path;
  }

  TestDirectory directory_;
};

TEST_F(MynetworksTest, ReadsNetworksOfBothFamilies) {
  const Mynetworks found = ParseMynetworks(
      "127.0.0.0/8, 192.0.2.0/28\t198.51.100.7 [2001:db8::]/32,[::1]/128\n"
      "[::ffff:127.0.0.0]/104 192.0.2.0/28");
  EXPECT_THAT(
      found.networks,
      ElementsAre(Net("127.0.0.0/8"), Net("192.0.2.0/28"), Net("198.51.100.7"),
                  Net("2001:db8::/32"), Net("::1")))
      << "each once";
  EXPECT_THAT(found.left_out, IsEmpty());
}

TEST_F(MynetworksTest, ReadsTheFilesThatItNamesAndThoseThatTheyName) {
  const std::string more = Write("more", "[2001:db8:2::]/48\n");
  const std::string file = Write(
      "nets", "# ours\n192.0.2.0/24\n198.51.100.1, 198.51.100.2\n" + more);
  const Mynetworks found = ParseMynetworks("203.0.113.1 " + file);
  EXPECT_THAT(
      found.networks,
      ElementsAre(Net("203.0.113.1"), Net("192.0.2.0/24"), Net("198.51.100.1"),
                  Net("198.51.100.2"), Net("2001:db8:2::/48")));
  EXPECT_THAT(found.files, ElementsAre(file, more));
}

TEST_F(MynetworksTest, AFileThatNamesItselfIsReadOnce) {
  const std::string file = Write("nets", "192.0.2.1\n");
  std::ofstream(file, std::ios::app) << file << "\n";
  EXPECT_THAT(ParseMynetworks(file).networks, ElementsAre(Net("192.0.2.1")));
}

TEST_F(MynetworksTest, NamesWhatIsNoListOfNetworks) {
  const Mynetworks found = ParseMynetworks(
      "hash:/etc/postfix/nets !192.0.2.1 192.0.2.0/24 /no/such/file "
      "192.0.2.1/24 a\x1b[31m");
  EXPECT_THAT(found.networks, ElementsAre(Net("192.0.2.0/24")));
  EXPECT_THAT(found.left_out,
              ElementsAre("hash:/etc/postfix/nets", "!192.0.2.1",
                          "/no/such/file", "192.0.2.1/24", "a\\x1b[31m"));
}

TEST_F(MynetworksTest, TakesOnlySoMuch) {
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(&text, "198.18.", i / 256, ".", i % 256, "\n");
  }
  const Mynetworks found = ParseMynetworks(Write("nets", text));
  EXPECT_THAT(found.networks, SizeIs(Mynetworks::kMostNetworks));
  EXPECT_THAT(found.left_out, Contains("198.18.3.232"));
  EXPECT_LT(found.left_out.size(), 100u);
}

TEST_F(MynetworksTest, AsksWithTheWordsItIsGivenAndWatchesMainCf) {
  const std::string script = Script(
      "echo /etc/postfix-in\necho \"192.0.2.0/24 [2001:db8::$#]/128\"\n"
      "echo 'warning: unused parameter' >&2\n");
  const absl::StatusOr<Mynetworks> found =
      AskMynetworks({script, "-c", "/etc/postfix-in"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->networks,
              ElementsAre(Net("192.0.2.0/24"), Net("2001:db8::5")));
  EXPECT_THAT(found->files, ElementsAre("/etc/postfix-in/main.cf"));
}

TEST_F(MynetworksTest, SaysWhyItCouldNotAsk) {
  const auto error_of = [](std::vector<std::string> words) {
    return std::string(AskMynetworks(words).status().message());
  };
  EXPECT_THAT(error_of({"no-such-postconf"}),
              HasSubstr("no-such-postconf is not installed"));
  EXPECT_THAT(error_of({Script("echo 'fatal: no main.cf' >&2; exit 1")}),
              HasSubstr("fatal: no main.cf"));
  EXPECT_THAT(error_of({Script("echo hello")}),
              HasSubstr("is not Postfix' postconf: it says \"hello"));
}

// The real one, of the root in which a Postfix is installed for the tests.
TEST_F(MynetworksTest, PostfixItselfIsAsked) {
  const std::string root = "/var/cache/breakwater/roots/mta-postfix";
  if (geteuid() != 0 || access((root + "/usr/sbin/postconf").c_str(), X_OK)) {
    GTEST_SKIP() << "needs root, and a Postfix in " << root;
  }
  const absl::StatusOr<Mynetworks> found =
      AskMynetworks({"chroot", root, "/usr/sbin/postconf"});
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->networks, IsSupersetOf({Net("127.0.0.0/8"), Net("::1")}));
  EXPECT_THAT(found->left_out, IsEmpty());
  EXPECT_THAT(found->files, Contains("/etc/postfix/main.cf"));
}

}  // namespace
}  // namespace breakwater
