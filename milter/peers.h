#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "milter/frame.h"

namespace breakwater {

// One connection that libmilter serves. Its worker's, one at a time.
struct MilterPeer {
  FrameReader frames;
  sockaddr_in6 address{};  // or a sockaddr_in, or only its family
  Instant frame_began{};   // where the rest of one is owed
  bool ended = false;      // libmilter is told that it has

  std::string Name(int fd) const;

 private:
  friend class MilterPeers;
  Instant accepted_{};
  std::optional<std::list<int>::iterator> silent_;  // by MilterPeers::mutex_
};

// libmilter's connections by their descriptors. To find one takes no lock: each
// read of the process asks. Any thread.
class MilterPeers {
 public:
  MilterPeers() = default;
  MilterPeers(const MilterPeers&) = delete;
  MilterPeers& operator=(const MilterPeers&) = delete;

  // Null for every other descriptor. Good until it is removed, which libmilter
  // does not do while a worker of its has it.
  MilterPeer* Find(int fd) const;

  // False if it is beyond what can be kept.
  bool Add(int fd, const sockaddr* address, socklen_t size);
  void Remove(int fd);  // before it is closed
  // It has said something that is of the protocol.
  void HasSpoken(MilterPeer& peer);

  // Ends the one that has been silent longest since it connected, for at least
  // that long: libmilter will close it. False if there is none.
  bool EndSilent(Duration least);

  size_t size() const { return size_; }

 private:
  static constexpr size_t kChunk = 1024;
  static constexpr size_t kChunks = 1024;
  using Chunk = std::array<std::atomic<MilterPeer*>, kChunk>;

  std::atomic<MilterPeer*>* PlaceOf(int fd) const;

  std::array<std::atomic<Chunk*>, kChunks> chunks_{};  // never freed
  std::atomic<size_t> size_ = 0;
  std::mutex mutex_;       // while a descriptor is under it, it is open
  std::list<int> silent_;  // longest first; by mutex_
};

}  // namespace breakwater
