#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "core/types/ban.h"

namespace breakwater {

struct Rules;

// What a ban rests on, as a memory keeps it: one line for each listing and each
// offence, by names that mean the same under other rules.
//
//   1                    the ban's own list, by the first of its filters
//   a zen.example.org    another list, by its filters 2 and 4 (hex, bit by bit)
//   -1 zen.example.org   the same, which might not ban then
//   +trap                an offence
//   .                    nothing: it stands for itself, whoever lies
//
// Empty where nothing is known of it. Most take one byte.
inline constexpr size_t kLongestBasis = 64 << 10;
std::string BasisOf(const Ban& ban);

// And back, under these rules. Lists that they do not have are left out, and so
// is what says nothing sound. Of whose basis nothing is known, a list's ban
// rests on that list.
Evidence EvidenceFrom(std::string_view basis, const Ban& ban,
                      std::shared_ptr<const Rules> rules);

}  // namespace breakwater
