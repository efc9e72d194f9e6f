#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace breakwater {

struct UserIds {
  std::string name;  // empty if the user was given by a number without a name
  uid_t user = 0;
  gid_t group = 0;
};

// Looks up a user by name or number. The error names who is not known.
absl::StatusOr<UserIds> FindUser(const std::string& user);
// The same of one that a program is to run as; nor is it root by another name.
absl::StatusOr<UserIds> FindProgramUser(const std::string& user);

// The number of a group given by name or number.
absl::StatusOr<gid_t> FindGroup(const std::string& group);

// Becomes `user` for good: its groups, its ids, no capability but
// CAP_NET_ADMIN if that is to be kept (permitted, effective and bounding; no
// ambient ones), and never more again (PR_SET_NO_NEW_PRIVS).
//
// Started by somebody else than root, as by a systemd unit with User= and
// AmbientCapabilities=, the ids stay as they are and only the rest is done;
// the error says if CAP_NET_ADMIN is needed and missing.
//
// Call before there are other threads: the kernel's capabilities are a
// thread's, not a process's.
absl::Status DropPrivileges(const std::string& user, bool keep_net_admin);

}  // namespace breakwater
