#include "contrib/courier/decision.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contrib/courier/scratch.h"

namespace breakwater {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CourierDecisionTest : public ::testing::Test {
 protected:
  void Serve(const std::string& answer) {
    server_ = std::make_unique<FakePolicyServer>(
        scratch_.path() + "/policy",
        [answer](const std::string&) { return answer; });
  }
  MessageDecision Decide(const std::string& control_file) {
    return Decide({scratch_.File("D1", "Subject: hi\n\nbody\n"),
                   scratch_.File("c1", control_file)});
  }
  MessageDecision Decide(std::vector<std::string> files) {
    return DecideMessage({.files = std::move(files), .asker = asker_},
                         {.socket = "unix:" + scratch_.path() + "/policy",
                          .patience = seconds(10)});
  }

  Scratch scratch_;
  pid_t asker_ = 0;
  std::unique_ptr<FakePolicyServer> server_;
};

TEST_F(CourierDecisionTest, IsTheReplyThatBreakwaterGives) {
  Serve("action=521 5.7.1 Client 203.0.113.9 is banned [id 1]\n\n");
  const MessageDecision decision = Decide(kControlFile);
  EXPECT_EQ(decision.reply, "521 5.7.1 Client 203.0.113.9 is banned [id 1]");
  EXPECT_EQ(decision.complaint, "");
  ASSERT_THAT(server_->requests(), SizeIs(1));
  EXPECT_THAT(server_->requests()[0],
              AllOf(HasSubstr("client_address=::ffff:203.0.113.9\n"),
                    HasSubstr("breakwater_recipient=good@mail.test\n"),
                    HasSubstr("breakwater_header=Subject: hi\n")));
}

TEST_F(CourierDecisionTest, LetsAMessagePassThatBreakwaterLetsPass) {
  Serve("action=DUNNO\n\n");
  const MessageDecision decision = Decide(kControlFile);
  EXPECT_EQ(decision.reply, "200 Ok");
  EXPECT_EQ(decision.complaint, "");
}

TEST_F(CourierDecisionTest, OfAUserAsksNobody) {
  Serve("action=521 5.7.1 no\n\n");
  const MessageDecision decision = Decide(kUsersControlFile);
  EXPECT_EQ(decision.reply, "200 Ok");
  EXPECT_EQ(decision.complaint, "");
  EXPECT_THAT(server_->requests(), IsEmpty());
}

TEST_F(CourierDecisionTest, PassesAndComplainsWhenBreakwaterIsAway) {
  const MessageDecision decision = Decide(kControlFile);
  EXPECT_EQ(decision.reply, "200 Ok");
  EXPECT_THAT(decision.complaint, HasSubstr("connecting: No such file"));
}

TEST_F(CourierDecisionTest, PassesWhenBreakwaterSaysSomethingOdd) {
  for (const char* answer :
       {"action=521\n\n", "action=HOLD\n\n", "x", "\n\n"}) {
    Serve(answer);
    const MessageDecision decision = Decide(kControlFile);
    EXPECT_EQ(decision.reply, "200 Ok") << answer;
    EXPECT_NE(decision.complaint, "") << answer;
    server_.reset();
    unlink((scratch_.path() + "/policy").c_str());
  }
}

TEST_F(CourierDecisionTest, PassesWhenCouriersFilesCannotBeRead) {
  Serve("action=521 5.7.1 no\n\n");
  const std::string there = scratch_.File("D1", "");
  for (const std::vector<std::string>& files : {std::vector<std::string>{},
                                                {there},
                                                {there, "/missing"},
                                                {there, scratch_.path()}}) {
    const MessageDecision decision = Decide(files);
    EXPECT_EQ(decision.reply, "200 Ok");
    EXPECT_NE(decision.complaint, "");
  }
  EXPECT_THAT(server_->requests(), IsEmpty());
}

TEST_F(CourierDecisionTest, NeedsNoHeader) {
  Serve("action=521 5.7.1 no\n\n");
  const std::string fifo = scratch_.path() + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const std::string control = scratch_.File("c1", kControlFile);
  EXPECT_EQ(Decide({"/missing", control}).reply, "521 5.7.1 no");
  EXPECT_EQ(Decide({fifo, control}).reply, "521 5.7.1 no");
}

TEST_F(CourierDecisionTest, TellsTheConnectionFromTheAskersEnvironment) {
  Serve("action=DUNNO\n\n");
  // A process with the environment of a submit.
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  asker_ = fork();
  if (asker_ == 0) {
    dup2(ends[0], 0);
    close(ends[0]);
    close(ends[1]);
    const char* const argv[] = {"cat", nullptr};
    const char* const environment[] = {
        "TCPREMOTEIP=::ffff:203.0.113.9", "TCPREMOTEPORT=54205",
        "TCPLOCALIP=::ffff:192.0.2.25", "TCPLOCALPORT=25", nullptr};
    execve("/bin/cat", const_cast<char**>(argv),
           const_cast<char**>(environment));
    _exit(1);
  }
  // Once it has become cat: the kernel shows the new environment last.
  const std::string environ = "/proc/" + std::to_string(asker_) + "/environ";
  std::string shown;
  while (shown.find("TCPLOCALPORT") == shown.npos) {
    std::this_thread::yield();
    std::ifstream file(environ);
    shown.assign(std::istreambuf_iterator<char>(file), {});
  }
  Decide(kControlFile);
  close(ends[0]);
  close(ends[1]);
  ASSERT_THAT(server_->requests(), SizeIs(1));
  EXPECT_THAT(server_->requests()[0],
              HasSubstr("client_port=54205\nserver_address=::ffff:192.0.2.25\n"
                        "server_port=25\n"));
}

}  // namespace
}  // namespace breakwater
