#include "core/types/client.h"

namespace breakwater {

const char* FrontName(Front front) {
  switch (front) {
    case Front::kPolicy:
      return "policy";
    case Front::kMilter:
      return "milter";
    case Front::kReport:
      return "report";
    case Front::kOperator:
      return "operator";
  }
  return "?";
}

}  // namespace breakwater
