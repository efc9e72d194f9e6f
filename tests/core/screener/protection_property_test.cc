// Whatever is proposed, by lists, offences, operators or the kernel: nothing
// that is protected or allowed is ever ordered to be banned.

#include <gtest/gtest.h>

#include <memory>

#include "absl/container/flat_hash_set.h"
#include "core/base/log.h"
#include "core/screener/screener.h"
#include "tests/fakes/fake_lists.h"
#include "tests/fakes/random_networks.h"

namespace breakwater {
namespace {

using std::chrono::minutes;

// What the kernel would hold by its orders.
class KernelModel : public Enforcer {
 public:
  void Ban(const Network& network, Duration) override {
    ++bans;
    if (const auto shield = ShieldOf(*rules, network)) {
      ADD_FAILURE() << "a ban of " << network.ToString() << " was ordered, but "
                    << shield->network.ToString() << " is " << shield->why;
    }
    held.insert(network);
  }
  void Unban(const Network& network) override { held.erase(network); }
  void EndAfterReply(const Connection&) override {}
  void Destroy(const Connection&) override {}
  void Spare(const Connection&) override {}
  void Forget(const Connection&) override {}

  std::shared_ptr<const Rules> rules;
  absl::flat_hash_set<Network> held;
  int bans = 0;
};

class ProtectionPropertyTest : public testing::Test {
 protected:
  ProtectionPropertyTest() {
    SetLeastSeverity(Severity::kError);  // a line for each proposal
    ChangeProtections();
  }
  ~ProtectionPropertyTest() override { SetLeastSeverity(Severity::kInfo); }

  void ChangeProtections() {
    auto rules = std::make_shared<Rules>();
    std::vector<Network> networks = random_.Protections();
    for (size_t i = 0; i < networks.size(); ++i) {
      (i % 4 == 0 ? rules->allowed_networks : rules->protected_networks)
          .Add(networks[i]);
    }
    for (const Network& special : SpecialRanges().networks()) {
      rules->protected_networks.Add(special);
    }
    // Neighbours' bans become one of their network, which is watched too.
    rules->widening.members = {2, 2, 2};
    random_.SetNear(std::move(networks));
    kernel_.rules = rules;
    screener_.SetRules(rules);
    while (screener_.is_sweeping()) {
      loop_.restart();
      loop_.poll_one();
    }
    // What was banned before must have been let in again.
    for (const Network& network : kernel_.held) {
      ASSERT_FALSE(ShieldOf(*rules, network)) << network.ToString();
    }
    bans_.RemoveIf([](const BanTable::Glance&) { return true; });
    kernel_.held.clear();
  }

  void Propose() {
    const IpAddress address = random_.Address();
    switch (random_.Below(10)) {
      case 0:
        (void)screener_.BanByOperator(address, minutes(10), "random");
        break;
      case 1: {
        // The kernel has it of before a restart.
        const Network network = random_.AnyNetwork();
        kernel_.held.insert(network);
        screener_.Adopt(network, minutes(10));
        if (ShieldOf(*kernel_.rules, network)) {
          EXPECT_FALSE(kernel_.held.contains(network)) << network.ToString();
        }
        break;
      }
      default: {
        const Client client{.connection = {.client = address}};
        const Verdict verdict{.action = Action::kReject,
                              .reason = Reason::kListed,
                              .code = 521,
                              .ban = minutes(10)};
        screener_.Answered(client, verdict);
      }
    }
  }

  RandomNetworks random_;
  asio::io_context loop_;
  FakeLists lists_{loop_};
  BanTable bans_{kProposals};
  KernelModel kernel_;
  Metrics metrics_;
  Screener screener_{loop_,   lists_,   bans_,
                     kernel_, metrics_, std::make_shared<const Rules>()};
};

TEST_F(ProtectionPropertyTest, NoProposalEverBansWhatIsProtected) {
  constexpr int kBetweenChanges = 10'000;
  for (int i = 0; i < kProposals && !HasFailure(); ++i) {
    Propose();
    if (i % kBetweenChanges == kBetweenChanges - 1) ChangeProtections();
  }
  // The rest was not refused for another reason.
  EXPECT_GT(kernel_.bans, kProposals / 10);
  EXPECT_LT(kernel_.bans, kProposals * 9 / 10);
}

}  // namespace
}  // namespace breakwater
