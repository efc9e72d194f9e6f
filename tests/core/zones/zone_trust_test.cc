#include "core/zones/zone_trust.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace breakwater {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using enum ZoneStanding;

constexpr Family kIpv4 = Family::kIpv4;
constexpr Family kIpv6 = Family::kIpv6;

class ZoneTrustTest : public testing::Test {
 protected:
  void SetUp() override { testing::internal::CaptureStderr(); }
  void TearDown() override { testing::internal::GetCapturedStderr(); }
  // What the log has said since it was last asked.
  std::string TakeLog() {
    std::string log = testing::internal::GetCapturedStderr();
    testing::internal::CaptureStderr();
    return log;
  }

  std::vector<ZoneTrust::Lie> Probe(ZoneStanding ipv4,
                                    ZoneStanding ipv6 = kNoTestEntry) {
    const bool silent = ipv4 == kUnreachable && ipv6 == kUnreachable;
    return trust_.NoteProbe(
        {.ipv4 = {ipv4, ""}, .ipv6 = {ipv6, ""}, .silent = silent}, now_, now_);
  }
  void Note(ZoneOutcome outcome, uint32_t address = 0, int times = 1) {
    for (int i = 0; i < times; ++i) {
      trust_.Note({.outcome = outcome, .address = address}, {}, now_);
    }
  }
  // A past in which the zone listed some.
  void MakePast() {
    for (int i = 0; i < 200; ++i) {
      Note(i % 5 == 0 ? ZoneOutcome::kListed : ZoneOutcome::kNotListed);
    }
    Probe(kOk);
    now_ += minutes(1);
  }
  ZoneStanding Shown() const { return trust_.Proof(kIpv4).standing; }
  Duration UntilProbe() const {
    return std::chrono::round<seconds>(trust_.probe_due() - now_);
  }

  Instant now_ = Clock::now();
  ZoneTrust trust_{{.label = "list"}, now_};
};

TEST_F(ZoneTrustTest, BeforeTheFirstProbeNothingIsBelieved) {
  EXPECT_FALSE(trust_.is_probed());
  EXPECT_FALSE(trust_.MayCondemn(kIpv4));
  EXPECT_FALSE(trust_.MayBan(kIpv4));
  EXPECT_LE(trust_.probe_due(), now_);
}

TEST_F(ZoneTrustTest, AGoodProbeIsBelievedForHalfAnHour) {
  trust_.NoteProbing();
  EXPECT_EQ(trust_.probe_due(), Instant::max()) << "one is on its way";
  Probe(kOk);
  EXPECT_TRUE(trust_.is_probed());
  EXPECT_TRUE(trust_.MayBan(kIpv4));
  EXPECT_TRUE(trust_.MayBeAsked(kIpv4));
  EXPECT_EQ(UntilProbe(), minutes(30));
  EXPECT_THAT(TakeLog(), HasSubstr("event=zone-state zone=list family=ipv4 "
                                   "state=ok before=unknown"));
}

TEST_F(ZoneTrustTest, ProbesOfManyZonesAreSpread) {
  ZoneTrust other({.label = "other", .spread = 1.1}, now_);
  other.NoteProbe({.ipv4 = {kOk, ""}}, now_, now_);
  EXPECT_EQ(other.probe_due() - now_, minutes(33));
}

TEST_F(ZoneTrustTest, FamiliesAreBelievedApartAndNobodyMissesIpv6) {
  Probe(kOk, kNoTestEntry);
  EXPECT_TRUE(trust_.MayBan(kIpv4));
  EXPECT_FALSE(trust_.MayBeAsked(kIpv6));
  EXPECT_THAT(TakeLog(), Not(HasSubstr("ipv6")));
  EXPECT_EQ(UntilProbe(), minutes(30)) << "nothing to wait for";
  Probe(kOk, kOk);
  EXPECT_TRUE(trust_.MayBan(kIpv6));
  EXPECT_THAT(TakeLog(), HasSubstr("family=ipv6 state=ok"));
}

