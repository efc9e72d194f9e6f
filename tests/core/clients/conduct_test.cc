#include "core/clients/conduct.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dns/mail_domain.h"
#include "core/types/normal_name.h"
#include "tests/core/loop.h"
#include "tests/fakes/dns_server.h"
#include "tests/fakes/fake_lists.h"

namespace breakwater {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::IsEmpty;
using Kinds = OffenceKinds;

Client ClientAt(std::string_view address) {
  return {.connection = {.client = *IpAddress::Parse(address),
                         .client_port = 4711,
                         .server = *IpAddress::Parse("192.0.2.25"),
                         .server_port = 25}};
}

class ConductTest : public testing::Test {
 protected:
  ConductTest()
      : resolver_(*Resolver::Make(loop_, {.servers = {dns_.address()},
                                          .timeout = milliseconds(100),
                                          .tries = 1})),
        domains_(loop_, *resolver_, {}),
        lists_(loop_),
        conduct_(lists_, &domains_, metrics_) {
    Use();
  }

  OffenceRule& Rule(OffenceKind kind) { return rules_.offences[kind]; }
  void Use() {
    shared_ = std::make_shared<const Rules>(rules_);
    conduct_.SetRules(shared_);
    lists_.SetRules(shared_);
  }
  Conduct::Findings Look(const Client& client, Told told,
                         bool is_good = false) {
    return Await(loop_,
                 conduct_.Look(client, std::move(told), {.rules = shared_},
                               is_good, Clock::now() + kPatience));
  }
  Kinds Did(const Client& client, OffenceKind kind, bool is_good = false) {
    Told told;
    told.offences.push_back({.kind = kind});
    return Look(client, std::move(told), is_good).strikes;
  }

  asio::io_context loop_;
  FakeDnsServer dns_;
  std::unique_ptr<Resolver> resolver_;
  MailDomains domains_;
  FakeLists lists_;
  Metrics metrics_;
  Rules rules_;
  std::shared_ptr<const Rules> shared_;
  Conduct conduct_;
};

TEST_F(ConductTest, WhatIsOffIsNotEvenCounted) {
  EXPECT_THAT(Did(ClientAt("192.0.2.1"), OffenceKind::kTrap), IsEmpty());
  EXPECT_EQ(conduct_.book().size(), 0u);
}

TEST_F(ConductTest, StrikesWhenTheRuleWasBrokenOftenEnough) {
  Rule(OffenceKind::kRelay) = {.mode = OffenceMode::kOn, .after = 3};
  Use();
  const Client client = ClientAt("192.0.2.1");
  EXPECT_THAT(Did(client, OffenceKind::kRelay), IsEmpty());
  EXPECT_THAT(Did(client, OffenceKind::kRelay), IsEmpty());
  EXPECT_THAT(Did(ClientAt("192.0.2.2"), OffenceKind::kRelay), IsEmpty());
  EXPECT_THAT(Did(client, OffenceKind::kRelay),
              ElementsAre(OffenceKind::kRelay));
  EXPECT_EQ(metrics_.Offences("relay", "counted").Value(), 3);
  EXPECT_EQ(metrics_.Offences("relay", "strikes").Value(), 1);
}

TEST_F(ConductTest, ObservedIsCountedAndNothingElse) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kObserve};
  Use();
  EXPECT_THAT(Did(ClientAt("192.0.2.1"), OffenceKind::kTrap), IsEmpty());
  EXPECT_EQ(metrics_.Offences("trap", "observed").Value(), 1);
  EXPECT_EQ(conduct_.book().size(), 1u);
}

TEST_F(ConductTest, OneWithAWeightStandsUntilItsWindowIsOver) {
  Rule(OffenceKind::kRelay) = {.mode = OffenceMode::kOn, .weight = 1};
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  Use();
  const Client client = ClientAt("192.0.2.1");
  Did(client, OffenceKind::kRelay);
  Did(client, OffenceKind::kTrap);
  EXPECT_THAT(conduct_.Standing(client), ElementsAre(OffenceKind::kRelay));
  EXPECT_THAT(Look(client, {}).strikes, ElementsAre(OffenceKind::kRelay));
}

