#pragma once

#include <optional>

#include "core/screener.h"
#include "core/verdict.h"
#include "policy/request.h"
#include "policy/session_memory.h"

namespace breakwater {

// One answer for each SMTP session, however often Postfix asks about it: once
// for each check_policy_service line, and at some states once for each
// recipient. What was said first is said again, from memory: no list is asked
// and nothing is counted, logged or banned a second time, and who was let pass
// is not judged anew when the lists' answers have expired.
//
// Two things change the answer. A client that is banned meanwhile is refused
// from then on, and a user who has logged in passes and is spared.
//
// Loop thread only.
class PolicySessions {
 public:
  explicit PolicySessions(Screener& screener,
                          SessionMemory::Limits limits = {});

  // The answer, if it takes no asking; else Screener::Screen has it.
  std::optional<Verdict> Known(const PolicyRequest& request);
  // The reply stands on its way to Postfix.
  void Answered(const PolicyRequest& request, const Verdict& verdict);

 private:
  // What was answered in the request's session; null if nothing was.
  const Verdict* Remembered(const PolicyRequest& request);

  Screener& screener_;
  SessionMemory answered_;
  // Apart, so that no wave of strangers can push them out.
  SessionMemory authenticated_;
};

}  // namespace breakwater
