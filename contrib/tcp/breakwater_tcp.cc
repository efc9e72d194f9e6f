// breakwater-tcp: stands before an SMTP server that is started for each
// connection (tcpserver, couriertcpd), as rblsmtpd does, and asks Breakwater
// whether the client may come in. Opens no DNS, holds no state.

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include "contrib/adapter/policy_client.h"
#include "contrib/tcp/decision.h"
#include "contrib/tcp/options.h"
#include "contrib/tcp/refusal.h"

namespace breakwater {
namespace {

// rblsmtpd's.
constexpr int kWrongUsage = 100;
constexpr int kTemporary = 111;

// One write, so that lines of several processes do not mix. A log that is full
// or gone costs the line, not the mail.
void Say(const std::string& line) {
  pollfd log{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&log, 1, 0) <= 0) return;
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  (void)!write(STDERR_FILENO, line.data(), line.size());
  std::signal(SIGPIPE, before);
}

// In rblsmtpd's form: "breakwater-tcp: 192.0.2.5 pid 4711: ".
std::string Prefix(const TcpEnvironment& environment) {
  const std::string& ip = environment.remote_ip;
  return "breakwater-tcp: " + (ip.empty() ? "unknown" : ip) + " pid " +
         std::to_string(getpid()) + ": ";
}

TcpDecision Decide(const TcpOptions& options,
                   const TcpEnvironment& environment) {
  const TcpDecision decision = DecideByEnvironment(options, environment);
  if (decision.step != TcpStep::kAsk) return decision;
  return DecideByAnswer(options,
                        AskPolicyServer(options.socket, environment.Question(),
                                        options.patience));
}

void Refuse(const TcpOptions& options, const TcpDecision& decision) {
  if (decision.may_speak && options.dialogue.count() > 0) {
    SayInDialogue(STDIN_FILENO, STDOUT_FILENO, decision.reply,
                  options.dialogue);
  } else {
    SayAsBanner(STDIN_FILENO, STDOUT_FILENO, decision.reply);
  }
}

int Main(int argc, char** argv) {
  TcpOptions options;
  if (!ParseTcpOptions(argc, argv, options)) {
    Say(kTcpUsage);
    return kWrongUsage;
  }
  const TcpEnvironment environment = TcpEnvironment::Read();
  if (options.lookups_named) {
    Say("breakwater-tcp: -a, -c, -C and -r are ignored: breakwaterd knows "
        "which lists to ask\n");
  }
  const TcpDecision decision = Decide(options, environment);
  if (decision.step == TcpStep::kRefuse) {
    Say(Prefix(environment) + decision.reply + "\n");
    Refuse(options, decision);
    return 0;
  }
  if (!decision.complaint.empty()) {
    Say(Prefix(environment) + "passes unasked: " + decision.complaint + "\n");
  }
  // The program finds descriptors, environment and signals as we did.
  execvp(options.program[0], options.program);
  Say(std::string("breakwater-tcp: fatal: unable to run ") +
      options.program[0] + ": " + std::strerror(errno) + "\n");
  return kTemporary;
}

}  // namespace
}  // namespace breakwater

int main(int argc, char** argv) { return breakwater::Main(argc, argv); }