TEST_F(ZoneTrustTest, AListThatHasIpv6AloneIsNoWarning) {
  Probe(kNoTestEntry, kOk);
  EXPECT_FALSE(trust_.MayBeAsked(kIpv4));
  EXPECT_TRUE(trust_.MayBan(kIpv6));
  const std::string log = TakeLog();
  EXPECT_THAT(log, HasSubstr("family=ipv6 state=ok"));
  EXPECT_THAT(log, Not(HasSubstr("family=ipv4")));
  EXPECT_EQ(UntilProbe(), minutes(30)) << "nothing to wait for";
  Probe(kOk, kOk);
  Probe(kNoTestEntry, kOk);
  EXPECT_THAT(TakeLog(), HasSubstr("family=ipv4 state=no-test-entry "
                                   "before=ok"))
      << "that it has lost IPv4 is one";
}

TEST_F(ZoneTrustTest, TheDoubtOfAListEndsWithTheFamilyThatItHas) {
  Probe(kNoTestEntry, kOk);
  now_ += minutes(1);
  Note(ZoneOutcome::kOddAnswer, 0x7f000001);
  Probe(kNoTestEntry, kUnreachable);
  EXPECT_TRUE(trust_.is_in_doubt());
  Probe(kUnreachable, kOk);
  EXPECT_FALSE(trust_.is_in_doubt()) << "nobody misses IPv4";
}

TEST_F(ZoneTrustTest, WhoHasNoTestEntryIsNotBelieved) {
  Probe(kNoTestEntry);
  EXPECT_FALSE(trust_.MayCondemn(kIpv4));
  EXPECT_FALSE(trust_.MayBeAsked(kIpv4));
  EXPECT_EQ(UntilProbe(), seconds(1));
  EXPECT_THAT(TakeLog(), HasSubstr("state=no-test-entry"));
}

TEST_F(ZoneTrustTest, ButForOneThatNeedNot) {
  trust_.SetStrict(false, now_);
  Probe(kNoTestEntry);
  EXPECT_TRUE(trust_.MayBan(kIpv4));
  EXPECT_THAT(TakeLog(), HasSubstr("state=no-test-entry"));
  EXPECT_THAT(Probe(kListsEverything), SizeIs(1));
  EXPECT_FALSE(trust_.MayCondemn(kIpv4)) << "that is never good";
}

TEST_F(ZoneTrustTest, WhoListsEverythingHasLiedSinceItsLastGoodProbe) {
  Probe(kOk, kOk);
  const Instant proven = now_;
  now_ += minutes(30);
  const auto lies = Probe(kListsEverything, kOk);
  ASSERT_THAT(lies, SizeIs(1));
  EXPECT_EQ(lies[0].family, kIpv4);
  EXPECT_EQ(lies[0].proven_at, proven);
  EXPECT_FALSE(trust_.MayCondemn(kIpv4));
  EXPECT_TRUE(trust_.MayCondemn(kIpv6));
  EXPECT_THAT(Probe(kListsEverything, kOk), IsEmpty()) << "said already";
}

TEST_F(ZoneTrustTest, OfWhoNeverWasBelievedThatIsSaid) {
  const auto lies = Probe(kListsEverything);
  ASSERT_FALSE(lies.empty());
  EXPECT_FALSE(lies[0].was_believed);
  EXPECT_EQ(lies[0].proven_at, Instant::min());
}

TEST_F(ZoneTrustTest, WhatWasProvenBeforeARestartCountsInALie) {
  const Instant proven = now_ - minutes(7);
  trust_.RestoreProof(kIpv4, {.since = proven - minutes(90), .at = proven});
  EXPECT_FALSE(trust_.MayCondemn(kIpv4)) << "that it was true says little";
  const auto lies = Probe(kListsEverything);
  ASSERT_FALSE(lies.empty());
  EXPECT_EQ(lies[0].proven_at, proven);
}

TEST_F(ZoneTrustTest, SinceWhenItIsInUseIsNoProof) {
  const Instant first = now_;
  now_ += minutes(30);
  Probe(kRefused);
  EXPECT_EQ(trust_.proven(kIpv4).since, first);
  EXPECT_EQ(trust_.proven(kIpv4).at, std::nullopt);
  now_ += minutes(30);
  Probe(kOk);
  EXPECT_EQ(trust_.proven(kIpv4).since, first);
  EXPECT_EQ(trust_.proven(kIpv4).at, now_);
}