TEST_F(ConductTest, AReportMaySayForHowLongToBan) {
  Rule(OffenceKind::kVirus) = {.mode = OffenceMode::kOn};
  Use();
  Told told;
  told.offences.push_back(
      {.kind = OffenceKind::kVirus, .ban_duration = hours(12)});
  EXPECT_EQ(Look(ClientAt("192.0.2.1"), std::move(told)).ban_duration,
            hours(12));
}

// ---- HELO ------------------------------------------------------------------

TEST_F(ConductTest, WhoSaysHeloWithOurNameOrAddressForgesIt) {
  rules_.conduct.own_names = {"mail.example.org", ""};
  for (const char* helo :
       {"mail.example.org", "MAIL.Example.Org.", "192.0.2.25", "[192.0.2.25]",
        "[IPv6:::ffff:192.0.2.25]"}) {
    Client client = ClientAt("198.51.100.7");
    client.helo = helo;
    EXPECT_TRUE(IsForgedHelo(rules_, client)) << helo;
  }
  for (const char* helo : {"", "example.org", "192.0.2.26", "[198.51.100.7]",
                           "mail.example.org.evil.test", "[", "[]"}) {
    Client client = ClientAt("198.51.100.7");
    client.helo = helo;
    EXPECT_FALSE(IsForgedHelo(rules_, client)) << helo;
  }
}

TEST_F(ConductTest, OurNameBeyondAsciiIsOursInEachOfItsForms) {
  rules_.conduct.own_names = {NormalName("mx.b\u00fccher.example.")};
  for (const char* helo : {"mx.b\u00fccher.example", "MX.B\u00dcCHER.example.",
                           "mx.xn--bcher-kva.example"}) {
    Client client = ClientAt("198.51.100.7");
    client.helo = helo;
    EXPECT_TRUE(IsForgedHelo(rules_, client)) << helo;
  }
}

TEST_F(ConductTest, AForgedHeloStrikes) {
  rules_.conduct.own_names = {"mail.example.org"};
  Rule(OffenceKind::kHelo) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt("198.51.100.7");
  client.helo = "mail.example.org";
  EXPECT_THAT(Look(client, {.sender = true}).strikes, IsEmpty());
  EXPECT_THAT(Look(client, {.names = true}).strikes,
              ElementsAre(OffenceKind::kHelo));
}

// ---- Senders ---------------------------------------------------------------

TEST_F(ConductTest, ASenderWhoseDomainCannotReceiveMailStrikes) {
  Rule(OffenceKind::kSender) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt("198.51.100.7");
  client.sender = "<spam@nowhere.test>";
  EXPECT_THAT(Look(client, {.sender = true}).strikes,
              ElementsAre(OffenceKind::kSender));
}

TEST_F(ConductTest, ADnsErrorIsNobodysOffence) {
  dns_.Otherwise(Rcode(kServFail));
  Rule(OffenceKind::kSender) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt("198.51.100.7");
  client.sender = "<spam@nowhere.test>";
  EXPECT_THAT(Look(client, {.sender = true}).strikes, IsEmpty());
}

TEST_F(ConductTest, DomainsThatAreOursAreNotLookedUp) {
  Rule(OffenceKind::kSender) = {.mode = OffenceMode::kOn};
  rules_.conduct.unasked_domains = {"example.org"};
  Use();
  Client client = ClientAt("198.51.100.7");
  for (const char* sender : {"<a@example.org>", "<a@mail.Example.ORG>"}) {
    client.sender = sender;
    EXPECT_THAT(Look(client, {.sender = true}).strikes, IsEmpty()) << sender;
  }
  client.sender = "<a@not-example.org>";
  EXPECT_THAT(Look(client, {.sender = true}).strikes,
              ElementsAre(OffenceKind::kSender));
}

