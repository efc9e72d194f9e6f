#include "core/types/ban.h"

namespace breakwater {

const char* OriginName(Origin origin) {
  switch (origin) {
    case Origin::kList:
      return "list";
    case Origin::kOffence:
      return "offence";
    case Origin::kOperator:
      return "operator";
    case Origin::kBeforeRestart:
      return "before-restart";
    case Origin::kNeighbours:
      return "neighbours";
  }
  return "?";
}

std::optional<Origin> ParseOrigin(std::string_view name) {
  for (const Origin origin :
       {Origin::kList, Origin::kOffence, Origin::kOperator,
        Origin::kBeforeRestart, Origin::kNeighbours}) {
    if (name == OriginName(origin)) return origin;
  }
  return std::nullopt;
}

}  // namespace breakwater