TEST_F(ZoneTrustTest, WhoRefusesUsFirstHasLiedAllTheSame) {
  Probe(kOk);
  const Instant proven = now_;
  now_ += minutes(30);
  EXPECT_THAT(Probe(kRefused), IsEmpty());
  const auto lies = Probe(kListsEverything);
  ASSERT_THAT(lies, SizeIs(1));
  EXPECT_EQ(lies[0].proven_at, proven);
}

TEST_F(ZoneTrustTest, ALiarIsBelievedAfterTenMinutesOfGoodProbes) {
  Probe(kOk);
  Probe(kListsEverything);
  Probe(kOk);
  for (int i = 0; i < 9; ++i) {
    now_ += minutes(1);
    Probe(kOk);
    EXPECT_FALSE(trust_.MayCondemn(kIpv4)) << i;
    EXPECT_EQ(Shown(), kListsEverything) << i;
    EXPECT_LE(UntilProbe(), ZoneTrust::kLongestProbationPause);
  }
  now_ += minutes(1);
  Probe(kOk);
  EXPECT_TRUE(trust_.MayBan(kIpv4));
}

TEST_F(ZoneTrustTest, ALiarThatLiesAgainBeginsAnew) {
  Probe(kOk);
  Probe(kListsEverything);
  Probe(kOk);
  now_ += minutes(9);
  Probe(kListsEverything);
  now_ += minutes(9);
  Probe(kOk);
  EXPECT_FALSE(trust_.MayCondemn(kIpv4));
}

TEST_F(ZoneTrustTest, AnErrorCodeEndsBeliefAtOnceAndAGoodProbeBringsItBack) {
  Probe(kOk);
  TakeLog();
  Note(ZoneOutcome::kOddAnswer, 0x7ffffffe);
  EXPECT_EQ(Shown(), kRefused);
  EXPECT_FALSE(trust_.MayCondemn(kIpv4));
  EXPECT_THAT(TakeLog(), HasSubstr("state=refused before=ok "
                                   "hint=\"127.255.255.254: the list does not "
                                   "serve public resolvers"));
  EXPECT_EQ(UntilProbe(), seconds(1));
  now_ += seconds(1);
  EXPECT_THAT(Probe(kOk), IsEmpty());
  EXPECT_TRUE(trust_.MayBan(kIpv4));
}

TEST_F(ZoneTrustTest, WhatIsAnsweredAboutOneClientEndsNoBelief) {
  struct Case {
    ZoneOutcome outcome;
    uint32_t address;
  } const cases[] = {
      {ZoneOutcome::kOddAnswer, 0x7f000001},  // a code for good ones, at some
      {ZoneOutcome::kOddAnswer, 0x7f0000ff},
      {ZoneOutcome::kOddAnswer, 0x7f0001ff},
      {ZoneOutcome::kOddAnswer, 0xcb007150},
      {ZoneOutcome::kRefused, 0},
  };
  for (const auto& [outcome, address] : cases) {
    Probe(kOk);
    now_ += minutes(31);
    Note(outcome, address);
    EXPECT_EQ(Shown(), kOk) << address;
    EXPECT_TRUE(trust_.MayCondemn(kIpv4)) << address;
    EXPECT_FALSE(trust_.MayBan(kIpv4)) << "until the probe is in";
    EXPECT_EQ(UntilProbe(), seconds(0));
  }
  Probe(kRefused);
  EXPECT_FALSE(trust_.MayCondemn(kIpv4)) << "that is about the list";
}

