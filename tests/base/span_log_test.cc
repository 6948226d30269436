#include "xmmu/base/span_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "xmmu/base/cycles.h"

namespace xmmu::span_log_test {
namespace {

// An access is 1 cycle, an L2 TLB hit 10, an exception 100.
PriceList Prices() {
  PriceList prices{};
  prices[static_cast<size_t>(CostEvent::kAccess)] = 1;
  prices[static_cast<size_t>(CostEvent::kTlbL2Hit)] = 10;
  prices[static_cast<size_t>(CostEvent::kExceptionEntry)] = 100;
  return prices;
}

std::string KindsOf(const SpanLog& log) {
  std::string kinds;
  for (const SpanRecord& record : log.records()) {
    kinds += "BEiscofCO"[static_cast<size_t>(record.kind)];
  }
  return kinds;
}

TEST(SpanLogTest, AClockHasNoLogUnlessOneIsSet) {
  CycleClock clock(Prices());
  EXPECT_EQ(clock.spans(), nullptr);
  Span span(clock, Actor::kXen, "a");
  EXPECT_FALSE(span.kept());
  EXPECT_EQ(NoteFlowOut(clock, "ipi"), 0u);
}

TEST(SpanLogTest, SpansBeginAndEndWhenTheClockSaysSo) {
  CycleClock clock(Prices());
  clock.Charge(CostEvent::kExceptionEntry);
  SpanLog log(SpanOptions{}, clock.now());
  clock.set_span_log(&log, 3);
  {
    Span outer(clock, Actor::kProcessor, "outer");
    clock.Charge(CostEvent::kExceptionEntry);
    {
      Span inner(clock, Actor::kXen, "inner");
      clock.Charge(CostEvent::kTlbL2Hit, 2);
    }
    Instant(clock, Actor::kGuestKernel, "point");
  }
  ASSERT_EQ(KindsOf(log), "BBEiE");
  const auto records = log.records();
  EXPECT_EQ(records[0].time, 0u);
  EXPECT_STREQ(records[0].name, "outer");
  EXPECT_EQ(records[0].actor, Actor::kProcessor);
  EXPECT_EQ(records[1].time, 100u);
  EXPECT_EQ(records[1].actor, Actor::kXen);
  EXPECT_EQ(records[2].time, 120u);
  EXPECT_EQ(records[3].actor, Actor::kGuestKernel);
  EXPECT_EQ(records[4].time, 120u);
  for (const SpanRecord& record : records) EXPECT_EQ(record.track, 3u);
  EXPECT_EQ(log.track_count(), 4u);
}

TEST(SpanLogTest, ArgumentsAreThoseOfTheirRecordInOrder) {
  CycleClock clock(Prices());
  SpanLog log(SpanOptions{});
  clock.set_span_log(&log, 0);
  {
    Span outer(clock, Actor::kXen, "outer");
    outer.Arg("first", 1);
    {
      Span inner(clock, Actor::kXen, "inner");
      inner.Hex("va", 0x5000).Word("op", "pin");
    }
    outer.Arg("second", 2);
  }
  const auto outer = log.ArgsOf(log.records()[0]);
  ASSERT_EQ(outer.size(), 2u);
  EXPECT_STREQ(outer[0].name, "first");
  EXPECT_EQ(outer[0].number, 1u);
  EXPECT_STREQ(outer[1].name, "second");
  const auto inner = log.ArgsOf(log.records()[1]);
  ASSERT_EQ(inner.size(), 2u);
  EXPECT_TRUE(inner[0].hex);
  EXPECT_EQ(inner[0].number, 0x5000u);
  EXPECT_STREQ(inner[1].text, "pin");
  EXPECT_TRUE(log.ArgsOf(log.records()[2]).empty());
}

TEST(SpanLogTest, ChargesAreRecordedIfWantedAndOnlyThen) {
  for (const bool charges : {false, true}) {
    CycleClock clock(Prices());
    const OwnEventId own = clock.AddOwnEvent(Component::kVmExit, 7);
    SpanLog log(SpanOptions{.charges = charges});
    clock.set_span_log(&log, 0);
    {
      Span span(clock, Actor::kXen, "a");
      clock.Charge(CostEvent::kExceptionEntry);
      clock.Charge(own, 3);
    }
    EXPECT_EQ(KindsOf(log), charges ? "BCOE" : "BE");
    EXPECT_EQ(clock.busy(), Cycles(121));
    EXPECT_EQ(clock.tally(own), 3u);
    if (!charges) continue;
    EXPECT_EQ(log.records()[1].event,
              static_cast<uint32_t>(CostEvent::kExceptionEntry));
    EXPECT_EQ(log.records()[1].time, 0u);
    EXPECT_EQ(log.records()[2].event, static_cast<uint32_t>(own));
    EXPECT_EQ(log.records()[2].value, 3u);
    EXPECT_EQ(log.records()[2].time, 100u);
  }
}

// A clock says nothing of accesses, since they are charged on the way of each
// hit; the log has them before whatever comes next.
TEST(SpanLogTest, AccessesOfTheProgramComeBeforeTheNextRecord) {
  CycleClock clock(Prices());
  clock.Charge(CostEvent::kAccess, 5);
  SpanLog log(SpanOptions{.charges = true}, clock.now());
  clock.set_span_log(&log, 0);
  {
    Span span(clock, Actor::kXen, "a");
    clock.Charge(CostEvent::kAccess, 2);
    clock.Charge(CostEvent::kAccess);
    clock.Charge(CostEvent::kTlbL2Hit);
    clock.Charge(CostEvent::kAccess);
  }
  ASSERT_EQ(KindsOf(log), "BCCCE");
  EXPECT_EQ(log.records()[1].event, static_cast<uint32_t>(CostEvent::kAccess));
  EXPECT_EQ(log.records()[1].value, 3u);
  EXPECT_EQ(log.records()[1].time, 0u);
  EXPECT_EQ(log.records()[2].time, 3u);
  EXPECT_EQ(log.records()[3].time, 13u);
  EXPECT_EQ(log.records()[4].time, 14u);
}

TEST(SpanLogTest, StepsAndFineSpansComeWithChargesOnly) {
  for (const bool charges : {false, true}) {
    CycleClock clock(Prices());
    SpanLog log(SpanOptions{.charges = charges});
    clock.set_span_log(&log, 0);
    {
      Span span(clock, Actor::kXen, "a");
      Step(clock, Actor::kXen, "found").Arg("level", 1);
      Span fine(clock, Actor::kXen, "b", SpanDetail::kFine);
    }
    EXPECT_EQ(KindsOf(log), charges ? "BsBEE" : "BE");
  }
}

TEST(SpanLogTest, TheWindowTakesWhatBeginsInIt) {
  CycleClock clock(Prices());
  SpanLog log(SpanOptions{.from = 10, .length = 20});
  clock.set_span_log(&log, 0);
  const auto span = [&](const char* name) {
    Span here(clock, Actor::kXen, name);
    clock.Charge(CostEvent::kTlbL2Hit);
  };
  {
    Span before(clock, Actor::kXen, "before");  // begins at 0
    clock.Charge(CostEvent::kTlbL2Hit);
    span("first");   // at 10
    span("second");  // at 20, and ends at 30
  }
  span("after");  // at 30
  ASSERT_EQ(KindsOf(log), "BEBE");
  EXPECT_STREQ(log.records()[0].name, "first");
  EXPECT_EQ(log.records()[3].time, 30u);
  EXPECT_EQ(log.dropped(), 0u);
}

TEST(SpanLogTest, BeyondTheLimitOnlyEndsAreTaken) {
  CycleClock clock(Prices());
  SpanLog log(SpanOptions{.most_records = 2});
  clock.set_span_log(&log, 0);
  {
    Span a(clock, Actor::kXen, "a");
    Span b(clock, Actor::kXen, "b");
    Span c(clock, Actor::kXen, "c");
    c.Arg("lost", 1);
    NoteCounter(clock, "pages", 4);
  }
  EXPECT_EQ(KindsOf(log), "BBEE");
  EXPECT_EQ(log.dropped(), 2u);
}

TEST(SpanLogTest, FlowsJoinTracksAndCountersHaveValues) {
  CycleClock one(Prices());
  CycleClock two(Prices());
  SpanLog log(SpanOptions{});
  one.set_span_log(&log, 0);
  two.set_span_log(&log, 1);
  const uint64_t first = NoteFlowOut(one, "ipi");
  const uint64_t second = NoteFlowOut(one, "ipi");
  EXPECT_NE(first, second);
  NoteFlowIn(two, "ipi", second);
  NoteCounter(two, "pages", 4);
  ASSERT_EQ(KindsOf(log), "oofc");
  EXPECT_EQ(log.records()[2].value, second);
  EXPECT_EQ(log.records()[2].track, 1u);
  EXPECT_EQ(log.records()[3].value, 4u);
}

TEST(SpanLogTest, ALogThatIsTakenAwayGetsNothingMore) {
  CycleClock clock(Prices());
  SpanLog log(SpanOptions{.charges = true});
  clock.set_span_log(&log, 0);
  clock.Charge(CostEvent::kTlbL2Hit);
  clock.set_span_log(nullptr, 0);
  clock.Charge(CostEvent::kTlbL2Hit);
  EXPECT_EQ(KindsOf(log), "C");
  EXPECT_EQ(clock.busy(), Cycles(20));
}

TEST(SpanLogTest, EachActorHasAName) {
  EXPECT_EQ(ActorName(Actor::kProcessor), "processor");
  EXPECT_EQ(ActorName(Actor::kXen), "xen");
  EXPECT_EQ(ActorName(Actor::kGuestKernel), "kernel");
}

TEST(SpanLogDeathTest, TimeThatStepsBackHasNoLog) {
  CycleClock clock(Prices());
  SpanLog log(SpanOptions{});
  clock.set_span_log(&log, 0);
  EXPECT_DEATH(clock.SetOverlap({2, 0}), "");
}

}  // namespace
}  // namespace xmmu::span_log_test
