#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_INTEGRATION_TEST_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_INTEGRATION_TEST_H_

#include <memory>

#include "gtest/gtest.h"
#include "tests/integration/harness/network.h"

// absl's packaged version has no matchers for its Status.
#define BREAKWATER_ASSERT_OK(expression)                                    \
  do {                                                                      \
    auto&& result_ = (expression);                                          \
    ASSERT_TRUE(result_.ok())                                               \
        << #expression << ": " << ::breakwater::testing::StatusOf(result_); \
  } while (false)

// Declares or sets `variable` to what a StatusOr holds, or ends the test.
#define BREAKWATER_ASSERT_OK_AND_ASSIGN(variable, expression)                \
  BREAKWATER_ASSERT_OK_AND_ASSIGN_(BREAKWATER_CONCAT_(status_or_, __LINE__), \
                                   variable, expression)
#define BREAKWATER_ASSERT_OK_AND_ASSIGN_(result, variable, expression) \
  auto result = (expression);                                          \
  ASSERT_TRUE(result.ok()) << #expression << ": " << result.status();  \
  variable = *std::move(result)
#define BREAKWATER_CONCAT_(a, b) BREAKWATER_CONCAT__(a, b)
#define BREAKWATER_CONCAT__(a, b) a##b

namespace breakwater::testing {

inline const absl::Status& StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

// The base of tests on real parts: a network of its own for each test, and a
// reason to skip where that cannot be had.
class IntegrationTest : public ::testing::Test {
 protected:
  void SetUp() override;

  Namespace& mta() { return network_->mta(); }
  Namespace& world() { return network_->world(); }

  std::unique_ptr<Network> network_;
};

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_INTEGRATION_TEST_H_
