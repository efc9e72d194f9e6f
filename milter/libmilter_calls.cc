#include "milter/libmilter_calls.h"

#include <dlfcn.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

#include "core/base/log.h"
#include "core/base/log_limit.h"
#include "core/net/peer_name.h"
#include "milter/peers.h"

namespace breakwater {
namespace {

constexpr auto kAcceptPause = std::chrono::milliseconds(100);
// An MTA speaks first, and at once.
constexpr Duration kSilence = std::chrono::seconds(1);
// Beyond the most, by silent ones that are about to be closed.
constexpr size_t kClosing = 16;

thread_local bool t_is_listener = false;

struct Door {
  LibmilterBounds bounds;
  MilterPeers peers;
};
// Made once, before there is a peer, and never destroyed: libmilter's workers
// are not joined.
std::atomic<Door*> g_door = nullptr;

MilterPeer* FindPeer(int fd) {
  const Door* door = g_door.load(std::memory_order_acquire);
  return door == nullptr ? nullptr : door->peers.Find(fd);
}

// Not inlined, not const: glibc declares what poll() is given as written only,
// and the compiler warns of a look at it.
[[gnu::noinline]] MilterPeer* FindPeerOf(pollfd* waits, nfds_t count) {
  return count == 1 ? FindPeer(waits->fd) : nullptr;
}

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// What is called instead of ours, and by ours.
struct CLibrary {
  decltype(::accept)* accept = Next<decltype(::accept)>("accept");
  decltype(::read)* read = Next<decltype(::read)>("read");
  decltype(::poll)* poll = Next<decltype(::poll)>("poll");
  decltype(::close)* close = Next<decltype(::close)>("close");
};

const CLibrary& Real() {
  static const CLibrary found;
  return found;
}

// Looked up before main: dlsym() takes locks and memory, and close() is called
// where neither may be, between fork and exec and by a sanitizer's report.
[[maybe_unused]] const CLibrary& g_found_early = Real();

// ---- Connections that begin ------------------------------------------------

void PauseAfter(int error) {
  static LogLimit lines{1, std::chrono::seconds(10)};
  if (const auto held_back = lines.Admit()) {
    Log(Severity::kError, "accept-failed")
        .Add("front", "milter")
        .Add("error", std::strerror(error))
        .Add("held_back", *held_back);
  }
  std::this_thread::sleep_for(kAcceptPause);
}

// The address's bytes, without the port.
std::string_view AddressIn(const sockaddr_storage& one) {
  if (one.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(one);
    return {reinterpret_cast<const char*>(&v4.sin_addr), sizeof v4.sin_addr};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(one);
  return {reinterpret_cast<const char*>(&v6.sin6_addr), sizeof v6.sin6_addr};
}

bool IsFromOwnAddress(int fd, const sockaddr_storage& peer) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
         own.ss_family == peer.ss_family && AddressIn(own) == AddressIn(peer);
}

// Over TCP nobody says which process it is. A ring comes from the address to
// which it goes, and has ended by the time that it is looked at, or almost; who
// has ended costs nothing, whoever it is.
bool IsLikeARing(int fd, const sockaddr_storage& peer) {
  constexpr int kMoment = 10;  // ms
  if (!IsFromOwnAddress(fd, peer)) return false;
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  char byte = 0;
  return poll(&wanted, 1, kMoment) == 1 &&
         recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

// Our own doorbell must be heard however many there are.
bool IsOurselves(int fd, const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET || peer.ss_family == AF_INET6) {
    return IsLikeARing(fd, peer);
  }
  ucred who{};
  socklen_t size = sizeof who;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
         who.pid == getpid();
}

// Where there are too many, one that has not said a word makes room.
bool HasRoom(int fd, const sockaddr_storage& peer) {
  Door& door = *g_door;
  const size_t most = door.bounds.most_sessions;
  const size_t open = door.peers.size();
  if (open < most || IsOurselves(fd, peer)) return true;
  return open - most < kClosing && door.peers.EndSilent(kSilence);
}

int AcceptAsPeer(int fd, sockaddr* address, socklen_t* length) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const auto as_address = reinterpret_cast<sockaddr*>(&peer);
  const int accepted = Real().accept(fd, as_address, &size);
  if (accepted < 0) {
    const int error = errno;
    if (error != EINTR && error != EAGAIN && error != ECONNABORTED) {
      PauseAfter(error);
    }
    // Which libmilter tries again after for ever.
    errno = ECONNABORTED;
    return -1;
  }
  Door& door = *g_door;
  if (!HasRoom(accepted, peer) || !door.peers.Add(accepted, as_address, size)) {
    door.bounds.turned_away(PeerName(accepted, as_address));
    close(accepted);
    errno = ECONNABORTED;
    return -1;
  }
  std::memcpy(address, &peer, std::min(*length, size));
  *length = size;
  return accepted;
}

// ---- What they send --------------------------------------------------------

void End(int fd, MilterPeer& peer, const char* fault) {
  if (std::exchange(peer.ended, true)) return;
  g_door.load()->bounds.bad_input(peer.Name(fd), fault);
}

// As read; the end of the connection where libmilter must read no further, and
// where reading fails: of that it would tell syslog, each time.
ssize_t ReadChecked(int fd, MilterPeer& peer, char* to, size_t count) {
  if (peer.ended) return 0;
  const ssize_t got =
      Real().read(fd, to, std::min(count, peer.frames.Wanted()));
  const bool was_inside = peer.frames.IsInFrame();
  if (got <= 0) {
    if (was_inside) End(fd, peer, "the connection ended within a frame");
    return 0;
  }
  const bool had_negotiated = peer.frames.HasNegotiated();
  const char* fault = peer.frames.Take(to, static_cast<size_t>(got));
  if (fault != nullptr) {
    End(fd, peer, fault);
    return 0;
  }
  if (!was_inside) peer.frame_began = Clock::now();
  if (!had_negotiated && peer.frames.HasNegotiated()) {
    g_door.load()->peers.HasSpoken(peer);
  }
  return got;
}

int PollChecked(pollfd& wait, MilterPeer& peer, int timeout) {
  const auto next = Real().poll;
  const bool writes = (wait.events & POLLOUT) != 0;
  if (!writes && !peer.frames.IsInFrame()) return next(&wait, 1, timeout);
  // Nearly always it is there, all of it.
  const int at_once = next(&wait, 1, 0);
  if (at_once != 0 || timeout == 0) return at_once;
  g_door.load()->bounds.about_to_wait();
  const Instant end = (writes ? Clock::now() : peer.frame_began) +
                      g_door.load()->bounds.patience;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      std::max(end - Clock::now(), Instant::duration(0)));
  if (timeout >= 0 && timeout <= left.count()) return next(&wait, 1, timeout);
  const int ready = next(&wait, 1, static_cast<int>(left.count()));
  if (ready == 0) {
    End(wait.fd, peer,
        writes ? "an answer not taken for too long"
               : "a frame half sent for too long");
  }
  return ready;
}

}  // namespace

