// breakwater-courierfilter: a filter for Courier, which asks Breakwater about
// each message once it is complete, and before Courier takes it.

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "contrib/courier/decision.h"
#include "contrib/courier/filter_socket.h"
#include "contrib/courier/log.h"
#include "contrib/courier/options.h"
#include "contrib/courier/supervise.h"

namespace breakwater {
namespace {

// As filterctl(8) knows it.
constexpr char kName[] = "breakwater";
// Messages at a time; more wait in the socket's queue.
constexpr int kThreads = 64;
// Of courierfilter(8): closed when the filter is ready.
constexpr int kReady = 3;

// Until Courier ends us, by hanging up on standard input, or somebody else.
void WaitForTheEnd() {
  const int signals = signalfd(-1, &EndSignals(), SFD_CLOEXEC);
  for (;;) {
    pollfd fds[] = {{STDIN_FILENO, 0, 0}, {signals, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if ((fds[0].revents & (POLLHUP | POLLERR)) != 0) return;
    if (fds[1].revents != 0) return;
  }
}

std::string Answer(const FilterRequest& request,
                   const CourierOptions& options) {
  const MessageDecision decision = DecideMessage(request, options);
  if (!decision.complaint.empty()) {
    LogNowAndThen("mail passes unasked: " + decision.complaint);
  }
  return decision.reply;
}

int ServeMessages(FilterSocket& socket, const CourierOptions& options) {
  std::vector<std::jthread> threads;  // joined at the end
  try {
    while (threads.size() < kThreads) {
      threads.emplace_back([&socket, &options] {
        socket.Serve([&options](const FilterRequest& request) {
          return Answer(request, options);
        });
      });
    }
  } catch (const std::system_error&) {
    // With a few it works too.
    if (threads.empty()) return 1;
  }
  WaitForTheEnd();
  socket.Withdraw();
  return 0;
}

int Main(int argc, char** argv) {
  CourierOptions options;
  if (!ParseCourierOptions(argc, argv, options)) {
    Log(kCourierUsage);
    return 2;
  }
  BlockEndSignals();
  std::signal(SIGPIPE, SIG_IGN);
  FilterSocket socket(options.directory, kName);
  if (!socket.Open()) {
    Log("making the socket of the filter " + std::string(kName) + " in " +
        options.directory + ": " + std::strerror(errno));
    return 1;
  }
  close(kReady);
  Supervise([&] { return ServeMessages(socket, options); });
  // For a child that could not.
  socket.Withdraw();
  return 0;
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) { return breakwater::Main(argc, argv); }
