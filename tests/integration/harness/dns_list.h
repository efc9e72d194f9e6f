#ifndef BREAKWATER_TESTS_INTEGRATION_HARNESS_DNS_LIST_H_
#define BREAKWATER_TESTS_INTEGRATION_HARNESS_DNS_LIST_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/integration/harness/mta_root.h"
#include "tests/integration/harness/network.h"

namespace breakwater::testing {

// An address, or a prefix of some, on a list.
struct DnsListEntry {
  std::string network;  // "198.18.0.5", "198.18.1.0/24", "2001:db8:bad1::/48"
  std::string answer = "127.0.0.2";
  std::string text = "Listed, see https://dnsbl.test/";
};

// A DNS list as its owners run it: rbldnsd. It holds the entries of RFC 5782,
// section 5, on top of the test's own.
class DnsList {
 public:
  struct Options {
    std::string zone = "dnsbl.test";
    std::string address = "127.0.0.1";
    uint16_t port = 53;
    std::chrono::seconds ttl = std::chrono::seconds(300);
    // How long it may be remembered that an address is not listed.
    std::chrono::seconds negative_ttl = std::chrono::seconds(60);
    std::vector<DnsListEntry> entries = {};
    // A second zone, of domains, and what it holds: each name and all below.
    std::string names_zone = "dbl.test";
    std::vector<std::string> names = {};
  };

  static absl::StatusOr<std::unique_ptr<DnsList>> Start(const Namespace& where,
                                                        Options options);

  // Replaces the test's entries; returns once the server answers by them.
  absl::Status SetEntries(std::vector<DnsListEntry> entries);

  // Silent, as a server that is gone, but for no ICMP.
  void Pause();
  void Resume();

  // The questions so far for the address, of any type; or all of them.
  size_t Queries(const std::string& address) const;
  size_t Queries() const;

  std::string Log() const { return server_->Log(); }

 private:
  DnsList(const Namespace& where, std::unique_ptr<MtaRoot> root,
          Options options)
      : where_(where), root_(std::move(root)), options_(std::move(options)) {}
  absl::Status WriteZone();
  absl::Status WaitForZone();

  const Namespace& where_;
  std::unique_ptr<MtaRoot> root_;
  Options options_;
  int generation_ = 0;  // of the zone; answered under a name of its own
  std::unique_ptr<Process> server_;
};

// Stands in front of a list and spoils it: dnsdist. (The kernels to be tested
// on may come without netem.)
class DnsFault {
 public:
  // Rules in dnsdist's language, the first that fits decides.
  static std::string Delay(std::chrono::milliseconds delay);
  static std::string Drop();
  static std::string ServFail();
  static std::string Refused();
  static std::string Truncate();
  // Every name is listed, from Spoil on.
  static std::string ListTheWorldOnceSpoiled();
  // The rule for a part of the questions only, from 0 to 1.
  static std::string Sometimes(double part, const std::string& rule);

  struct Options {
    std::string address = "127.0.0.3";
    uint16_t port = 53;
    std::string upstream = "127.0.0.1:53";
    std::vector<std::string> rules = {};
  };

  static absl::StatusOr<std::unique_ptr<DnsFault>> Start(const Namespace& where,
                                                         Options options);
  void Pause();
  void Resume();
  absl::Status Spoil();
  std::string Log() const { return server_->Log(); }

 private:
  explicit DnsFault(std::unique_ptr<MtaRoot> root) : root_(std::move(root)) {}

  std::unique_ptr<MtaRoot> root_;
  std::unique_ptr<Process> server_;
};

// One question, asked plainly: the name's A or TXT records, none when there are
// none, an error when the server says one or nothing at all.
struct DnsAnswer {
  int rcode = 0;
  std::vector<std::string> records;
};
enum class DnsType : uint16_t { kA = 1, kTxt = 16 };
absl::StatusOr<DnsAnswer> AskDns(
    const Namespace& where, const std::string& server, const std::string& name,
    DnsType type = DnsType::kA,
    std::chrono::milliseconds patience = std::chrono::seconds(2),
    uint16_t port = 53);

// 5.0.18.198.dnsbl.test for 198.18.0.5; IPv6 by nibbles.
std::string DnsListName(const std::string& address, const std::string& zone);

}  // namespace breakwater::testing

#endif  // BREAKWATER_TESTS_INTEGRATION_HARNESS_DNS_LIST_H_
