#include "tests/fakes/dns_server.h"

#include <array>

#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/ip/udp.hpp"
#include "asio/read.hpp"
#include "asio/steady_timer.hpp"
#include "asio/write.hpp"

namespace breakwater {
namespace {

using asio::ip::tcp;
using asio::ip::udp;

Bytes Render(const FakeReply& reply, DnsQuestion question, bool tcp) {
  if (reply.raw) return *reply.raw;
  DnsMessage message{.question = question, .rcode = reply.rcode};
  if (reply.refuse_edns && question.edns) message.rcode = kFormErr;
  std::string owner = question.name;
  if (!reply.alias.empty()) {
    message.answers.push_back(CnameRecord(owner, reply.alias, reply.ttl));
    owner = reply.alias;
  }
  for (const std::string& address : reply.addresses) {
    message.answers.push_back(ARecord(owner, address.c_str(), reply.ttl));
  }
  for (const std::string& address : reply.addresses6) {
    message.answers.push_back(AaaaRecord(owner, address.c_str(), reply.ttl));
  }
  for (const auto& [preference, host] : reply.exchanges) {
    message.answers.push_back(MxRecord(owner, preference, host, reply.ttl));
  }
  if (!reply.strings.empty()) {
    message.answers.push_back(TxtRecord(owner, reply.strings, reply.ttl));
  }
  if (reply.soa_minimum) {
    message.authority.push_back(SoaRecord("test", 86400, *reply.soa_minimum));
  }
  if (reply.truncated && !tcp) {
    message.truncated = true;
    message.answers.clear();
  }
  if (reply.wrong_id) ++message.question.id;
  if (reply.wrong_question) message.question.name = "other." + question.name;
  if (reply.change) reply.change(message);
  return message.Encode();
}

// One connection: questions with a two-byte length before them.
struct TcpPeer : std::enable_shared_from_this<TcpPeer> {
  explicit TcpPeer(tcp::socket s) : socket(std::move(s)) {}

  void Read(std::function<void(DnsQuestion)> take) {
    asio::async_read(
        socket, asio::buffer(length),
        [self = shared_from_this(), take](asio::error_code error, size_t) {
          if (error) return;
          self->message.resize(self->length[0] << 8 | self->length[1]);
          asio::async_read(self->socket, asio::buffer(self->message),
                           [self, take](asio::error_code failed, size_t) {
                             if (failed) return;
                             const auto question = DecodeQuestion(
                                 self->message.data(), self->message.size());
                             if (question) take(*question);
                             self->Read(take);
                           });
        });
  }

  void Write(Bytes bytes) {
    const auto size = static_cast<uint16_t>(bytes.size());
    bytes.insert(bytes.begin(), {static_cast<uint8_t>(size >> 8),
                                 static_cast<uint8_t>(size & 0xff)});
    asio::error_code ignored;
    asio::write(socket, asio::buffer(bytes), ignored);
  }