TEST_F(ZoneTrustTest, AListThatAlwaysAnswersSomeOddlyIsDoubtedLessAndLess) {
  Probe(kOk);
  now_ += minutes(1);
  for (const int pause : {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}) {
    Note(ZoneOutcome::kOddAnswer, 0x7f000001);
    ASSERT_TRUE(trust_.is_in_doubt()) << pause;
    Probe(kOk);
    now_ += seconds(pause) - milliseconds(1);
    Note(ZoneOutcome::kOddAnswer, 0x7f000001);
    ASSERT_FALSE(trust_.is_in_doubt()) << pause;
    now_ += milliseconds(1);
  }
  now_ += ZoneTrust::kProbePeriod;
  Note(ZoneOutcome::kOddAnswer, 0x7f000001);
  Probe(kOk);
  now_ += seconds(1);
  Note(ZoneOutcome::kOddAnswer, 0x7f000001);
  EXPECT_TRUE(trust_.is_in_doubt()) << "it begins anew after a while without";
}

TEST_F(ZoneTrustTest, AListThatAnswersOddlyIsFoundOutWhenItListsTheWorld) {
  MakePast();
  Note(ZoneOutcome::kOddAnswer, 0x7f000001);
  Probe(kOk);
  Note(ZoneOutcome::kOddAnswer, 0x7f000001);
  ASSERT_FALSE(trust_.is_in_doubt());
  Note(ZoneOutcome::kListed, 0, 20);
  EXPECT_TRUE(trust_.is_in_doubt()) << "a listing does not wait";
  EXPECT_EQ(UntilProbe(), seconds(0));
}

TEST_F(ZoneTrustTest, WhoRefusesAgainAndAgainIsProbedLessAndLess) {
  Probe(kOk);
  for (const int pause : {1, 2, 4, 8}) {
    Note(ZoneOutcome::kOddAnswer, 0x7fffffff);
    EXPECT_EQ(UntilProbe(), seconds(pause));
    now_ += seconds(pause);
    Probe(kOk);
  }
  for (int i = 0; i < 20; ++i) Probe(kRefused);
  EXPECT_EQ(UntilProbe(), ZoneTrust::kLongestPause);
}

TEST_F(ZoneTrustTest, AnAnswerThatNoListCanGiveIsAReasonForDoubt) {
  Probe(kOk);
  now_ += minutes(1);
  Note(ZoneOutcome::kOddAnswer, 0xcb007150);
  EXPECT_TRUE(trust_.is_in_doubt());
  EXPECT_TRUE(trust_.MayCondemn(kIpv4));
  EXPECT_FALSE(trust_.MayBan(kIpv4));
  EXPECT_EQ(UntilProbe(), seconds(0));
  Probe(kOk);
  EXPECT_TRUE(trust_.MayBan(kIpv4));
}

TEST_F(ZoneTrustTest, ARateThatLeavesAllBoundsIsAReasonForDoubt) {
  MakePast();
  TakeLog();
  Note(ZoneOutcome::kListed, 0, 20);
  EXPECT_FALSE(trust_.MayBan(kIpv4));
  EXPECT_THAT(TakeLog(), HasSubstr("event=zone-doubt zone=list why=hit-rate"));
  Probe(kOk);
  Note(ZoneOutcome::kListed, 0, 20);
  EXPECT_TRUE(trust_.MayBan(kIpv4)) << "the probe has confirmed it";
}

TEST_F(ZoneTrustTest, AProbeThatIsLostLeavesTheDoubt) {
  MakePast();
  Note(ZoneOutcome::kListed, 0, 20);
  Probe(kUnreachable, kOk);
  EXPECT_TRUE(trust_.is_in_doubt());
  EXPECT_EQ(UntilProbe(), seconds(1));
}

TEST_F(ZoneTrustTest, AHundredListingsAskForAnotherProof) {
  Probe(kOk);
  now_ += minutes(1);
  for (int i = 0; i < ZoneTrust::kListingsForProof - 1; ++i) {
    Note(ZoneOutcome::kListed);
  }
  EXPECT_GT(UntilProbe(), minutes(20));
  Note(ZoneOutcome::kListed);
  EXPECT_EQ(UntilProbe(), seconds(0));
  EXPECT_TRUE(trust_.MayBan(kIpv4)) << "nobody doubts it";
}

