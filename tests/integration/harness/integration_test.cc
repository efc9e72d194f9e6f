#include "tests/integration/harness/integration_test.h"

#include <optional>
#include <string>

#include "tests/integration/harness/mta_root.h"
#include "tests/integration/harness/temp_directory.h"

namespace breakwater::testing {

void IntegrationTest::SetUp() {
  if (std::optional<std::string> why = MtaRoot::WhyNot("postfix"))
    GTEST_SKIP() << *why;
  // Once is enough, and first: a mount under a stale directory may hold a
  // process of a stale namespace, and the other way round.
  static const bool clean = [] {
    RemoveStaleNamespaces();
    RemoveStaleDirectories();
    return true;
  }();
  static_cast<void>(clean);
  BREAKWATER_ASSERT_OK_AND_ASSIGN(network_, Network::Make());
}

}  // namespace breakwater::testing
