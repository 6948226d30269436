#include "xmmu/report/text_table.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace xmmu::text_table_test {
namespace {

TEST(GroupedTest, CommasStandEveryThreeDigits) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1000), "1,000");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Grouped(std::numeric_limits<uint64_t>::max()),
            "18,446,744,073,709,551,615");
}

TEST(CompactTest, NumbersBelowTenThousandAreExact) {
  EXPECT_EQ(Compact(0), "0");
  EXPECT_EQ(Compact(9'999), "9,999");
  EXPECT_EQ(Compact(10'000), "10.0k");
}

TEST(CompactTest, LargerNumbersKeepThreeDigitsRoundedDown) {
  EXPECT_EQ(Compact(123'999), "123k");
  EXPECT_EQ(Compact(999'999), "999k");
  EXPECT_EQ(Compact(1'000'000), "1.00M");
  EXPECT_EQ(Compact(1'239'999), "1.23M");
  EXPECT_EQ(Compact(12'399'999), "12.3M");
  EXPECT_EQ(Compact(5'000'000'000), "5.00G");
  EXPECT_EQ(Compact(std::numeric_limits<uint64_t>::max()), "18.4E");
}

TEST(TextTableTest, TheFirstColumnsAreLeftAlignedTheOthersRightAligned) {
  TextTable table(1);
  table.Add({"name", "number"});
  table.Rule();
  table.Add({"a", "1"});
  table.Add({"longer", "1,000,000"});
  EXPECT_EQ(table.Format(),
            "  name       number\n"
            "  -----------------\n"
            "  a               1\n"
            "  longer  1,000,000\n");
}

TEST(TextTableTest, WideTablesHaveNarrowGaps) {
  TextTable table(2);
  table.Add({"#", std::string(115, 'x')});
  EXPECT_EQ(table.Format(), "  #  " + std::string(115, 'x') + "\n");
  table.Add({"#", std::string(116, 'x')});
  EXPECT_EQ(table.Format(), " # " + std::string(115, 'x') + "\n # " +
                                std::string(116, 'x') + "\n");
}

TEST(TextTableTest, LinesHaveNoTrailingBlanks) {
  TextTable table(2);
  table.Add({"a", "wide"});
  table.Add({"b", ""});
  EXPECT_EQ(table.Format(),
            "  a  wide\n"
            "  b\n");
}

}  // namespace
}  // namespace xmmu::text_table_test
