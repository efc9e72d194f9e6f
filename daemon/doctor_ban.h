#pragma once

#include <string>
#include <vector>

#include "daemon/config.h"

namespace breakwater {

// The ban of the doctor's test address, for as long as this object lives; the
// kernel ends it after a minute in any case.
class DoctorBan {
 public:
  // By way of the daemon, as a wave's bans go, if `through_daemon`; else, or if
  // the daemon will not, straight into the sets. What is wrong is added to
  // `faults`.
  DoctorBan(const Config& config, const std::string& control_socket,
            bool through_daemon, std::vector<std::string>& faults);
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
  bool by_daemon_ = false;
};

}  // namespace breakwater