TEST_F(ConductTest, TheNullSenderIsNeverLookedAt) {
  Rule(OffenceKind::kSender) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt("198.51.100.7");
  for (const char* sender : {"<>", ""}) {
    client.sender = sender;
    EXPECT_THAT(Look(client, {.sender = true}).strikes, IsEmpty());
  }
  EXPECT_EQ(dns_.queries(), 0u);
}

TEST_F(ConductTest, ABounceToATrapIsRefusedAndNobodysOffence) {
  Rule(OffenceKind::kTrap) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt("198.51.100.7");
  Told told;
  told.offences.push_back({.kind = OffenceKind::kTrap, .bounce = true});
  for (const char* sender : {"", "<>"}) {
    client.sender = sender;
    const Conduct::Findings findings = Look(client, told);
    EXPECT_TRUE(findings.hit_trap);
    EXPECT_THAT(findings.strikes, IsEmpty());
    told.offences[0].bounce = false;
  }
  client.sender = "<a@example.org>";
  EXPECT_THAT(Look(client, told).strikes, ElementsAre(OffenceKind::kTrap));
}

TEST_F(ConductTest, AGoodClientsBouncesToUnknownUsersAreNotItsDoing) {
  Rule(OffenceKind::kUnknownRecipient) = {.mode = OffenceMode::kOn};
  Rule(OffenceKind::kRejectedCommands) = {.mode = OffenceMode::kOn};
  Use();
  Client client = ClientAt("198.51.100.7");
  client.sender = "<>";
  EXPECT_THAT(Did(client, OffenceKind::kUnknownRecipient, true), IsEmpty());
  EXPECT_THAT(Did(client, OffenceKind::kRejectedCommands, true), IsEmpty());
  EXPECT_THAT(Did(client, OffenceKind::kUnknownRecipient, false),
              ElementsAre(OffenceKind::kUnknownRecipient));
  client.sender = "<a@b.test>";
  EXPECT_THAT(Did(client, OffenceKind::kUnknownRecipient, true),
              ElementsAre(OffenceKind::kUnknownRecipient));
}

// ---- Names on lists --------------------------------------------------------

TEST_F(ConductTest, ListsOfDomainsAreAskedAboutWhatIsNew) {
  rules_.zones = {{.name = "dbl.test", .type = ZoneType::kDomain}};
  Use();
  lists_.ListName("spam.test");
  Client client = ClientAt("198.51.100.7");
  client.helo = "mx.spam.test";
  client.reverse_name = "host.spam.test";
  client.sender = "<a@spam.test>";
  EXPECT_THAT(Look(client, {.names = true}).answers.listings, IsEmpty());
  EXPECT_EQ(lists_.asked_names().size(), 2u);
  const auto found = Look(client, {.sender = true});
  ASSERT_EQ(found.answers.listings.size(), 1u);
  EXPECT_EQ(found.answers.listings[0].name, NameKind::kSender);
  EXPECT_EQ(lists_.asked_names().size(), 3u);
}

// ---- Connections -----------------------------------------------------------

TEST_F(ConductTest, TooManyConnectionsStrikeFromThenOn) {
  Rule(OffenceKind::kConnections) = {
      .mode = OffenceMode::kOn, .after = 3, .window = minutes(1)};
  Use();
  const Client client = ClientAt("192.0.2.1");
  EXPECT_THAT(conduct_.NoteConnection(client, 1, 1), IsEmpty());
  EXPECT_THAT(conduct_.NoteConnection(client, 1, 1), IsEmpty());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(conduct_.NoteConnection(client, 1, 1),
                ElementsAre(OffenceKind::kConnections));
  }
  EXPECT_THAT(conduct_.NoteConnection(ClientAt("192.0.2.2"), 1, 1), IsEmpty());
}

TEST_F(ConductTest, NeighboursHaveALimitTogether) {
  Rule(OffenceKind::kConnections) = {
      .mode = OffenceMode::kOn, .after = 100, .window = minutes(1)};
  rules_.conduct.network_connections = 5;
  Use();
  for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3",
                              "192.0.2.4", "192.0.3.1", "192.0.3.2"}) {
    EXPECT_THAT(conduct_.NoteConnection(ClientAt(address), 1, 1), IsEmpty());
  }
  EXPECT_THAT(conduct_.NoteConnection(ClientAt("192.0.2.5"), 1, 1),
              ElementsAre(OffenceKind::kConnections));
}

