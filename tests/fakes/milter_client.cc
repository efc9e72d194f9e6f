#include "tests/fakes/milter_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace breakwater {
namespace {

std::string Number(uint32_t value) {
  const uint32_t wire = htonl(value);
  return std::string(reinterpret_cast<const char*>(&wire), sizeof wire);
}

uint32_t NumberAt(const std::string& bytes, size_t place) {
  uint32_t wire = 0;
  if (place + sizeof wire <= bytes.size()) {
    std::memcpy(&wire, bytes.data() + place, sizeof wire);
  }
  return ntohl(wire);
}

std::string Terminated(const std::string& text) { return text + '\0'; }

}  // namespace

MilterClient::MilterClient(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address),
              sizeof address) != 0) {
    Close();
  }
}

MilterClient::~MilterClient() { Close(); }

void MilterClient::Close() {
  if (fd_ >= 0) close(std::exchange(fd_, -1));
}

void MilterClient::SendNegotiate(Offer offer) {
  SendPacket(
      'O', Number(offer.version) + Number(offer.actions) + Number(offer.steps));
}

MilterClient::Negotiated MilterClient::Negotiate(Offer offer) {
  SendNegotiate(offer);
  const Reply reply = Receive();
  Negotiated result;
  if (reply.command != 'O') return result;
  result.actions = NumberAt(reply.text, 4);
  result.steps = NumberAt(reply.text, 8);
  for (size_t place = 12; place + 4 < reply.text.size();) {
    const uint32_t stage = NumberAt(reply.text, place);
    const std::string list = reply.text.c_str() + place + 4;
    result.macros[stage] = list;
    place += 4 + list.size() + 1;
  }
  return result;
}

MilterClient::Reply MilterClient::Connect(const std::string& address,
                                          uint16_t port, const Macros& macros) {
  SendConnect(address, port, macros);
  return Receive();
}

void MilterClient::SendConnect(const std::string& address, uint16_t port,
                               const Macros& macros) {
  SendMacros('C', macros);
  const uint16_t wire = htons(port);
  const char family = address.find(':') == address.npos ? '4' : '6';
  SendPacket('C', Terminated("client.test") + family +
                      std::string(reinterpret_cast<const char*>(&wire), 2) +
                      Terminated(address));
}

MilterClient::Reply MilterClient::ConnectUnknown() {
  SendPacket('C', Terminated("unknown") + 'U');
  return Receive();
}

MilterClient::Reply MilterClient::ConnectLocal(const std::string& path) {
  SendPacket('C', Terminated("localhost") + 'L' + std::string(2, '\0') +
                      Terminated(path));
  return Receive();
}

MilterClient::Reply MilterClient::Mail(const Macros& macros) {
  SendMacros('M', macros);
  SendMail();
  return Receive();
}

void MilterClient::SendMail() {
  SendPacket('M', Terminated("<a@client.test>"));
}

void MilterClient::SendRecipient() {
  SendPacket('R', Terminated("<b@mail.test>"));
}

MilterClient::Reply MilterClient::Recipient() {
  SendRecipient();
  return Receive();
}

MilterClient::Reply MilterClient::Data() {
  SendPacket('T', "");
  return Receive();
}

MilterClient::Reply MilterClient::EndOfMessage() {
  SendPacket('E', "");
  return Receive();
}

void MilterClient::Abort() { SendPacket('A', ""); }
void MilterClient::QuitForNextClient() { SendPacket('K', ""); }
void MilterClient::Quit() { SendPacket('Q', ""); }

void MilterClient::SendMacros(char command, const Macros& macros) {
  std::string payload(1, command);
  for (const auto& [name, value] : macros) {
    payload += Terminated(name) + Terminated(value);
  }
  SendPacket('D', payload);
}

void MilterClient::SendPacket(char command, std::string_view payload) {
  SendRaw(Number(static_cast<uint32_t>(payload.size() + 1)) + command +
          std::string(payload));
}

void MilterClient::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

MilterClient::Reply MilterClient::Receive() {
  std::string header(4, '\0');
  if (!ReadAll(header.data(), header.size())) return {};
  std::string body(NumberAt(header, 0), '\0');
  if (body.empty() || body.size() > 65536 ||
      !ReadAll(body.data(), body.size())) {
    return {};
  }
  Reply reply{.command = body[0], .text = body.substr(1)};
  if (reply.command == 'y') reply.text = reply.text.c_str();
  return reply;
}

bool MilterClient::ReadAll(char* to, size_t bytes) {
  while (bytes > 0) {
    if (!Readable(5000)) return false;
    const ssize_t got = recv(fd_, to, bytes, 0);
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool MilterClient::Readable(int timeout_ms) const {
  pollfd poller{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&poller, 1, timeout_ms) == 1;
}

bool MilterClient::IsQuiet(std::chrono::milliseconds wait) {
  return !Readable(static_cast<int>(wait.count()));
}

bool MilterClient::IsClosed() {
  char byte;
  return Readable(5000) && recv(fd_, &byte, 1, 0) <= 0;
}

}  // namespace breakwater
