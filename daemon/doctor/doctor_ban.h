#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace breakwater {

// The ban of one of the doctor's test addresses, for as long as this object
// lives; the kernel ends it after a minute in any case.
class DoctorBan {
 public:
  // By way of the daemon, as a wave's bans go, if `through_daemon`; else, or if
  // the daemon will not, straight into the sets. What is wrong is added to
  // `faults`.
  DoctorBan(const Config& config, const std::string& control_socket,
            const char* client, bool through_daemon,
            std::vector<std::string>& faults);
  ~DoctorBan();
  DoctorBan(const DoctorBan&) = delete;
  DoctorBan& operator=(const DoctorBan&) = delete;

 private:
  bool AskForBan(std::vector<std::string>& faults) const;
  bool IsInIpset() const;
  void PutIn(std::vector<std::string>& faults) const;
  void TakeOut() const;

  const Config& config_;
  const std::string control_socket_;
  const std::string client_;
  const std::string element_;  // how it stands in the sets
  const size_t family_;        // of the sets: 0 or 1
  bool by_daemon_ = false;
};

}  // namespace breakwater
