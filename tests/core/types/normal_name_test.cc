#include "core/types/normal_name.h"

#include <gtest/gtest.h>

#include "core/types/domain_name.h"

namespace breakwater {
namespace {

// "bücher", as UTF-8, and in what only looks otherwise.
constexpr char kBuecher[] = "b\u00fccher.example";
constexpr char kALabel[] = "xn--bcher-kva.example";

TEST(NormalNameTest, ANameBeyondAsciiIsThatOfItsALabels) {
  for (const std::string& text :
       {std::string(kBuecher), std::string("B\u00dcCHER.Example."),
        std::string("b"
                    "u\u0308cher.example"),             // decomposed
        std::string("b\u00fccher\u3002example"),        // an ideographic dot
        std::string("b\u00fccher.\uff45xample\uff61"),  // wide; at the end
        std::string("b\u00fc\u00adcher.example"),       // a soft hyphen
        std::string("XN--BCHER-KVA.example.")}) {
    EXPECT_EQ(NormalName(text), kALabel) << text;
    EXPECT_EQ(ListedName(text), kALabel) << text;
  }
  EXPECT_EQ(NormalName(std::string(".") + kBuecher), ".xn--bcher-kva.example");
}

TEST(NormalNameTest, WhatHasNoALabelsStaysInLowerCase) {
  EXPECT_EQ(NormalName("A\xfc.Example."), "a\xfc.example");
  EXPECT_EQ(NormalName("\u2603.Example"), "\u2603.example");
  const std::string long_name = std::string(5000, 'A') + "\u00fc";
  EXPECT_EQ(NormalName(long_name), std::string(5000, 'a') + "\u00fc");
  EXPECT_EQ(NormalName(std::string_view("A\0\u00fc", 4)),
            std::string_view("a\0\u00fc", 4));
  EXPECT_EQ(NormalName(""), "");
}

}  // namespace
}  // namespace breakwater
