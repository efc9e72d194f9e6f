#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace breakwater {

// An MTA as a milter sees it: speaks the protocol (version 6) as Postfix and
// Sendmail do. Blocking; every wait ends after five seconds. What a test wants
// to see is returned, and what must not happen (the filter closed, or sent
// something else than a reply) is a reply of '!'.
class MilterClient {
 public:
  struct Reply {
    char command = '!';  // SMFIR_*: 'c'ontinue, 'y' with a text, 'r', 't' ...
    std::string text;    // of 'y': "521 5.7.1 ..."

    bool operator==(const Reply&) const = default;
  };
  struct Offer {
    uint32_t version = 6;
    uint32_t actions = 0x1ff;
    uint32_t steps = 0x1fffff;  // Postfix 3.7 and Sendmail 8.17
  };
  struct Negotiated {
    uint32_t actions = 0;
    uint32_t steps = 0;
    std::map<uint32_t, std::string> macros;  // by stage: what is asked for
  };
  using Macros = std::map<std::string, std::string>;

  explicit MilterClient(const std::string& path);
  ~MilterClient();
  MilterClient(const MilterClient&) = delete;
  MilterClient& operator=(const MilterClient&) = delete;

  Negotiated Negotiate(Offer offer);
  Negotiated Negotiate() { return Negotiate(Offer{}); }

  // Macros go before the command that they belong to.
  Reply Connect(const std::string& address, uint16_t port,
                const Macros& macros);
  Reply ConnectUnknown();                       // family 'U'
  Reply ConnectLocal(const std::string& path);  // family 'L'
  Reply Mail(const Macros& macros = {});
  Reply Recipient();
  Reply Data();
  Reply EndOfMessage();
  void Abort();
  void QuitForNextClient();  // the connection stays
  void Quit();

  // Half of a conversation: the reply is fetched later.
  void SendNegotiate(Offer offer);
  void SendConnect(const std::string& address, uint16_t port,
                   const Macros& macros);
  void SendMail();
  void SendRecipient();
  Reply Receive();
  bool IsQuiet(std::chrono::milliseconds wait = std::chrono::milliseconds(50));

  void SendRaw(std::string_view bytes);
  void SendPacket(char command, std::string_view payload);
  bool IsClosed();
  int fd() const { return fd_; }  // to poll for a reply
  void Close();

 private:
  void SendMacros(char command, const Macros& macros);
  bool Readable(int timeout_ms) const;
  bool ReadAll(char* to, size_t bytes);

  int fd_ = -1;
};

// What Postfix tells at connect.
inline MilterClient::Macros PostfixMacros() {
  return {{"{daemon_addr}", "192.0.2.25"}, {"{daemon_port}", "25"}};
}

}  // namespace breakwater
