#include "daemon/system/privileges.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/system/parent.h"

namespace breakwater {
namespace {

constexpr size_t kNameBuffer =
    size_t{64} * 1024;  // of one line of passwd or group

absl::Status Failed(absl::string_view what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("drop privileges: ", what));
}

absl::Status BecomeUser(const UserIds& ids) {
  const int groups = ids.name.empty() ? setgroups(1, &ids.group)
                                      : initgroups(ids.name.c_str(), ids.group);
  if (groups != 0) return Failed("set the groups");
  if (setresgid(ids.group, ids.group, ids.group) != 0) {
    return Failed(absl::StrCat("become group ", ids.group));
  }
  if (setresuid(ids.user, ids.user, ids.user) != 0) {
    return Failed(absl::StrCat("become user ", ids.user));
  }
  return absl::OkStatus();
}

// Needs CAP_SETPCAP, which only root has: without it the set stays as it is,
// which is harmless, since nothing can be gained from it any more.
absl::Status LimitBounding(bool keep_net_admin) {
  for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); ++cap) {
    if (keep_net_admin && cap == CAP_NET_ADMIN) continue;
    if (cap_drop_bound(cap) != 0 && errno != EPERM) {
      return Failed(absl::StrCat("give up capability ", cap));
    }
  }
  return absl::OkStatus();
}

// Whether we have what is wanted already, as from a unit, which may well forbid
// to change it. What could be inherited beside that gives nothing to a program
// without capabilities of its own.
bool HoldsNoMore(cap_t wanted) {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> held(
      cap_get_proc(), cap_free);
  if (held == nullptr) return false;
  const int differs = cap_compare(held.get(), wanted);
  return !CAP_DIFFERS(differs, CAP_PERMITTED) &&
         !CAP_DIFFERS(differs, CAP_EFFECTIVE);
}

absl::Status LimitCapabilities(bool keep_net_admin) {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> caps(
      cap_init(), cap_free);
  if (caps == nullptr) return Failed("describe capabilities");
  if (keep_net_admin) {
    const cap_value_t kept = CAP_NET_ADMIN;
    for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE}) {
      if (cap_set_flag(caps.get(), flag, 1, &kept, CAP_SET) != 0) {
        return Failed("describe capabilities");
      }
    }
  }
  if (cap_set_proc(caps.get()) != 0 && !HoldsNoMore(caps.get())) {
    if (errno == EPERM && keep_net_admin) {
      return absl::PermissionDeniedError(
          "CAP_NET_ADMIN is missing: start as root, or by a unit with "
          "AmbientCapabilities=CAP_NET_ADMIN");
    }
    return Failed("set capabilities");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<UserIds> FindUser(const std::string& user) {
  std::vector<char> buffer(kNameBuffer);
  passwd entry;
  passwd* found = nullptr;
  getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  uid_t number;
  const bool is_number = absl::SimpleAtoi(user, &number);
  if (found == nullptr && is_number) {
    getpwuid_r(number, &entry, buffer.data(), buffer.size(), &found);
  }
  if (found != nullptr) {
    return UserIds{found->pw_name, found->pw_uid, found->pw_gid};
  }
  if (is_number) return UserIds{"", number, number};
  return absl::NotFoundError(
      absl::StrCat("there is no user \"", user,
                   "\"; make it with systemd-sysusers or useradd --system"));
}

absl::StatusOr<UserIds> FindProgramUser(const std::string& user) {
  absl::StatusOr<UserIds> ids = FindUser(user);
  if (ids.ok() && ids->user == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the user \"", user, "\" is root; write one without privileges"));
  }
  return ids;
}

absl::StatusOr<gid_t> FindGroup(const std::string& name) {
  std::vector<char> buffer(kNameBuffer);
  group entry;
  group* found = nullptr;
  getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->gr_gid;
  if (gid_t number; absl::SimpleAtoi(name, &number)) return number;
  return absl::NotFoundError(absl::StrCat("there is no group \"", name, "\""));
}

absl::Status DropPrivileges(const std::string& user, bool keep_net_admin) {
  if (geteuid() == 0) {
    const absl::StatusOr<UserIds> ids = FindProgramUser(user);
    if (!ids.ok()) return ids.status();
    // While root still may: afterwards nothing can be taken from these.
    if (absl::Status status = LimitBounding(keep_net_admin); !status.ok()) {
      return status;
    }
    if (prctl(PR_SET_KEEPCAPS, keep_net_admin ? 1 : 0) != 0) {
      return Failed("keep a capability over the change of user");
    }
    if (absl::Status status = BecomeUser(*ids); !status.ok()) return status;
  }
  if (absl::Status status = LimitCapabilities(keep_net_admin); !status.ok()) {
    return status;
  }
  // Programs that are started from here get none. (Kernels from before 4.3
  // have no ambient set; what they cannot clear is empty.)
  if (cap_reset_ambient() != 0 && errno != EINVAL) {
    return Failed("clear the ambient capabilities");
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Failed("refuse new privileges");
  }
  EndWithParent();
  return absl::OkStatus();
}

}  // namespace breakwater
