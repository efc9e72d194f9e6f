#pragma once

#include <ares.h>

#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "core/dns/dns_answer.h"
#include "core/rules/dns_options.h"

namespace breakwater {

// The one owner of an ares_channel: asks one DNS server, with its sockets
// watched by the loop. One server each, because with ARES_FLAG_NOCHECKRESP
// (without which SERVFAIL and REFUSED look like a dead server) c-ares asks no
// other one. Loop thread only.
class DnsChannel {
 public:
  using Done = absl::AnyInvocable<void(DnsAnswer)>;

  static absl::StatusOr<std::unique_ptr<DnsChannel>> Make(
      asio::io_context& loop, const DnsServer& server, Duration timeout,
      int tries);
  // Ends what is in flight with kCancelled.
  ~DnsChannel();
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  // `done` is called once, possibly before this returns.
  void Query(const std::string& name, DnsType type, Done done);

  // Ends what has waited long enough. To be called every few milliseconds
  // while questions are in flight: ares_timeout, which would say when, walks
  // all of them each time.
  void Tick();

 private:
  struct Question;
  struct Socket;

  explicit DnsChannel(asio::io_context& loop);
  static void OnAnswer(void* question, int status, int timeouts,
                       unsigned char* message, int length) noexcept;
  static void OnSocketState(void* self, ares_socket_t socket, int readable,
                            int writable) noexcept;
  void SetSocketState(ares_socket_t socket, bool readable, bool writable);
  void Watch(const std::shared_ptr<Socket>& socket);

  asio::io_context& loop_;
  ares_channel channel_ = nullptr;
  absl::flat_hash_map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
};

}  // namespace breakwater
