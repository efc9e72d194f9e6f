#include "contrib/courier/options.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace breakwater {
namespace {

bool Parse(std::vector<std::string> words, CourierOptions& options) {
  words.insert(words.begin(), "breakwater");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return ParseCourierOptions(static_cast<int>(words.size()), argv.data(),
                             options);
}

TEST(CourierOptions, NeedNoneAsCourierGivesNone) {
  CourierOptions options;
  ASSERT_TRUE(Parse({}, options));
  EXPECT_EQ(options.socket, "unix:/run/breakwater/courier/policy.sock");
  EXPECT_EQ(options.directory, "/var/lib/courier");
  EXPECT_EQ(options.patience, std::chrono::seconds(5));
}

TEST(CourierOptions, CanAllBeSaid) {
  CourierOptions options;
  ASSERT_TRUE(
      Parse({"-p", "inet:[::1]:10040", "-w", "7", "-d", "/tmp"}, options));
  EXPECT_EQ(options.socket, "inet:[::1]:10040");
  EXPECT_EQ(options.directory, "/tmp");
  EXPECT_EQ(options.patience, std::chrono::seconds(7));
}

TEST(CourierOptions, OfAnotherKindAreRefused) {
  const std::vector<std::vector<std::string>> wrong = {
      {"-x"},       {"-p"},         {"more"},     {"-w", "0"},
      {"-w", "5s"}, {"-w", "1000"}, {"-w", "-1"}, {"-w", ""}};
  for (const std::vector<std::string>& words : wrong) {
    CourierOptions options;
    EXPECT_FALSE(Parse(words, options)) << words.back();
  }
}

}  // namespace
}  // namespace breakwater
