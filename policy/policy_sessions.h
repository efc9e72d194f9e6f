#pragma once

#include <optional>

#include "asio/awaitable.hpp"
#include "core/screener/screener.h"
#include "core/types/verdict.h"
#include "policy/request.h"
#include "policy/session_memory.h"

namespace breakwater {

// One answer for each SMTP session, however often Postfix asks about it: once
// for each check_policy_service line, and at some states once for each
// recipient. What was said first is said again, from memory: no list is asked
// and nothing is counted, logged or banned a second time, and who was let pass
// is not judged anew when the lists' answers have expired.
//
// Three things change the answer. A client that is banned meanwhile is refused
// from then on; a user who has logged in passes and is spared; and what the
// client tells later is looked at when it comes. For its names it is refused
// from then on, for its sender as long as it keeps to that one, for a trap only
// there.
//
// Loop thread only.
class PolicySessions {
 public:
  explicit PolicySessions(Screener& screener,
                          SessionMemory::Limits limits = {});

  struct Answer {
    Verdict verdict;
    SessionMemory::Session session;  // to be remembered
  };
  // The request must outlive it; it learns whether its client is there.
  asio::awaitable<Answer> Judge(PolicyRequest& request);
  // The reply stands on its way to Postfix.
  void Answered(const PolicyRequest& request, Answer answer);

 private:
  using Session = SessionMemory::Session;

  // The request's session; null if it is new. The request was looked at.
  const Session* Remembered(const PolicyRequest& request);
  // Of who the client is, if it takes no asking.
  std::optional<Verdict> Known(const PolicyRequest& request,
                               const Session* before,
                               const OffenceKinds& strikes);
  // Of what it has told since.
  asio::awaitable<void> Further(const PolicyRequest& request, Answer& answer);
  asio::awaitable<bool> Refuses(const PolicyRequest& request, Told told,
                                Answer& answer);

  Screener& screener_;
  SessionMemory answered_;
  // Apart, so that no wave of strangers can push them out.
  SessionMemory authenticated_;
};

}  // namespace breakwater