TEST_F(ConductTest, TooManySessionsAtOnceStrike) {
  Rule(OffenceKind::kSessions) = {.mode = OffenceMode::kOn, .after = 10};
  rules_.conduct.network_sessions = 30;
  Use();
  const Client client = ClientAt("192.0.2.1");
  EXPECT_THAT(conduct_.NoteConnection(client, 9, 29), IsEmpty());
  EXPECT_THAT(conduct_.NoteConnection(client, 10, 10),
              ElementsAre(OffenceKind::kSessions));
  EXPECT_THAT(conduct_.NoteConnection(client, 1, 30),
              ElementsAre(OffenceKind::kSessions));
}

TEST_F(ConductTest, WhoMerelyConnectsPushesNoOffenderOut) {
  rules_.conduct.clients = 10;
  Rule(OffenceKind::kConnections) = {.mode = OffenceMode::kOn, .after = 1000};
  Rule(OffenceKind::kRelay) = {.mode = OffenceMode::kOn, .after = 2};
  Use();
  Did(ClientAt("192.0.2.1"), OffenceKind::kRelay);
  for (uint32_t n = 0; n < 100; ++n) {
    conduct_.NoteConnection(
        {.connection = {.client = IpAddress::FromV4(0x0a000000 + n)}}, 1, 1);
  }
  EXPECT_THAT(Did(ClientAt("192.0.2.1"), OffenceKind::kRelay),
              ElementsAre(OffenceKind::kRelay));
}

TEST_F(ConductTest, ASenderBeyondAsciiIsLookedUpByItsALabels) {
  Rule(OffenceKind::kSender) = {.mode = OffenceMode::kOn};
  rules_.conduct.unasked_domains = {"xn--bcher-kva.example"};
  Use();
  Client client = ClientAt("198.51.100.7");
  client.sender = "<a@mx.b\u00fccher.example>";
  EXPECT_THAT(Look(client, {.sender = true}).strikes, IsEmpty());
  client.sender = "<a@f\u00fcr.test>";
  EXPECT_THAT(Look(client, {.sender = true}).strikes,
              ElementsAre(OffenceKind::kSender));
  EXPECT_TRUE(domains_.Known("xn--fr-xka.test", Clock::now()));
}

// ---- What needs no look ----------------------------------------------------

class InterestTest : public ConductTest {
 protected:
  InterestTest() {
    client_.helo = "mail.example.org";
    client_.sender = "someone@example.org";
    trap_.offences.push_back({.kind = OffenceKind::kTrap});
  }
  bool Interests(const Told& told) const {
    return IsOfInterest(rules_, &domains_, client_, told);
  }

  Client client_ = ClientAt("192.0.2.1");
  const Told names_{.names = true};
  const Told sender_{.sender = true};
  Told trap_;
};

TEST_F(InterestTest, WhatNoRuleIsAboutNeedsNoLook) {
  for (const Told& told : {names_, sender_, trap_}) {
    EXPECT_FALSE(Interests(told));
  }
  rules_.zones = {{.name = "zen.test"}};
  EXPECT_FALSE(Interests(names_));
  EXPECT_FALSE(AreNamesOfInterest(rules_));
  rules_.offences[OffenceKind::kTrap].mode = OffenceMode::kOn;
  EXPECT_TRUE(Interests(trap_));
}

TEST_F(InterestTest, AZoneOfDomainsIsAboutItsKindsOfNames) {
  rules_.zones = {{.name = "dbl.test",
                   .type = ZoneType::kDomain,
                   .names = {NameKind::kSender}}};
  EXPECT_FALSE(Interests(names_));
  EXPECT_FALSE(AreNamesOfInterest(rules_));
  EXPECT_TRUE(Interests(sender_));
  rules_.zones[0].names = {NameKind::kHelo};
  EXPECT_TRUE(Interests(names_));
  EXPECT_TRUE(AreNamesOfInterest(rules_));
  EXPECT_FALSE(Interests(sender_));
}