  tcp::socket socket;
  std::array<uint8_t, 2> length;
  Bytes message;
};

}  // namespace

FakeReply Says(std::vector<std::string> addresses, uint32_t ttl) {
  return {.addresses = std::move(addresses), .ttl = ttl};
}
FakeReply SaysText(std::vector<std::string> strings) {
  return {.strings = std::move(strings)};
}
FakeReply SaysExchanges(
    std::vector<std::pair<uint16_t, std::string>> exchanges) {
  return {.exchanges = std::move(exchanges)};
}
FakeReply SaysAddresses6(std::vector<std::string> addresses) {
  return {.addresses6 = std::move(addresses)};
}
FakeReply NoSuchName(std::optional<uint32_t> soa_minimum) {
  return {.rcode = kNxDomain, .soa_minimum = soa_minimum};
}
FakeReply Rcode(int rcode) { return {.rcode = rcode}; }
FakeReply Silence() { return {.silent = true}; }

struct FakeDnsServer::Sockets {
  asio::io_context loop;
  // The same port for both: TCP's, as fewer others hold those.
  tcp::acceptor acceptor{loop, {asio::ip::address_v4::loopback(), 0}};
  udp::socket socket{
      loop,
      {asio::ip::address_v4::loopback(), acceptor.local_endpoint().port()}};
  std::array<uint8_t, 4096> buffer;
  udp::endpoint peer;
};

FakeDnsServer::FakeDnsServer() : sockets_(std::make_unique<Sockets>()) {
  sockets_->socket.set_option(udp::socket::receive_buffer_size(1 << 20));
  ReceiveUdp();
  AcceptTcp();
  thread_ = std::thread([this] { sockets_->loop.run(); });
}

FakeDnsServer::~FakeDnsServer() {
  sockets_->loop.stop();
  thread_.join();
}

DnsServer FakeDnsServer::address() const {
  return {.address = IpAddress::FromV4(0x7f000001),
          .port = sockets_->acceptor.local_endpoint().port()};
}

void FakeDnsServer::On(const std::string& name, FakeReply reply) {
  const std::lock_guard lock(mutex_);
  replies_[{name, kTypeA}] = std::move(reply);
}

void FakeDnsServer::OnText(const std::string& name, FakeReply reply) {
  const std::lock_guard lock(mutex_);
  replies_[{name, kTypeTxt}] = std::move(reply);
}

void FakeDnsServer::OnExchange(const std::string& name, FakeReply reply) {
  const std::lock_guard lock(mutex_);
  replies_[{name, kTypeMx}] = std::move(reply);
}

void FakeDnsServer::OnAddress6(const std::string& name, FakeReply reply) {
  const std::lock_guard lock(mutex_);
  replies_[{name, kTypeAaaa}] = std::move(reply);
}

void FakeDnsServer::Otherwise(FakeReply reply) {
  const std::lock_guard lock(mutex_);
  otherwise_ = std::move(reply);
}

void FakeDnsServer::Spoil(Spoiler spoiler) {
  const std::lock_guard lock(mutex_);
  spoiler_ = std::move(spoiler);
}

size_t FakeDnsServer::queries() const {
  const std::lock_guard lock(mutex_);
  return queries_;
}

size_t FakeDnsServer::queries(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto place = asked_.find(name);
  return place == asked_.end() ? 0 : place->second;
}

std::vector<std::string> FakeDnsServer::names() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, times] : asked_) names.push_back(name);
  return names;
}

size_t FakeDnsServer::tcp_queries() const {
  const std::lock_guard lock(mutex_);
  return tcp_queries_;
}

void FakeDnsServer::Answer(const DnsQuestion& question, bool tcp,
                           std::function<void(Bytes)> send) {
  FakeReply reply;
  {
    const std::lock_guard lock(mutex_);
    ++queries_;
    ++asked_[question.name];
    if (tcp) ++tcp_queries_;
    const auto place = replies_.find({question.name, question.type});
    reply = place == replies_.end() ? otherwise_ : place->second;
    if (spoiler_) reply = spoiler_(question, std::move(reply));
  }
  if (reply.silent) return;
  Bytes bytes = Render(reply, question, tcp);
  if (reply.delay.count() == 0) {
    send(std::move(bytes));
    return;
  }
  auto timer =
      std::make_shared<asio::steady_timer>(sockets_->loop, reply.delay);
  timer->async_wait([timer, send = std::move(send),
                     bytes = std::move(bytes)](asio::error_code error) {
    if (!error) send(bytes);
  });
}

void FakeDnsServer::ReceiveUdp() {
  sockets_->socket.async_receive_from(
      asio::buffer(sockets_->buffer), sockets_->peer,
      [this](asio::error_code error, size_t size) {
        if (error == asio::error::operation_aborted) return;
        const auto question = DecodeQuestion(sockets_->buffer.data(), size);
        if (!error && question) {
          Answer(*question, false, [this, peer = sockets_->peer](Bytes bytes) {
            asio::error_code ignored;
            sockets_->socket.send_to(asio::buffer(bytes), peer, 0, ignored);
          });
        }
        ReceiveUdp();
      });
}

void FakeDnsServer::AcceptTcp() {
  sockets_->acceptor.async_accept(
      [this](asio::error_code error, tcp::socket socket) {
        if (error) return;
        const auto peer = std::make_shared<TcpPeer>(std::move(socket));
        peer->Read([this, weak = std::weak_ptr(peer)](DnsQuestion question) {
          Answer(question, true, [weak](Bytes bytes) {
            if (const auto to = weak.lock()) to->Write(std::move(bytes));
          });
        });
        AcceptTcp();
      });
}

}  // namespace breakwater
