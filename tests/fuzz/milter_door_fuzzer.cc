// The milter's door whole, libmilter included: each input is what one peer
// sends over the socket, after which it listens until the door closes.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/rules/trap_list.h"
#include "milter/milter_front.h"
#include "tests/fakes/fake_world.h"
#include "tests/fakes/milter_client.h"
#include "tests/fuzz/fuzz.h"

namespace breakwater {
namespace {

// All callbacks are wanted.
Rules AllOffences() {
  Rules rules = FakeWorld::DefaultRules();
  for (size_t i = 0; i < kOffenceKinds; ++i) {
    const auto kind = static_cast<OffenceKind>(i);
    rules.offences[kind] = DefaultRule(kind);
    rules.offences[kind].mode = OffenceMode::kObserve;
  }
  rules.conduct.own_names = {"mail.example.org"};
  rules.conduct.traps =
      std::make_shared<const TrapList>(*TrapList::Parse({"trap@mail.test"}));
  rules.conduct.headers = {{.name = "X-Spam-Flag", .value = "YES"}};
  return rules;
}

std::string StartDoor() {
  SetLeastSeverity(Severity::kError);
  std::string path = absl::StrCat("/tmp/breakwater-milter-door-", getpid());
  static auto& world = *new FakeWorld(AllOffences());
  static auto& front = *new std::unique_ptr<MilterFront>(
      MilterFront::Open(world.screener, world.metrics,
                        {.socket = "unix:" + path,
                         .verdict_deadline = std::chrono::milliseconds(500)})
          .value());
  front->Start([] { std::abort(); });
  return path;
}

}  // namespace
}  // namespace breakwater

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace breakwater;
  static const std::string& path = *new std::string(StartDoor());
  MilterClient peer(path);
  Require(peer.fd() >= 0, "the door is open");
  // It may close, or its answers fill the socket, before all is sent.
  send(peer.fd(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown(peer.fd(), SHUT_WR);
  char answers[4096];
  pollfd wait{.fd = peer.fd(), .events = POLLIN, .revents = 0};
  do {
    Require(poll(&wait, 1, 10'000) == 1, "the door answers or closes");
  } while (recv(peer.fd(), answers, sizeof answers, 0) > 0);
  return 0;
}
