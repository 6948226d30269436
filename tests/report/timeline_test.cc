#include "xmmu/report/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "nlohmann/json.hpp"
#include "report/example_comparison.h"
#include "xmmu/base/span_log.h"

namespace xmmu::timeline_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

PriceList Prices() {
  PriceList prices{};
  prices[static_cast<size_t>(CostEvent::kTlbL2Hit)] = 10;
  return prices;
}

// Two CPUs: a span within another, with arguments each, an interrupt, a point,
// a counter.
std::shared_ptr<SpanLog> ExampleLog(const SpanOptions& options) {
  auto log = std::make_shared<SpanLog>(options);
  CycleClock one(Prices());
  CycleClock two(Prices());
  one.set_span_log(log.get(), 0);
  two.set_span_log(log.get(), 1);
  one.Charge(CostEvent::kTlbL2Hit);
  {
    Span outer(one, Actor::kProcessor, "#PF");
    outer.Hex("va", 0x5000).Arg("n", 3).Word("why", "a \"quote\"");
    Span inner(one, Actor::kXen, "flush");
    inner.Arg("hidden", 1);
    one.Charge(CostEvent::kTlbL2Hit);
    const uint64_t flow = NoteFlowOut(one, "IPI");
    two.AdvanceTo(one.now());
    Span target(two, Actor::kProcessor, "IPI");
    NoteFlowIn(two, "IPI", flow);
    two.Charge(CostEvent::kTlbL2Hit, 2);
    Instant(two, Actor::kGuestKernel, "point");
    NoteCounter(two, "pages", 7);
    Span none(two, Actor::kXen, "none");
  }
  log->CatchUp(one);
  log->CatchUp(two);
  return log;
}

Comparison ExampleWith(const SpanOptions& options) {
  Comparison comparison = Example();
  comparison.rows[1].spans = ExampleLog(options);
  return comparison;
}

// "X 0:10+20 name" of each event but those that name things.
std::vector<std::string> EventsOf(const nlohmann::json& trace) {
  std::vector<std::string> events;
  for (const nlohmann::json& event : trace["traceEvents"]) {
    if (event["ph"] == "M") continue;
    std::string text = event["ph"].get<std::string>() + " " +
                       event["tid"].dump() + ":" + event["ts"].dump();
    if (event.contains("dur")) text += "+" + event["dur"].dump();
    if (event.contains("id")) text += " #" + event["id"].dump();
    events.push_back(text + " " + event["name"].get<std::string>());
  }
  return events;
}

TEST(TimelineTest, ARowIsAProcessAndACpuAThread) {
  const auto trace = nlohmann::json::parse(RenderTimeline(ExampleWith({})));
  EXPECT_EQ(trace["otherData"]["unit"], "1 us = 1 cycle");
  const auto& events = trace["traceEvents"];
  EXPECT_EQ(events[0]["args"]["name"],
            "pinning/update-va-mapping/late on test (1 us = 1 cycle)");
  EXPECT_EQ(events[2]["args"]["name"], "vCPU 0");
  EXPECT_EQ(events[3]["args"]["name"], "vCPU 1");
  EXPECT_THAT(EventsOf(trace),
              ElementsAre("X 0:10+10 #PF", "X 0:10+10 flush", "s 0:20 #1 IPI",
                          "X 1:20+20 IPI", "f 1:20 #1 IPI", "i 1:40 point",
                          "C 1:40 pages", "i 1:40 none"));
}

TEST(TimelineTest, OnlyOutermostSpansHaveArguments) {
  const auto trace = nlohmann::json::parse(RenderTimeline(ExampleWith({})));
  const auto& events = trace["traceEvents"];
  EXPECT_EQ(events[4]["args"].dump(),
            R"({"n":3,"va":"0x5000","why":"a \"quote\""})");
  EXPECT_FALSE(events[5].contains("args"));
}

TEST(TimelineTest, FlowsOfRowsHaveDifferentNumbers) {
  Comparison comparison = ExampleWith({});
  comparison.rows[0].spans = comparison.rows[1].spans;
  const std::string text = RenderTimeline(comparison);
  EXPECT_THAT(text, HasSubstr("\"id\":1}"));
  EXPECT_THAT(text, HasSubstr("\"id\":2}"));
}

TEST(TimelineTest, AFlowWithOneEndIsLeftOut) {
  // The interrupt is sent, and no event more is taken.
  const Comparison comparison = ExampleWith({.most_records = 3});
  EXPECT_THAT(EventsOf(nlohmann::json::parse(RenderTimeline(comparison))),
              ElementsAre("X 0:10+10 #PF", "X 0:10+10 flush"));
}

TEST(TimelineTest, ASpanThatIsOpenEndsWithItsTrack) {
  Comparison comparison = Example();
  auto log = std::make_shared<SpanLog>(SpanOptions{});
  CycleClock clock(Prices());
  clock.set_span_log(log.get(), 0);
  const Span open(clock, Actor::kXen, "open");
  clock.Charge(CostEvent::kTlbL2Hit);
  Instant(clock, Actor::kXen, "last");
  comparison.rows[0].spans = std::make_shared<SpanLog>(*log);
  EXPECT_THAT(EventsOf(nlohmann::json::parse(RenderTimeline(comparison))),
              ElementsAre("X 0:0+10 open", "i 0:10 last"));
}

TEST(TimelineTest, WhatIsLeftOutIsSaid) {
  EXPECT_EQ(LeftOutOfTimeline(ExampleWith({})), "");
  const Comparison comparison = ExampleWith({.most_records = 2});
  EXPECT_EQ(LeftOutOfTimeline(comparison),
            "the timelines of 1 of 2 rows end after 2 events; want "
            "--timeline-from and --timeline-for");
  const auto trace = nlohmann::json::parse(RenderTimeline(comparison));
  EXPECT_EQ(trace["otherData"]["left_out"].dump(),
            R"({"pinning/update-va-mapping/late":6})");
}

TEST(StacksTest, CyclesAreTheStacksOwnAndActorsStandWhereTheyChange) {
  EXPECT_EQ(RenderStacks(ExampleWith({})), "");
  EXPECT_EQ(RenderStacks(ExampleWith({.sums = true})),
            "pinning/update-va-mapping/late;program 10\n"
            "pinning/update-va-mapping/late;processor;#PF;xen;flush 10\n"
            "pinning/update-va-mapping/late;processor;IPI 20\n");
}

}  // namespace
}  // namespace xmmu::timeline_test