void TameLibmilter(LibmilterBounds bounds) {
  g_door = new Door{.bounds = std::move(bounds), .peers = {}};
  t_is_listener = true;
}

size_t LibmilterSessions() {
  const Door* door = g_door;
  return door == nullptr ? 0 : door->peers.size();
}

}  // namespace breakwater

// Seen by the dynamic linker whatever the default of the build is.
#define BREAKWATER_SEEN extern "C" [[gnu::visibility("default")]]

BREAKWATER_SEEN int accept(int fd, sockaddr* address, socklen_t* length) {
  return breakwater::t_is_listener
             ? breakwater::AcceptAsPeer(fd, address, length)
             : breakwater::Real().accept(fd, address, length);
}

BREAKWATER_SEEN ssize_t read(int fd, void* to, size_t count) {
  breakwater::MilterPeer* peer = breakwater::FindPeer(fd);
  if (peer == nullptr) return breakwater::Real().read(fd, to, count);
  return breakwater::ReadChecked(fd, *peer, static_cast<char*>(to), count);
}

BREAKWATER_SEEN int poll(pollfd* waits, nfds_t count, int timeout) {
  breakwater::MilterPeer* peer = breakwater::FindPeerOf(waits, count);
  if (peer == nullptr) return breakwater::Real().poll(waits, count, timeout);
  return breakwater::PollChecked(*waits, *peer, timeout);
}

BREAKWATER_SEEN int close(int fd) {
  if (breakwater::FindPeer(fd) != nullptr) {
    breakwater::g_door.load()->peers.Remove(fd);
  }
  return breakwater::Real().close(fd);
}

// Nobody else calls it. The thread has these signals blocked, as all threads
// of libmilter's have.
BREAKWATER_SEEN int sigwait(const sigset_t*, int*) {
  for (;;) pause();
}
