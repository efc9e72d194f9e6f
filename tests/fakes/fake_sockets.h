#pragma once

#include <optional>

#include "core/ports/sockets.h"

namespace breakwater {

// Says of every connection what the test wants it to say.
class FakeSockets : public Sockets {
 public:
  std::optional<uint64_t> Find(const Connection&) override {
    ++looks;
    return answer;
  }
  std::optional<uint64_t> answer = 77;
  int looks = 0;
};

}  // namespace breakwater
