#include "xmmu/base/span_sums.h"

#include <gtest/gtest.h>

#include <string>

#include "xmmu/base/span_log.h"

namespace xmmu::span_sums_test {
namespace {

// "a/b 2x7": the stack, how many spans, their cycles; for each stack.
std::string TextOf(const SpanSums& spans) {
  std::string text;
  for (const SpanSum& sum : spans.sums()) {
    std::string stack;
    for (const SpanSum* at = &sum; at->name != nullptr;
         at = &spans.sums()[at->parent]) {
      stack = std::string("/") + at->name + stack;
    }
    text += stack + " " + std::to_string(sum.count) + "x" +
            std::to_string(sum.cycles) + "\n";
  }
  return text;
}

TEST(SpanSumsTest, CyclesAreThoseOfTheInnermostSpan) {
  SpanSums sums;
  sums.Attach(0, 100);
  sums.Begin(0, Actor::kXen, "a", 103);
  sums.Begin(0, Actor::kXen, "b", 110);
  sums.End(0, 130);
  sums.Begin(0, Actor::kXen, "b", 131);
  sums.End(0, 132);
  sums.End(0, 134);
  sums.CatchUp(0, 140);
  EXPECT_EQ(TextOf(sums), " 0x9\n/a 1x10\n/a/b 2x21\n");
}

TEST(SpanSumsTest, StacksOfAllTracksAreOne) {
  SpanSums sums;
  sums.Attach(0, 0);
  sums.Attach(2, 50);
  sums.Begin(0, Actor::kXen, "a", 1);
  sums.Begin(2, Actor::kXen, "a", 53);
  sums.End(0, 11);
  sums.End(2, 58);
  EXPECT_EQ(TextOf(sums), " 0x4\n/a 2x15\n");
}

TEST(SpanSumsTest, OneNameIsOneStackWhereverItsLiteralLies) {
  SpanSums sums;
  sums.Attach(0, 0);
  const std::string copy = "a";
  for (const char* name : {"a", copy.c_str()}) {
    sums.Begin(0, Actor::kXen, name, 0);
    sums.End(0, 0);
  }
  sums.Begin(0, Actor::kGuestKernel, "a", 0);
  EXPECT_EQ(TextOf(sums), " 0x0\n/a 2x0\n/a 1x0\n");
}

TEST(SpanSumsTest, NeitherWindowNorLimitIsForSums) {
  PriceList prices{};
  prices[static_cast<size_t>(CostEvent::kTlbL2Hit)] = 10;
  CycleClock clock(prices);
  SpanLog log(SpanOptions{.from = 1000, .most_records = 0, .sums = true});
  clock.set_span_log(&log, 0);
  {
    Span a(clock, Actor::kXen, "a");
    a.Arg("lost", 1);
    clock.Charge(CostEvent::kTlbL2Hit);
  }
  clock.Charge(CostEvent::kTlbL2Hit, 2);
  log.CatchUp(clock);
  EXPECT_EQ(TextOf(log.sums()), " 0x20\n/a 1x10\n");
  EXPECT_TRUE(log.records().empty());
}

// Time that a CPU idles within a span is nobody's work.
TEST(SpanSumsTest, IdleTimeIsNotSummed) {
  CycleClock clock(PriceList{});
  SpanLog log(SpanOptions{.sums = true});
  clock.set_span_log(&log, 0);
  {
    Span a(clock, Actor::kXen, "a");
    clock.AdvanceTo(Cycles(500));
  }
  EXPECT_EQ(TextOf(log.sums()), " 0x0\n/a 1x0\n");
  EXPECT_EQ(log.records()[1].time, 500u);
}

}  // namespace
}  // namespace xmmu::span_sums_test
