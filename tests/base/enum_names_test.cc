// Names of enums: one table gives name, help, parsing and all values.

#include "base/enum_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace xmmu::enum_names_test {
namespace {

enum class Colour : uint8_t { kRed, kBlue };

constexpr EnumNames<Colour, 2> kColours({{
    {Colour::kRed, "red", "the colour of errors"},
    {Colour::kBlue, "blue", "the colour of the sky"},
}});

TEST(EnumNamesTest, EachValueHasItsNameAndHelp) {
  EXPECT_EQ(kColours.Name(Colour::kBlue), "blue");
  EXPECT_EQ(kColours.Help(Colour::kRed), "the colour of errors");
}

TEST(EnumNamesTest, AValueIsFoundByItsVeryName) {
  EXPECT_EQ(kColours.Parse("blue"), Colour::kBlue);
  EXPECT_EQ(kColours.Parse("Blue"), std::nullopt);
  EXPECT_EQ(kColours.Parse(""), std::nullopt);
}

TEST(EnumNamesTest, AllAreInOrder) {
  EXPECT_THAT(kColours.All(),
              ::testing::ElementsAre(Colour::kRed, Colour::kBlue));
}

TEST(EnumNamesDeathTest, RowsOutOfOrderAreABrokenTable) {
  using Rows = std::array<EnumName<Colour>, 2>;
  const Rows rows = {{{Colour::kBlue, "blue"}, {Colour::kRed, "red"}}};
  EXPECT_DEATH((EnumNames<Colour, 2>(rows)), "check failed");
}

TEST(WantedNameTest, ANearNameIsOfferedAndAFarOneNot) {
  constexpr std::string_view kNames[] = {"red", "blue"};
  EXPECT_EQ(WantedName("bleu", kNames),
            "did you mean blue? There are red, blue");
  EXPECT_EQ(WantedName("green", kNames), "want red, blue");
}

}  // namespace
}  // namespace xmmu::enum_names_test