TEST_F(InterestTest, ANameThatCannotBeListedIsOfNone) {
  rules_.zones = {{.name = "dbl.test",
                   .type = ZoneType::kDomain,
                   .names = {NameKind::kHelo, NameKind::kSender}}};
  client_.helo = "[192.0.2.1]";
  EXPECT_FALSE(Interests(names_));
  client_.sender = "";
  EXPECT_FALSE(Interests(sender_));
}

TEST_F(InterestTest, NamesBeyondAsciiAreAskedAboutByTheirALabels) {
  rules_.zones = {{.name = "dbl.test",
                   .type = ZoneType::kDomain,
                   .names = {NameKind::kHelo, NameKind::kSender}}};
  client_.helo = "b\u00fccher.example";
  client_.sender = "<u@B\u00dccher.example>";
  client_.reverse_name = "b\u00fccher.example.";
  EXPECT_TRUE(Interests(names_));
  EXPECT_TRUE(Interests(sender_));
  for (const NameKind kind : kNameKinds) {
    EXPECT_EQ(NameOf(client_, kind), "xn--bcher-kva.example")
        << NameKindName(kind);
  }
}

TEST_F(InterestTest, AnHonestHeloIsOfNoneAndAForgedOneIs) {
  rules_.offences[OffenceKind::kHelo].mode = OffenceMode::kObserve;
  rules_.conduct.own_names = {"mx.example.net"};
  EXPECT_TRUE(AreNamesOfInterest(rules_));
  EXPECT_FALSE(Interests(names_));
  client_.helo = "mx.example.net";
  EXPECT_TRUE(Interests(names_));
}

TEST_F(InterestTest, ABounceAndAnUnaskedDomainNeedNoLook) {
  rules_.offences[OffenceKind::kSender].mode = OffenceMode::kOn;
  EXPECT_TRUE(Interests(sender_));
  rules_.conduct.unasked_domains = {"example.org"};
  EXPECT_FALSE(Interests(sender_));
  client_.sender = "<>";
  EXPECT_FALSE(Interests(sender_));
}

TEST_F(InterestTest, NorDoesADomainThatIsKnownToReceiveMail) {
  rules_.offences[OffenceKind::kSender].mode = OffenceMode::kOn;
  dns_.On("example.org", Says({"198.51.100.1"}));
  Await(loop_, domains_.Look("example.org", Clock::now() + kPatience));
  EXPECT_FALSE(Interests(sender_));
  client_.sender = "someone@nowhere.example";
  Await(loop_, domains_.Look("nowhere.example", Clock::now() + kPatience));
  EXPECT_TRUE(Interests(sender_)) << "what is known is no good";
}

TEST(SpareTest, NetworksAndVerifiedNamesAreSpared) {
  SpareRules rules{.names = {"mx.backup.test", ".forwarder.test",
                             NormalName(".F\u00fcr.Test.")}};
  rules.networks.Add(*Network::Parse("203.0.113.0/24"));
  Client client = ClientAt("198.51.100.7");
  EXPECT_FALSE(IsSpared(rules, client));
  EXPECT_TRUE(IsSpared(rules, ClientAt("203.0.113.9")));
  for (const char* name : {"mx.backup.test", "MX.Backup.Test.",
                           "a.b.forwarder.test", "mx.f\u00fcr.test"}) {
    client.reverse_name = name;
    client.reverse_verified = true;
    EXPECT_TRUE(IsSpared(rules, client)) << name;
    client.reverse_verified = false;
    EXPECT_FALSE(IsSpared(rules, client)) << name;
  }
  client.reverse_verified = true;
  for (const char* name : {"", "backup.test", "forwarder.test",
                           "evilforwarder.test", "mx.backup.test.evil.test"}) {
    client.reverse_name = name;
    EXPECT_FALSE(IsSpared(rules, client)) << name;
  }
}

}  // namespace
}  // namespace breakwater
