#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/file_descriptor.h"
#include "core/types/record.h"
#include "daemon/enforcer/enforcer_server.h"
#include "daemon/enforcer/enforcer_socket.h"

namespace breakwater {

// A directory of the test's own, removed with all that is in it.
class TestDirectory {
 public:
  TestDirectory() {
    char name[] = "/tmp/breakwater-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The daemon's end of the conversation, played by a test.
class TestDaemon {
 public:
  explicit TestDaemon(const std::string& path)
      : socket_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    connected_ = connect(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                         sizeof address) == 0;
  }

  bool connected() const { return connected_; }

  bool SendBytes(const std::vector<uint8_t>& packet) {
    return send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(packet.size());
  }
  bool Send(const std::vector<Record>& records) {
    std::vector<uint8_t> packet;
    for (const Record& record : records) {
      const RecordBytes bytes = EncodeRecord(record);
      packet.insert(packet.end(), bytes.begin(), bytes.end());
    }
    return SendBytes(packet);
  }
  void SayHello() {
    Send({{.kind = RecordKind::kHello, .number = kProtocolVersion}});
  }

  // All records up to the first of this kind, that one included; those that
  // came before the end or the limit if it does not come.
  std::vector<Record> ReadTo(RecordKind kind, std::chrono::milliseconds limit =
                                                  std::chrono::seconds(3)) {
    std::vector<Record> result;
    const auto end = std::chrono::steady_clock::now() + limit;
    while (true) {
      while (!unread_.empty()) {
        result.push_back(unread_.front());
        unread_.pop_front();
        if (result.back().kind == kind) return result;
      }
      if (!Fill(end)) return result;
    }
  }
  // Whether the other end closes within two seconds.
  bool IsClosed() {
    ReadTo(RecordKind::kHello, std::chrono::seconds(2));
    return closed_;
  }
  // Sends the orders and returns what comes up to their kApplied.
  std::vector<Record> Order(std::vector<Record> records) {
    ++serial_;
    for (Record& record : records) record.serial = serial_;
    Send(records);
    std::vector<Record> result;
    do {
      const std::vector<Record> part = ReadTo(RecordKind::kApplied);
      if (part.empty()) break;
      result.insert(result.end(), part.begin(), part.end());
    } while (result.back().serial != serial_);
    return result;
  }
  uint32_t serial() const { return serial_; }

 private:
  bool Fill(std::chrono::steady_clock::time_point end) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (left.count() <= 0 ||
        poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
      return false;
    }
    uint8_t packet[kMostRecords * kRecordSize];
    const ssize_t size = recv(socket_.get(), packet, sizeof packet, 0);
    if (size <= 0) {
      closed_ = true;
      return false;
    }
    for (ssize_t at = 0; at < size; at += kRecordSize) {
      const auto record =
          DecodeRecord(absl::MakeConstSpan(packet + at, kRecordSize));
      if (record.ok()) unread_.push_back(*record);
    }
    return true;
  }

  FileDescriptor socket_;
  bool connected_ = false;
  bool closed_ = false;
  uint32_t serial_ = 0;
  std::deque<Record> unread_;
};

// An enforcer that serves on a thread of the test's.
class TestEnforcer {
 public:
  TestEnforcer(const std::string& path, std::unique_ptr<BanSets> sets,
               std::unique_ptr<Reaper> reaper, const Config& config,
               const std::string& resolv_conf = "/dev/null")
      : TestEnforcer(path, Only(std::move(sets)), std::move(reaper), config,
                     resolv_conf) {}
  TestEnforcer(const std::string& path,
               std::vector<std::unique_ptr<BanSets>> sets,
               std::unique_ptr<Reaper> reaper, const Config& config,
               const std::string& resolv_conf = "/dev/null") {
    auto listener = ListenForDaemon(path, {"", getuid(), getgid()}, getuid());
    auto hosts = HostProtection::Open(resolv_conf);
    if (!listener.ok() || !hosts.ok()) std::abort();
    config_ = config;
    auto server = EnforcerServer::Make(
        {.listener = *std::move(listener),
         .accepted = {getuid()},
         .sets = std::move(sets),
         .reaper = std::move(reaper),
         .hosts = *std::move(hosts),
         .load = [this] { return absl::StatusOr<Config>(config_); }},
        config);
    if (!server.ok()) std::abort();
    server_ = *std::move(server);
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~TestEnforcer() {
    server_->Stop();
    thread_.join();
  }

  // What the next reload will find.
  Config& config() { return config_; }
  EnforcerServer& server() { return *server_; }

 private:
  static std::vector<std::unique_ptr<BanSets>> Only(
      std::unique_ptr<BanSets> sets) {
    std::vector<std::unique_ptr<BanSets>> result;
    result.push_back(std::move(sets));
    return result;
  }

  Config config_;
  std::unique_ptr<EnforcerServer> server_;
  std::thread thread_;
};

}  // namespace breakwater
