#pragma once

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/types/client.h"

namespace breakwater {

// Makes bans take effect somewhere: in production, in the kernel, by way of
// the program that may talk to it. Orders are queued and take effect in their
// order; none of these calls waits. Loop thread only.
class Enforcer {
 public:
  virtual ~Enforcer() = default;

  // Keeps `network` out for `length` from now (never shortens what is in
  // force: the caller sends the later end), then closes its open sessions on
  // the ban's ports, except those spared or being ended after a reply.
  virtual void Ban(const Network& network, Duration length) = 0;
  virtual void Unban(const Network& network) = 0;

  // Closes the session once the client has acknowledged the reply that it was
  // just given, at the latest a second from now. An MTA that closes by itself
  // is left to do so.
  virtual void EndAfterReply(const Connection& connection) = 0;
  // Closes the session now.
  virtual void Destroy(const Connection& connection) = 0;

  // The session belongs to an authenticated user; Forget when it is over.
  virtual void Spare(const Connection& connection) = 0;
  virtual void Forget(const Connection& connection) = 0;
};

}  // namespace breakwater
