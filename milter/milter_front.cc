#include "milter/milter_front.h"

#include <libmilter/mfapi.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/ip/tcp.hpp"
#include "asio/local/stream_protocol.hpp"
#include "core/base/log.h"
#include "core/base/log_limit.h"
#include "core/base/text.h"
#include "core/judge/reply.h"
#include "core/net/listen_socket.h"
#include "core/net/socket_address.h"
#include "milter/doorbell.h"
#include "milter/libmilter_calls.h"
#include "milter/session.h"

namespace breakwater {
namespace {

// What a session of libmilter's may be silent. In the middle of a message the
// MTA has nothing to ask us, however slow the client is: longer than any MTA
// keeps a client. (libmilter's own default.)
constexpr int kSilenceSeconds = 7210;

// Lets callbacks in until it is closed, and knows when the last has left.
class Gate {
 public:
  bool Enter() {
    const std::lock_guard lock(mutex_);
    if (!closed_) ++inside_;
    return !closed_;
  }
  void Leave() {
    const std::lock_guard lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
  }
  void Close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  bool closed_ = false;  // guarded by mutex_
  int inside_ = 0;       // guarded by mutex_
};

// What the callbacks use. libmilter hands them nothing of ours, and its
// workers are never joined: it is made once and stays.
struct Engine {
  Screener& screener;
  Metrics& metrics;
  std::atomic<Duration> verdict_deadline;
  Doorbell doorbell;
  const size_t most_sessions;
  const Duration patience;
  Gate gate;
  LogLimit bad_input_lines{100, std::chrono::seconds(10)};
  LogLimit turned_away_lines{1, std::chrono::seconds(10)};
  std::atomic<uint64_t> turned_away = 0;
  std::atomic<Instant> last_turned_away{};
  std::atomic<Instant> last_asked{};  // the clock's beginning: never

