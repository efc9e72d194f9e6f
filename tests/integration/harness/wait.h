#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_WAIT_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_WAIT_H_

#include <chrono>
#include <thread>

namespace breakwater::testing {

// Looks until `done` says true or the time is over; says which it was. Other
// processes tell us nothing when they get somewhere, so the tests look often,
// rather than sleep for as long as the slowest machine may need.
template <typename Done>
bool WaitUntil(Done done,
               std::chrono::milliseconds patience = std::chrono::seconds(10),
               std::chrono::milliseconds pause = std::chrono::milliseconds(5)) {
  auto end = std::chrono::steady_clock::now() + patience;
  while (!done()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_WAIT_H_
