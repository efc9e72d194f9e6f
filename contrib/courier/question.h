#pragma once

#include <string>
#include <vector>

#include "contrib/adapter/policy_client.h"
#include "contrib/courier/envelope.h"

namespace breakwater {

// What Breakwater is asked about a message, kept together with what it points
// to.
class Question {
 public:
  // Bounds on what is sent of them, so that the request stays below the 64 KiB
  // that the server takes: the first ones are sent. Courier takes 100
  // recipients for a message (bofh: opt maxrcpts) unless told otherwise.
  static constexpr size_t kMostOfRecipients = 24 * 1024;
  static constexpr size_t kMostOfHeader = 32 * 1024;

  Question(Envelope envelope, std::vector<std::string> header);
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  const PolicyAttributes& attributes() const { return attributes_; }

 private:
  void AddEach(std::string_view name, const std::vector<std::string>& values,
               size_t most);

  const Envelope envelope_;
  const std::vector<std::string> header_;
  const std::string recipient_count_;
  PolicyAttributes attributes_;
};

}  // namespace breakwater