  void BadInput(const std::string& peer, const char* fault);
  void TurnedAway(const std::string& peer);
};
std::atomic<Engine*> g_engine = nullptr;
// The session that this worker is about to close was told of.
thread_local bool t_was_told_of = false;

void Engine::BadInput(const std::string& peer, const char* fault) {
  metrics.BadInput("milter").Increment();
  const auto held_back = bad_input_lines.Admit();
  if (!held_back) return;
  Log line(Severity::kWarning, "bad-input");
  line.Add("front", "milter");
  if (!peer.empty()) line.Add("peer", peer);
  line.Add("error", fault).Add("held_back", *held_back);
}

void Engine::TurnedAway(const std::string& peer) {
  ++turned_away;
  last_turned_away = Clock::now();
  if (const auto held_back = turned_away_lines.Admit()) {
    Log(Severity::kWarning, "too-many-connections")
        .Add("front", "milter")
        .Add("peer", peer)
        .Add("most", most_sessions)
        .Add("held_back", *held_back);
  }
}

// Runs `work` with the engine, unless the front has been stopped.
template <typename Work>
sfsistat WithEngine(Work work) noexcept {
  Engine& engine = *g_engine;
  if (!engine.gate.Enter()) return SMFIS_CONTINUE;
  const sfsistat result = work(engine);
  engine.gate.Leave();
  return result;
}

Session* SessionOf(SMFICTX* context) {
  return static_cast<Session*>(smfi_getpriv(context));
}

Session* NewSession(Engine& engine) {
  return new Session(engine.screener, engine.verdict_deadline,
                     [&engine] { engine.doorbell.Ring(); });
}

// What we listen to, as far as it is offered: each round trip that is not
// needed is spared, and so are the answers to what is answered later.
unsigned long ProtocolFor(const Rules& rules) {
  const OffenceRules& offences = rules.offences;
  unsigned long protocol = SMFIP_NOEOH | SMFIP_NOBODY;
  protocol |= AreNamesOfInterest(rules) ? SMFIP_NR_HELO : SMFIP_NOHELO;
  protocol |= rules.conduct.headers.empty() ? SMFIP_NOHDRS : SMFIP_NR_HDR;
  if (!offences.IsOn(OffenceKind::kRejectedCommands))
    protocol |= SMFIP_NOUNKNOWN;
  if (offences.IsOn(OffenceKind::kTrap) ||
      offences.IsOn(OffenceKind::kUnknownRecipient) ||
      offences.IsOn(OffenceKind::kRelay) ||
      offences.IsOn(OffenceKind::kRejectedCommands)) {
    protocol |= SMFIP_RCPT_REJ;
  }
  return protocol;
}

const char* Macro(SMFICTX* context, const char* name) {
  return smfi_getsymval(context, const_cast<char*>(name));
}

std::string_view Text(const char* macro) {
  return macro == nullptr ? "" : macro;
}

bool HasMacro(SMFICTX* context, const char* name) {
  const char* value = Macro(context, name);
  return value != nullptr && *value != '\0';
}

sfsistat Answer(SMFICTX* context, const std::optional<Verdict>& refusal) {
  if (!refusal) return SMFIS_CONTINUE;
  SmtpReply reply = SafeReply(*refusal);
  std::string code = absl::StrCat(reply.code);
  // The MTA takes the text as a format.
  std::string text;
  for (const char c : reply.text) text.append(c == '%' ? 2 : 1, c);
  if (smfi_setreply(context, code.data(), reply.enhanced_code.data(),
                    text.data()) != MI_SUCCESS) {
    // The client is refused with the MTA's own words.
    Log(Severity::kError, "milter-reply").Add("text", text);
  }
  return reply.code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

// ---- The callbacks ---------------------------------------------------------

sfsistat OnNegotiate(SMFICTX* context, unsigned long actions,
                     unsigned long protocol, unsigned long, unsigned long,
                     unsigned long* wanted_actions,
                     unsigned long* wanted_protocol, unsigned long* wanted_2,
                     unsigned long* wanted_3) noexcept {
  // A reply to connect is always given: Postfix holds a connect that needs none
  // back until MAIL, and the lists would be asked only then.
  *wanted_protocol = protocol & ProtocolFor(*g_engine.load()->screener.rules());
  *wanted_actions = actions & SMFIF_SETSYMLIST;
  *wanted_2 = *wanted_3 = 0;
  if (*wanted_actions != 0) {
    std::string connect =
        "v {daemon_addr} {daemon_port} {if_addr} {client_ptr} "
        "{client_resolve}";
    std::string mail = "{auth_authen} {auth_type}";
    std::string recipient = "{rcpt_mailer} {rcpt_host} {rcpt_addr}";
    smfi_setsymlist(context, SMFIM_CONNECT, connect.data());
    smfi_setsymlist(context, SMFIM_ENVFROM, mail.data());
    smfi_setsymlist(context, SMFIM_ENVRCPT, recipient.data());
  }
  return WithEngine([&](Engine& engine) -> sfsistat {
    if (SessionOf(context) == nullptr) {
      smfi_setpriv(context, NewSession(engine));
    }
    return SMFIS_CONTINUE;
  });
}

sfsistat OnConnect(SMFICTX* context, char*, sockaddr* address) noexcept {
  return WithEngine([&](Engine& engine) -> sfsistat {
    // An MTA may use one milter connection for several clients (QUIT_NC).
    if (SessionOf(context) == nullptr) {
      smfi_setpriv(context, NewSession(engine));
    }
    engine.last_asked = Clock::now();
    SessionOf(context)->Connect(
        ClientOf(address,
                 {.daemon_addr = Macro(context, "{daemon_addr}"),
                  .daemon_port = Macro(context, "{daemon_port}"),
                  .if_addr = Macro(context, "{if_addr}"),
                  .client_ptr = Macro(context, "{client_ptr}"),
                  .client_resolve = Macro(context, "{client_resolve}")}),
        Text(Macro(context, "v")).starts_with("Postfix"));
    return SMFIS_CONTINUE;
  });
}

// Runs `work` with the callback's session, and answers with what comes of it.
template <typename Work>
sfsistat WithSession(SMFICTX* context, Work work) noexcept {
  return WithEngine([&](Engine&) -> sfsistat {
    Session* session = SessionOf(context);
    if (session == nullptr) return SMFIS_CONTINUE;
    return Answer(context, work(*session));
  });
}

// The first argument of a command, empty if it has none.
std::string_view First(char** arguments) {
  return arguments == nullptr || arguments[0] == nullptr ? "" : arguments[0];
}

sfsistat OnHelo(SMFICTX* context, char* name) noexcept {
  WithSession(context, [&](Session& session) {
    session.Helo(Text(name));
    return std::optional<Verdict>();
  });
  return SMFIS_NOREPLY;
}

sfsistat OnMail(SMFICTX* context, char** arguments) noexcept {
  return WithSession(context, [&](Session& session) {
    return session.Mail(First(arguments), HasMacro(context, "{auth_authen}") ||
                                              HasMacro(context, "{auth_type}"));
  });
}

sfsistat OnRecipient(SMFICTX* context, char** arguments) noexcept {
  return WithSession(context, [&](Session& session) {
    // Only with SMFIP_RCPT_REJ are we told of those.
    if (Text(Macro(context, "{rcpt_mailer}")) != "error") {
      return session.Recipient(First(arguments));
    }
    session.RecipientRejected(First(arguments),
                              Text(Macro(context, "{rcpt_host}")),
                              Text(Macro(context, "{rcpt_addr}")));
    return std::optional<Verdict>();
  });
}

sfsistat OnUnknown(SMFICTX* context, const char* command) noexcept {
  return WithSession(context, [&](Session& session) {
    return session.Unknown(Text(command));
  });
}

sfsistat OnData(SMFICTX* context) noexcept {
  return WithSession(context, [](Session& session) { return session.Data(); });
}

sfsistat OnHeader(SMFICTX* context, char* name, char* value) noexcept {
  WithSession(context, [&](Session& session) {
    session.Header(Text(name), Text(value));
    return std::optional<Verdict>();
  });
  return SMFIS_NOREPLY;
}

sfsistat OnEndOfMessage(SMFICTX* context) noexcept {
  return WithSession(context,
                     [](Session& session) { return session.EndOfMessage(); });
}

// Called for everybody who connects to our socket, whatever they sent.
sfsistat OnClose(SMFICTX* context) noexcept {
  // Once the front has stopped, what is left of a session is left alone.
  return WithEngine([&](Engine& engine) -> sfsistat {
    const std::unique_ptr<Session> session(SessionOf(context));
    smfi_setpriv(context, nullptr);
    if (std::exchange(t_was_told_of, false) || session ||
        engine.doorbell.TakeRing()) {
      return SMFIS_CONTINUE;
    }
    engine.BadInput("", "the peer left before it had negotiated");
    return SMFIS_CONTINUE;
  });
}

bool Register() {
  static char name[] = "breakwater";
  smfiDesc description{};
  description.xxfi_name = name;
  description.xxfi_version = SMFI_VERSION;
  description.xxfi_connect = OnConnect;
  description.xxfi_envfrom = OnMail;
  description.xxfi_envrcpt = OnRecipient;
  description.xxfi_data = OnData;
  description.xxfi_helo = OnHelo;
  description.xxfi_unknown = OnUnknown;
  description.xxfi_header = OnHeader;
  description.xxfi_eom = OnEndOfMessage;
  description.xxfi_close = OnClose;
  description.xxfi_negotiate = OnNegotiate;
  return smfi_register(description) == MI_SUCCESS;
}

// In libmilter's words. The brackets keep it from asking the resolver.
std::string Spec(const SocketAddress& address) {
  if (!address.path.empty()) return absl::StrCat("unix:", address.path);
  const auto& [ip, port] = address.endpoint;
  return absl::StrCat(ip.IsV4() ? "inet:" : "inet6:", port, "@[", ip.ToString(),
                      "]");
}

Doorbell::Endpoint BellOf(const SocketAddress& address) {
  if (!address.path.empty()) {
    return asio::local::stream_protocol::endpoint(address.path);
  }
  const auto& [ip, port] = address.endpoint;
  // Of "any" the system makes loopback.
  return asio::ip::tcp::endpoint(asio::ip::make_address(ip.ToString()), port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MilterFront>> MilterFront::Open(
    Screener& screener, Metrics& metrics, const MilterOptions& options) {
  if (g_engine != nullptr) {
    return absl::FailedPreconditionError(
        "libmilter can serve one socket in a process");
  }
  const std::optional<SocketAddress> address =
      ParseMilterSocket(options.socket);
  if (!address) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", Escaped(options.socket),
                     "\" is not a milter's socket; write \"unix:/path\", "
                     "\"inet:PORT@ADDRESS\" or \"inet6:PORT@ADDRESS\""));
  }
  if (!address->path.empty()) {
    const absl::Status cleared = ClearSocketPath(address->path);
    if (!cleared.ok()) return cleared;
  }
  std::string spec = Spec(*address);
  // libmilter explains itself only to syslog, but leaves errno.
  errno = 0;
  if (!Register() || smfi_setconn(spec.data()) != MI_SUCCESS ||
      smfi_settimeout(kSilenceSeconds) != MI_SUCCESS ||
      smfi_opensocket(false) != MI_SUCCESS) {
    return absl::ErrnoToStatus(
        errno == 0 ? EINVAL : errno,
        absl::StrCat("libmilter cannot listen on ", options.socket));
  }
  if (!address->path.empty()) {
    const absl::Status set = SetSocketAccess(address->path, options.group,
                                             options.mode, options.owner);
    if (!set.ok()) return set;
  }
  g_engine = new Engine{.screener = screener,
                        .metrics = metrics,
                        .verdict_deadline = options.verdict_deadline,
                        .doorbell = Doorbell(BellOf(*address)),
                        .most_sessions = options.most_sessions,
                        .patience = options.patience};
  return std::unique_ptr<MilterFront>(new MilterFront());
}

DoorLoad MilterFront::load() const {
  const Engine& engine = *g_engine;
  const Instant asked = engine.last_asked;
  return {.front = "milter",
          .connections = LibmilterSessions(),
          .most = engine.most_sessions,
          .turned_away = engine.turned_away,
          .last_turned_away = engine.last_turned_away,
          .last_asked = asked == Instant() ? std::nullopt
                                           : std::optional<Instant>(asked)};
}

void MilterFront::SetVerdictDeadline(Duration deadline) {
  g_engine.load()->verdict_deadline = deadline;
}

MilterFront::~MilterFront() { Stop(); }

void MilterFront::Start(std::function<void()> ended) {
  thread_ = std::thread([this, ended = std::move(ended)] {
    // All of libmilter's threads inherit this: signals are the main thread's.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    Engine* engine = g_engine;
    TameLibmilter(
        {.most_sessions = engine->most_sessions,
         .patience = engine->patience,
         .bad_input =
             [engine](const std::string& peer, const char* fault) {
               t_was_told_of = true;
               engine->BadInput(peer, fault);
             },
         .about_to_wait = [engine] { engine->doorbell.Ring(); },
         .turned_away =
             [engine](const std::string& peer) { engine->TurnedAway(peer); }});
    smfi_main();
    has_left_ = true;
    if (!engine->gate.Enter()) return;  // by Stop
    engine->gate.Leave();
    ended();
  });
}

void MilterFront::Stop() {
  if (!thread_.joinable()) return;
  Engine& engine = *g_engine;
  engine.gate.Close();
  // smfi_stop waits for the listener, which looks up every five seconds, or
  // when somebody connects.
  std::thread stopper([] { smfi_stop(); });
  while (!has_left_) {
    engine.doorbell.Ring();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stopper.join();
  thread_.join();
}

}  // namespace breakwater
