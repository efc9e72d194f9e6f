#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/rules/dns_options.h"
#include "tests/fakes/dns_message.h"

namespace breakwater {

// What a FakeDnsServer says to one question.
struct FakeReply {
  int rcode = 0;
  std::vector<std::string> addresses;  // A records, whatever was asked
  std::vector<std::string> strings;    // of one TXT record
  std::vector<std::pair<uint16_t, std::string>> exchanges;  // MX records
  std::vector<std::string> addresses6;                      // AAAA records
  uint32_t ttl = 300;
  std::string alias;                    // a CNAME before the records
  std::optional<uint32_t> soa_minimum;  // an SOA in the authority section

  Duration delay{};
  bool silent = false;
  bool truncated = false;  // over UDP; whole over TCP
  bool wrong_id = false;
  bool wrong_question = false;
  bool refuse_edns = false;  // FORMERR to who speaks EDNS
  std::optional<Bytes> raw;  // this instead, as it stands
  // Last change of the message before it is sent.
  std::function<void(DnsMessage&)> change;
};

// Replies by what they mean.
FakeReply Says(std::vector<std::string> addresses, uint32_t ttl = 300);
FakeReply SaysText(std::vector<std::string> strings);
FakeReply SaysExchanges(
    std::vector<std::pair<uint16_t, std::string>> exchanges);
FakeReply SaysAddresses6(std::vector<std::string> addresses);
FakeReply NoSuchName(std::optional<uint32_t> soa_minimum = std::nullopt);
FakeReply Rcode(int rcode);
FakeReply Silence();
inline constexpr int kFormErr = 1, kServFail = 2, kNxDomain = 3, kNotImp = 4,
                     kRefusedRcode = 5;

// A DNS server on a real loopback socket, UDP and TCP, that says what a test
// told it for each name, and counts what it is asked. It has a thread of its
// own; all methods may be called from any.
class FakeDnsServer {
 public:
  FakeDnsServer();
  ~FakeDnsServer();
  FakeDnsServer(const FakeDnsServer&) = delete;
  FakeDnsServer& operator=(const FakeDnsServer&) = delete;

  DnsServer address() const;

  // For A questions of that name, and for TXT, MX and AAAA ones.
  void On(const std::string& name, FakeReply reply);
  void OnText(const std::string& name, FakeReply reply);
  void OnExchange(const std::string& name, FakeReply reply);
  void OnAddress6(const std::string& name, FakeReply reply);
  // For all other names; NXDOMAIN until set.
  void Otherwise(FakeReply reply);

  // Has the last word on every reply; called in the server's thread.
  using Spoiler = std::function<FakeReply(const DnsQuestion&, FakeReply)>;
  void Spoil(Spoiler spoiler);

  // Questions so far; of that name and all types; over TCP.
  size_t queries() const;
  size_t queries(const std::string& name) const;
  // The names of all questions so far, in lower case; each once.
  std::vector<std::string> names() const;
  size_t tcp_queries() const;

 private:
  struct Sockets;
  using Key = std::pair<std::string, uint16_t>;

  // Sends what is due by way of `send`, now or later.
  void Answer(const DnsQuestion& question, bool tcp,
              std::function<void(Bytes)> send);
  void ReceiveUdp();
  void AcceptTcp();

  std::unique_ptr<Sockets> sockets_;
  mutable std::mutex mutex_;
  std::map<Key, FakeReply> replies_;     // guarded by mutex_
  FakeReply otherwise_ = NoSuchName();   // guarded by mutex_
  Spoiler spoiler_;                      // guarded by mutex_
  std::map<std::string, size_t> asked_;  // guarded by mutex_
  size_t queries_ = 0;                   // guarded by mutex_
  size_t tcp_queries_ = 0;               // guarded by mutex_
  std::thread thread_;
};

}  // namespace breakwater
