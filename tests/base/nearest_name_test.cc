#include "base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

namespace xmmu::nearest_name_test {
namespace {

constexpr std::array<std::string_view, 5> kNames = {
    "native", "pinning", "trap-and-emulate", "trap-and-emulate-next",
    "writable-page-tables"};

std::string_view Nearest(std::string_view given) {
  return NearestName(given, kNames);
}

TEST(NearestNameTest, ALetterMissingWrongTooManyOrSwapped) {
  EXPECT_EQ(Nearest("pining"), "pinning");
  EXPECT_EQ(Nearest("pinnimg"), "pinning");
  EXPECT_EQ(Nearest("pinnning"), "pinning");
  EXPECT_EQ(Nearest("pinnign"), "pinning");
  EXPECT_EQ(Nearest("natvie"), "native");
}

TEST(NearestNameTest, CaseAndPunctuationDoNotCount) {
  EXPECT_EQ(Nearest("Trap_And_Emulate"), "trap-and-emulate");
  EXPECT_EQ(Nearest("trap and emulate next"), "trap-and-emulate-next");
  EXPECT_EQ(Nearest("trapandemulate"), "trap-and-emulate");
}

TEST(NearestNameTest, ABeginningIsEnough) {
  EXPECT_EQ(Nearest("writable"), "writable-page-tables");
  EXPECT_EQ(Nearest("trap"), "trap-and-emulate");
}

TEST(NearestNameTest, ASingularFindsItsPlural) {
  constexpr std::string_view kOptions[] = {"machine", "policies", "pin"};
  EXPECT_EQ(NearestName("policy", kOptions), "policies");
  EXPECT_EQ(NearestName("polixx", kOptions), "policies");
  EXPECT_EQ(NearestName("polxxx", kOptions), "");
  EXPECT_EQ(NearestName("pixy", kOptions), "");
}

TEST(NearestNameTest, OneLetterInThreeMayBeWrongAndNoMore) {
  EXPECT_EQ(Nearest("nxxive"), "native");
  EXPECT_EQ(Nearest("nxxxve"), "");
}

TEST(NearestNameTest, WhatIsLikeNothingHasNoneNear) {
  EXPECT_EQ(Nearest("hugepages"), "");
  EXPECT_EQ(Nearest(""), "");
  EXPECT_EQ(Nearest("---"), "");
  EXPECT_EQ(Nearest(std::string(1 << 20, 'n')), "");
  EXPECT_EQ(NearestName("native", {}), "");
}

}  // namespace
}  // namespace xmmu::nearest_name_test
