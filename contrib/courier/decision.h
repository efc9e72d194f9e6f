#pragma once

#include <string>

#include "contrib/courier/filter_socket.h"
#include "contrib/courier/options.h"

namespace breakwater {

struct MessageDecision {
  // What Courier is to answer to the end of the message, without CRLF: our
  // refusal, or "200 Ok", which lets the other filters decide.
  std::string reply = "200 Ok";
  // Why nobody was asked although somebody should have been, for the log.
  std::string complaint;
};

// Asks about a message. Whatever goes wrong, it passes. Takes no longer than
// the options' patience and what reading the files takes; any thread.
MessageDecision DecideMessage(const FilterRequest& request,
                              const CourierOptions& options);

}  // namespace breakwater
