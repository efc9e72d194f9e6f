#include "daemon/system/parent.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace breakwater {
namespace {

constexpr char kMark[] = "BREAKWATER_PARENT";

}  // namespace

std::string ParentMark() { return absl::StrCat(kMark, "=", getpid()); }

void EndWithParent() {
  const char* const mark = getenv(kMark);
  pid_t parent = 0;
  if (mark == nullptr || !absl::SimpleAtoi(mark, &parent)) return;
  // No gentler one: a child that hangs or was stopped would not take it, and
  // what we know is as safe as when we are killed alone.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

}  // namespace breakwater
