#include "milter/peers.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/net/peer_name.h"

namespace breakwater {

std::string MilterPeer::Name(int fd) const {
  return PeerName(fd, reinterpret_cast<const sockaddr*>(&address));
}

std::atomic<MilterPeer*>* MilterPeers::PlaceOf(int fd) const {
  const auto number = static_cast<size_t>(fd);
  if (fd < 0 || number >= kChunk * kChunks) return nullptr;
  Chunk* chunk = chunks_[number / kChunk].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : &(*chunk)[number % kChunk];
}

MilterPeer* MilterPeers::Find(int fd) const {
  const std::atomic<MilterPeer*>* place = PlaceOf(fd);
  return place == nullptr ? nullptr : place->load(std::memory_order_acquire);
}

bool MilterPeers::Add(int fd, const sockaddr* address, socklen_t size) {
  const size_t chunk = static_cast<size_t>(fd) / kChunk;
  if (chunk >= kChunks) return false;
  auto peer = std::make_unique<MilterPeer>();
  std::memcpy(&peer->address, address,
              std::min<size_t>(size, sizeof peer->address));
  peer->accepted_ = Clock::now();
  const std::lock_guard lock(mutex_);
  if (chunks_[chunk] == nullptr) chunks_[chunk] = new Chunk{};
  peer->silent_ = silent_.insert(silent_.end(), fd);
  PlaceOf(fd)->store(peer.release(), std::memory_order_release);
  ++size_;
  return true;
}

void MilterPeers::Remove(int fd) {
  const std::lock_guard lock(mutex_);
  const std::unique_ptr<MilterPeer> peer(PlaceOf(fd)->exchange(nullptr));
  if (peer->silent_) silent_.erase(*peer->silent_);
  --size_;
}

void MilterPeers::HasSpoken(MilterPeer& peer) {
  const std::lock_guard lock(mutex_);
  if (peer.silent_) silent_.erase(*std::exchange(peer.silent_, std::nullopt));
}

bool MilterPeers::EndSilent(Duration least) {
  const std::lock_guard lock(mutex_);
  if (silent_.empty()) return false;
  const int fd = silent_.front();
  MilterPeer& peer = *Find(fd);
  if (Clock::now() - peer.accepted_ < least) return false;
  shutdown(fd, SHUT_RDWR);
  silent_.pop_front();
  peer.silent_ = std::nullopt;
  return true;
}

}  // namespace breakwater
