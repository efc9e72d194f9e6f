// What clients tell and do after they have connected.

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/post.hpp"
#include "core/screener/screener.h"

namespace breakwater {
asio::awaitable<Verdict> Screener::ScreenFurther(Client client, Told told,
                                                 Verdict so_far) {
  LookAt(client);
  Verdict verdict =
      co_await Further(client, std::move(told), std::move(so_far));
  if (!verdict.ban) co_return verdict;
  if (const auto why = WithheldFrom(client)) {
    verdict.ban.reset();
    verdict.withheld = why;
  }
  co_return verdict;
}

asio::awaitable<Verdict> Screener::Further(Client client, Told told,
                                           Verdict so_far) {
  if (const auto exempt = Exemption(*rules_, client)) {
    co_return Verdict{.reason = *exempt};
  }
  if (std::optional<Verdict> banned = Banned(client)) co_return *banned;
  const Instant start = Clock::now();
  const size_t echoes =
      std::erase_if(told.offences, [&](const Offence& offence) {
        return offence.kind == OffenceKind::kTrap &&
               echoes_.IsEcho(client, offence.detail, start);
      });
  // The other door's refusal has not kept the mail out: its MTA only warns, or
  // did not wait for it.
  const bool still_there =
      echoes > 0 && !told.answered &&
      rules_->offences[OffenceKind::kTrap].mode == OffenceMode::kOn;
  Answers known{.rules = so_far.evidence.rules};
  if (known.rules == nullptr) known.rules = rules_;
  known.listings.assign(so_far.evidence.listings.begin(),
                        so_far.evidence.listings.end());
  const bool is_good = restraint_.history().IsGood(client.address(), start);
  Conduct::Findings found =
      co_await conduct_.Look(client, std::move(told), std::move(known), is_good,
                             start + rules_->deadline);
  Verdict verdict = co_await VerdictFrom(client, std::move(found.answers),
                                         std::move(found.strikes));
  verdict.cleared = verdict.cleared && so_far.cleared;
  if (verdict.ban && found.ban_duration) verdict.ban = found.ban_duration;
  if (verdict.action == Action::kPass && (found.hit_trap || still_there)) {
    verdict = OffenceVerdict(client, OffenceKind::kTrap, *rules_);
  }
  verdict.took = std::chrono::duration_cast<std::chrono::microseconds>(
      Clock::now() - start);
  // What is only claimed spends nobody's grace and puts on no brake.
  if (const auto why = WithheldFrom(client);
      why && verdict.ban && !IsProven(client.presence)) {
    verdict.ban.reset();
    verdict.withheld = why;
  }
  Weigh(client.address(), verdict);
  // Nobody is answered with it who would tell of it.
  if (verdict.would) {
    if (const auto why = WithheldFrom(client); why && verdict.ban) {
      verdict.ban.reset();
      verdict.withheld = why;
    }
    Tell(client, verdict);
  }
  // Somebody may have banned the client meanwhile.
  co_return Banned(client).value_or(std::move(verdict));
}

std::shared_ptr<Screening> Screener::StartFurther(
    std::shared_ptr<Screening> session, Client client, Told told) {
  client.presence = session->client().presence;
  client.socket = session->client().socket;
  const auto further = std::make_shared<Screening>(std::move(client));
  if (const auto why = session->withheld()) further->Withhold(*why);
  asio::post(loop_, [this, session, further, told = std::move(told)]() mutable {
    // Who is condemned already need not be looked at.
    session->WhenComplete(
        [this, weak = std::weak_ptr(session), further,
         told = std::move(told)](const Verdict& so_far) mutable {
          const bool is_condemned = so_far.IsRefusal() || so_far.would;
          if (is_condemned && told.offences.empty()) {
            further->Complete(so_far);
            return;
          }
          asio::co_spawn(
              loop_,
              [](Screener& self, std::weak_ptr<Screening> weak,
                 std::shared_ptr<Screening> further, Told told,
                 Verdict so_far) -> asio::awaitable<void> {
                Verdict verdict = co_await self.Further(
                    further->client(), std::move(told), std::move(so_far));
                const auto session = weak.lock();
                if (session && !verdict.cleared) session->NotCleared();
                further->Complete(std::move(verdict));
              }(*this, weak, further, std::move(told), so_far),
              asio::detached);
        });
  });
  return further;
}

void Screener::NoteFurther(std::shared_ptr<Screening> session, Client client,
                           Told told) {
  told.answered = true;
  const auto further =
      StartFurther(session, std::move(client), std::move(told));
  asio::post(loop_, [this, session, further] {
    further->WhenComplete([this, session, further](const Verdict& verdict) {
      if (!verdict.IsRefusal()) return;
      MarkAnswered(*session);
      Answered(further->client(), verdict);
    });
  });
}

void Screener::AnsweredLater(std::shared_ptr<Screening> session,
                             const Client& client, const Verdict& verdict,
                             bool again) {
  asio::post(loop_, [this, session, client, verdict] {
    MarkAnswered(*session);
    Answered(client, verdict);
  });
  if (again && verdict.reason != Reason::kBanned) {
    NoteFurther(session, client,
                {.offences = {{.kind = OffenceKind::kAfterRefusal}}});
  }
}

asio::awaitable<absl::StatusOr<Verdict>> Screener::ReportOffence(
    IpAddress address, Offence offence) {
  const Client client{.connection = {.client = address},
                      .front = Front::kReport};
  const OffenceRule& rule = rules_->offences[offence.kind];
  if (rule.mode == OffenceMode::kOff) {
    co_return absl::FailedPreconditionError(
        absl::StrCat("offence ", OffenceName(offence.kind),
                     " is off: no [[offence]] of that kind turns it on"));
  }
  if (const auto exempt = Exemption(*rules_, client)) {
    co_return absl::FailedPreconditionError(absl::StrCat(
        address.ToString(), " is not judged: ", ReasonName(*exempt)));
  }
  // What lists allow is known only by asking them.
  Verdict so_far = co_await Screen(client);
  Told told;
  told.offences.push_back(std::move(offence));
  Verdict verdict = co_await ScreenFurther(client, std::move(told), so_far);
  if (verdict.reason == Reason::kOffence && !verdict.would) {
    Answered(client, verdict);
  }
  co_return verdict;
}

}  // namespace breakwater
