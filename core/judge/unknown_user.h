#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace breakwater {

// How the MTA refuses mail for users whom it does not know, so that a trap's
// refusal reads the same and nobody can tell a trap by it. It is learned from
// what the MTA says, for each domain, as Postfix names the table in which the
// user is not. Until then it is as for the domain learned last, and before that
// what Postfix says of a local user.
//
// Any thread.
class UnknownUser {
 public:
  // The MTA has refused the recipient with 5.1.1 and these words, as it tells
  // its milters (macro {rcpt_addr}).
  void Learn(std::string_view recipient, std::string_view words);

  // The text for "550 5.1.1", where Postfix puts its own "<recipient>:
  // Recipient address rejected: " in front, or Sendmail "<recipient>... ".
  std::string TextFor(std::string_view recipient,
                      std::string_view until_learned =
                          "User unknown in local recipient table") const;

 private:
  static constexpr size_t kMostDomains = 1000;

  mutable std::mutex mutex_;
  absl::flat_hash_map<std::string, std::string> by_domain_;  // by mutex_
  std::string last_;                                         // by mutex_
};

// What Postfix puts in front of the text of a recipient that it refuses itself
// and, unlike Sendmail, not in front of a milter's.
std::string PostfixPrefix(std::string_view recipient);

}  // namespace breakwater
