#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "contrib/adapter/policy_client.h"
#include "contrib/tcp/options.h"

namespace breakwater {

// What tcpserver or couriertcpd says about the connection (tcp-environ(5)).
struct TcpEnvironment {
  std::optional<std::string> rblsmtpd;
  bool may_relay = false;  // RELAYCLIENT, whatever its value
  // Empty: unknown. A v4-mapped address, as couriertcpd gives every IPv4
  // client, is written as IPv4.
  std::string remote_ip;
  std::string remote_port;
  std::string local_ip;
  std::string local_port;

  // TCPREMOTEIP, or TCP6REMOTEIP where that holds no address, and so on.
  static TcpEnvironment Read();

  PolicyAttributes Question() const;  // points into this
};

enum class TcpStep { kGoOn, kAsk, kRefuse };

struct TcpDecision {
  TcpStep step = TcpStep::kGoOn;
  std::string reply;       // of kRefuse, without CRLF
  bool may_speak = false;  // -t counts
  std::string complaint;   // of kGoOn: why the daemon did not decide

  bool operator==(const TcpDecision&) const = default;
};

// What can be said without the daemon. The administrator's word in RBLSMTPD
// counts first, as in rblsmtpd: empty lets the client pass, "text" is 451 and
// "-text" 553.
TcpDecision DecideByEnvironment(const TcpOptions& options,
                                const TcpEnvironment& environment);

// What the daemon's answer means. Whatever is no clear refusal goes on.
TcpDecision DecideByAnswer(const TcpOptions& options,
                           const PolicyAnswer& answer);

}  // namespace breakwater
