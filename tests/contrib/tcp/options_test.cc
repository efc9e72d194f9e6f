#include "contrib/tcp/options.h"

#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace breakwater {
namespace {

using std::chrono::seconds;

// Keeps what the options point to.
class Line {
 public:
  explicit Line(std::vector<std::string> words) : words_(std::move(words)) {
    words_.insert(words_.begin(), "breakwater-tcp");
    for (std::string& word : words_) argv_.push_back(word.data());
    argv_.push_back(nullptr);
  }
  std::optional<TcpOptions> Parse() {
    TcpOptions options;
    const int argc = static_cast<int>(words_.size());
    if (!ParseTcpOptions(argc, argv_.data(), options)) return std::nullopt;
    return options;
  }

 private:
  std::vector<std::string> words_;
  std::vector<char*> argv_;
};

TEST(TcpOptionsTest, AProgramIsEnough) {
  Line line({"qmail-smtpd"});
  const std::optional<TcpOptions> options = line.Parse();
  ASSERT_TRUE(options);
  EXPECT_EQ(options->socket, "unix:/run/breakwater/policy.sock");
  EXPECT_EQ(options->patience, seconds(5));
  EXPECT_EQ(options->dialogue, seconds(0));
  EXPECT_FALSE(options->temporary);
  EXPECT_FALSE(options->ask_about_all);
  EXPECT_FALSE(options->lookups_named);
  EXPECT_STREQ(options->program[0], "qmail-smtpd");
}

TEST(TcpOptionsTest, TheProgramsOwnOptionsAreItsOwn) {
  Line line({"-B", "sh", "-c", "-A"});
  const std::optional<TcpOptions> options = line.Parse();
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->temporary);
  EXPECT_FALSE(options->ask_about_all);
  EXPECT_FALSE(options->lookups_named);
  EXPECT_STREQ(options->program[1], "-c");
}

TEST(TcpOptionsTest, RblsmtpdsLineIsTaken) {
  Line line({"-b", "-c", "-C", "-t60", "-r", "zen.example:text", "-aok.example",
             "qmail-smtpd"});
  const std::optional<TcpOptions> options = line.Parse();
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->lookups_named);
  EXPECT_EQ(options->dialogue, seconds(60));
  EXPECT_STREQ(options->program[0], "qmail-smtpd");
}

TEST(TcpOptionsTest, OurOwnAreTaken) {
  Line line({"-A", "-p", "inet:127.0.0.1:10040", "-w2", "smtpd"});
  const std::optional<TcpOptions> options = line.Parse();
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->ask_about_all);
  EXPECT_EQ(options->socket, "inet:127.0.0.1:10040");
  EXPECT_EQ(options->patience, seconds(2));
}

TEST(TcpOptionsTest, TheLastOfTwoCounts) {
  EXPECT_FALSE(Line({"-B", "-b", "x"}).Parse()->temporary);
  EXPECT_TRUE(Line({"-b", "-B", "x"}).Parse()->temporary);
}

TEST(TcpOptionsTest, WrongUsageIsRefused) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"-b"},
                                             {"-x", "smtpd"},
                                             {"-t"},
                                             {"-t", "smtpd"},
                                             {"-t", "1m", "smtpd"},
                                             {"-t", "-1", "smtpd"},
                                             {"-t", "86401", "smtpd"},
                                             {"-w", "0", "smtpd"},
                                             {"-p"},
                                             {"--help"}}) {
    EXPECT_FALSE(Line(words).Parse()) << ::testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace breakwater
