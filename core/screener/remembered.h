#pragma once

#include <vector>

#include "core/bans/ban_growth.h"
#include "core/bans/remembered_ban.h"
#include "core/clients/good_history.h"
#include "core/clients/offence_book.h"
#include "core/dnsbl/ledger.h"
#include "core/types/allowance.h"
#include "core/types/ban.h"
#include "core/zones/zone_proven.h"

namespace breakwater {

// What is known of clients, and was asked of lists, and is to outlive the
// process. Of clients, who was seen last comes first.
struct Remembered {
  std::vector<RememberedBan> bans;
  std::vector<BanGrowth::Entry> growth;
  std::vector<OffenceBook::Entry> offences;
  std::vector<GoodHistory::Entry> history;
  std::vector<Allowance> allowances;
  std::vector<Lifting> liftings;
  std::vector<ZoneDay> zones;
  std::vector<ZoneProven> proofs;
  // Of what is read late: somebody has let them in before they were known.
  std::vector<Ban> mistakes = {};
};

}  // namespace breakwater
