#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "core/dns/dns_answer.h"
#include "core/rules/dns_options.h"

namespace breakwater {

// Asks DNS servers, with c-ares on the loop. Loop thread only.
//
// With several servers a question that one of them leaves unanswered, cannot
// answer or answers with what no list says (an address outside 127.0.0.0/8, an
// error code) goes to the next, and the one that answered last is asked first
// from then on. (Health of servers that comes back by itself would go there,
// too. A resolver on loopback is the supported way, and it does this better.)
class Resolver {
 public:
  using Done = absl::AnyInvocable<void(DnsAnswer)>;

  // Fails only for options that no server can be asked with.
  static absl::StatusOr<std::unique_ptr<Resolver>> Make(
      asio::io_context& loop, const ResolverOptions& options);
  // Questions in flight end with kCancelled.
  virtual ~Resolver() = default;

  // `done` is called exactly once, never from within this call.
  virtual void Query(const std::string& name, DnsType type, Done done) = 0;
  virtual size_t in_flight() const = 0;
};

}  // namespace breakwater
