#include "xmmu/base/counters.h"

#include <set>

#include "gtest/gtest.h"

namespace xmmu::counters_test {
namespace {

TEST(CountersTest, StartAtZero) {
  const Counters counters;
  for (size_t i = 0; i < kCounterCount; ++i) {
    EXPECT_EQ(counters[static_cast<Counter>(i)], 0u);
  }
}

TEST(CountersTest, EachCountsForItself) {
  Counters counters;
  counters.Add(Counter::kPageWalks);
  counters.Add(Counter::kPins, 3);
  EXPECT_EQ(counters[Counter::kPageWalks], 1u);
  EXPECT_EQ(counters[Counter::kPins], 3u);
  EXPECT_EQ(counters[Counter::kUnpins], 0u);
}

TEST(CountersTest, SumAndDifferenceAreInverse) {
  Counters before;
  before.Add(Counter::kIpis, 5);
  Counters since;
  since.Add(Counter::kIpis, 2);
  since.Add(Counter::kForks, 1);
  Counters after = before;
  after += since;
  EXPECT_EQ(after - before, since);
}

TEST(CountersTest, NamesAreDistinctAndExplained) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    EXPECT_TRUE(names.insert(CounterName(counter)).second)
        << CounterName(counter);
    EXPECT_FALSE(CounterHelp(counter).empty());
  }
}

// A command prints the help of one counter by itself.
TEST(CountersTest, EachHelpIsTrueWhenReadAlone) {
  std::set<std::string_view> helps;
  for (size_t i = 0; i < kCounterCount; ++i) {
    const std::string_view help = CounterHelp(static_cast<Counter>(i));
    EXPECT_TRUE(helps.insert(help).second) << help;
    EXPECT_FALSE(help.starts_with("...")) << help;
    EXPECT_FALSE(help.starts_with("with ")) << help;
    EXPECT_NE(help.back(), '.') << help;
  }
}

TEST(CountersTest, ClosedTablesAreCountedByPowersOfTwo) {
  EXPECT_EQ(PtwrClosedCounter(0), Counter::kPtwrClosed0);
  EXPECT_EQ(PtwrClosedCounter(1), Counter::kPtwrClosed1);
  EXPECT_EQ(PtwrClosedCounter(2), Counter::kPtwrClosed2);
  EXPECT_EQ(PtwrClosedCounter(3), Counter::kPtwrClosed4);
  EXPECT_EQ(PtwrClosedCounter(4), Counter::kPtwrClosed4);
  EXPECT_EQ(PtwrClosedCounter(5), Counter::kPtwrClosed8);
  EXPECT_EQ(PtwrClosedCounter(512), Counter::kPtwrClosed512);
  EXPECT_EQ(PtwrClosedCounter(513), Counter::kPtwrClosed1024);
  EXPECT_EQ(PtwrClosedCounter(1024), Counter::kPtwrClosed1024);
}

}  // namespace
}  // namespace xmmu::counters_test
