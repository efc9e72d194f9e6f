#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "core/base/log.h"
#include "core/base/log_limit.h"

namespace breakwater {

// What the kernel refused: counted, and told to the log at a bearable pace.
class KernelErrors {
 public:
  void Report(const absl::Status& status) {
    ++count_;
    if (const auto held_back = limit_.Admit()) {
      Log(Severity::kError, "kernel-error")
          .Add("why", std::string(status.message()))
          .Add("held_back", *held_back);
    }
  }
  uint64_t count() const { return count_; }

 private:
  uint64_t count_ = 0;
  LogLimit limit_{10, std::chrono::seconds(10)};
};

}  // namespace breakwater