TEST_F(ZoneTrustTest, WhoDoesNotAnswerIsNotAskedButWhatItSaidIsTrue) {
  Probe(kOk);
  Note(ZoneOutcome::kTimeout, 0, Breaker::kInARow);
  EXPECT_EQ(Shown(), kUnreachable);
  EXPECT_FALSE(trust_.MayBeAsked(kIpv4));
  EXPECT_TRUE(trust_.MayBan(kIpv4));
  EXPECT_EQ(UntilProbe(), seconds(1));
  EXPECT_THAT(TakeLog(), HasSubstr("state=unreachable before=ok"));
  now_ += seconds(1);
  Probe(kOk);
  EXPECT_TRUE(trust_.MayBeAsked(kIpv4));
  EXPECT_THAT(TakeLog(), HasSubstr("state=ok before=unreachable"));
}

TEST_F(ZoneTrustTest, ASilentProbeIsEnoughToStopAsking) {
  Probe(kUnreachable, kUnreachable);
  EXPECT_TRUE(trust_.is_probed());
  EXPECT_EQ(Shown(), kUnreachable);
  EXPECT_FALSE(trust_.MayCondemn(kIpv4)) << "it has never proven anything";
  EXPECT_EQ(UntilProbe(), seconds(1));
}

TEST_F(ZoneTrustTest, WhoIsBelievedBlindlyIsNeverProbed) {
  ZoneTrust blind({.label = "blind", .blind = true}, now_);
  blind.Note({.outcome = ZoneOutcome::kRefused}, {}, now_);
  EXPECT_TRUE(blind.is_probed());
  EXPECT_TRUE(blind.MayBan(kIpv6));
  EXPECT_EQ(blind.probe_due(), Instant::max());
}

TEST_F(ZoneTrustTest, OneLostAnswerOfAProbeChangesNothing) {
  Probe(kOk);
  Probe(kUnreachable, kNoTestEntry);
  EXPECT_TRUE(trust_.MayBan(kIpv4));
  EXPECT_TRUE(trust_.MayBeAsked(kIpv4));
}

TEST_F(ZoneTrustTest, AListOfDomainsIsBelievedOfDomainsOnly) {
  ZoneTrust trust({.label = "names", .type = ZoneType::kDomain}, now_);
  EXPECT_THAT(trust.NoteProbe({.domain = {kOk, ""}}, now_, now_), IsEmpty());
  EXPECT_TRUE(trust.MayBan(Family::kDomain));
  EXPECT_FALSE(trust.MayBeAsked(kIpv4));
  EXPECT_FALSE(trust.MayCondemn(kIpv6));
  EXPECT_THAT(TakeLog(), HasSubstr("zone=names family=domain state=ok"));
}

TEST_F(ZoneTrustTest, AListOfDomainsThatListsTheWorldHasLied) {
  ZoneTrust trust({.label = "names", .type = ZoneType::kDomain}, now_);
  trust.NoteProbe({.domain = {kOk, ""}}, now_, now_);
  const auto lies =
      trust.NoteProbe({.domain = {kListsEverything, ""}}, now_, now_);
  ASSERT_THAT(lies, SizeIs(1));
  EXPECT_EQ(lies[0].family, Family::kDomain);
  EXPECT_FALSE(trust.MayBeAsked(Family::kDomain));
  // As for other lists: ten good minutes.
  now_ += minutes(1);
  trust.NoteProbe({.domain = {kOk, ""}}, now_, now_);
  EXPECT_FALSE(trust.MayCondemn(Family::kDomain));
  now_ += ZoneTrust::kProbation;
  trust.NoteProbe({.domain = {kOk, ""}}, now_, now_);
  EXPECT_TRUE(trust.MayCondemn(Family::kDomain));
}

TEST_F(ZoneTrustTest, AListOfDomainsWithoutTestEntryIsBelievedIfNotStrict) {
  ZoneTrust trust({.label = "names", .type = ZoneType::kDomain}, now_);
  trust.NoteProbe({.domain = {kNoTestEntry, ""}}, now_, now_);
  EXPECT_FALSE(trust.MayCondemn(Family::kDomain));
  trust.SetStrict(false, now_);
  EXPECT_TRUE(trust.MayCondemn(Family::kDomain));
  EXPECT_THAT(trust.Proof(Family::kDomain).hint, HasSubstr("TEST"));
}

}  // namespace
}  // namespace breakwater
