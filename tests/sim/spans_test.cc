// Spans of whole runs: they change no figure, nest, and their charges add up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "xmmu/base/span_log.h"
#include "xmmu/policy/policies.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/workload/synthetic.h"

namespace xmmu::spans_test {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kWorkloads[] = {"fork:pages=60",
                                           "threads:pages=8,shared=4,rounds=2"};

SimulatorOptions OptionsOf(std::string_view policy, int vcpus) {
  SimulatorOptions options;
  options.policy = policy;
  options.vcpus = vcpus;
  options.guest_memory_bytes = uint64_t{64} << 20;
  return options;
}

ReportRow RowOf(const SimulatorOptions& options, std::string_view spec) {
  auto workload = MakeSyntheticWorkload(spec);
  EXPECT_TRUE(workload.ok()) << workload.status();
  auto simulator = Simulator::Create(options);
  EXPECT_TRUE(simulator.ok()) << simulator.status();
  if (!workload.ok() || !simulator.ok()) return {};
  auto row = (*simulator)->Run(**workload);
  EXPECT_TRUE(row.ok()) << row.status();
  return row.ok() ? *row : ReportRow();
}

// Every begin has its end, no earlier than itself; time on a track does not
// step back, and spans of one track nest by construction.
void ExpectNested(const SpanLog& log) {
  std::vector<std::vector<uint64_t>> open(log.track_count());
  std::vector<uint64_t> last(log.track_count());
  for (const SpanRecord& record : log.records()) {
    ASSERT_LT(record.track, log.track_count());
    ASSERT_GE(record.time, last[record.track]);
    last[record.track] = record.time;
    auto& spans = open[record.track];
    if (record.kind == SpanKind::kBegin) {
      ASSERT_NE(record.name, nullptr);
      spans.push_back(record.time);
    } else if (record.kind == SpanKind::kEnd) {
      ASSERT_FALSE(spans.empty());
      spans.pop_back();
    }
  }
  for (const auto& spans : open) EXPECT_TRUE(spans.empty());
}

uint64_t SumOfCharges(const SpanLog& log, const ReportRow& row,
                      const PriceList& prices) {
  uint64_t sum = 0;
  for (const SpanRecord& record : log.records()) {
    if (record.kind == SpanKind::kCharge) {
      sum += record.value * prices[record.event];
    } else if (record.kind == SpanKind::kOwnCharge) {
      sum += record.value * row.own_events[record.event].event.price;
    }
  }
  return sum;
}

class SpansTest : public ::testing::TestWithParam<int> {};

TEST_P(SpansTest, NoFigureDependsOnThemAndChargesAddUp) {
  for (const PolicyEntry& policy : Policies()) {
    for (const std::string_view spec : kWorkloads) {
      SCOPED_TRACE(std::string(policy.name) + " " + std::string(spec));
      SimulatorOptions options = OptionsOf(policy.name, GetParam());
      const auto probe = Simulator::Create(options);
      if (absl::IsUnimplemented(probe.status())) continue;
      ASSERT_TRUE(probe.ok()) << probe.status();
      const ReportRow without = RowOf(options, spec);
      EXPECT_EQ(without.spans, nullptr);
      options.spans = SpanOptions{.charges = true};
      const ReportRow with = RowOf(options, spec);
      EXPECT_EQ(with.cost, without.cost);
      EXPECT_EQ(with.guest_digest, without.guest_digest);
      ASSERT_NE(with.spans, nullptr);
      EXPECT_EQ(with.spans->dropped(), 0u);
      ExpectNested(*with.spans);
      EXPECT_EQ(SumOfCharges(*with.spans, with, (*probe)->machine().prices()),
                with.cost.cycles.count());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Vcpus, SpansTest, ::testing::Values(1, 3));

// What a row has of the names.
std::string NamesOf(const ReportRow& row) {
  std::string names;
  for (const SpanRecord& record : row.spans->records()) {
    if (record.kind == SpanKind::kEnd) continue;
    names += " " + std::to_string(record.track) + ":" + record.name;
  }
  return names;
}

TEST(SpansTest, RowsHaveTheirSpansHoweverManyRunAtATime) {
  std::vector<std::string> seen[2];
  for (const int threads : {1, 2}) {
    ComparisonOptions options;
    options.base = OptionsOf("", 2);
    options.base.spans = SpanOptions{};
    options.jobs.threads = threads;
    const auto comparison = Compare(options, [](const SimulatorOptions&) {
      return MakeSyntheticWorkload(kWorkloads[1]);
    });
    ASSERT_TRUE(comparison.ok()) << comparison.status();
    EXPECT_FALSE(comparison->options.spans.has_value());
    for (const ReportRow& row : comparison->rows) {
      seen[threads - 1].push_back(NamesOf(row));
    }
  }
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_THAT(seen[0][0], HasSubstr(" 1:IPI"));
  EXPECT_THAT(seen[0][1], HasSubstr(" 0:do_update_va_mapping"));
}

TEST(SpansTest, EachInterruptThatIsSentArrives) {
  SimulatorOptions options = OptionsOf("shadow-2006", 3);
  options.spans = SpanOptions{};
  const ReportRow row = RowOf(options, kWorkloads[1]);
  std::vector<uint64_t> sent;
  std::vector<uint64_t> arrived;
  for (const SpanRecord& record : row.spans->records()) {
    if (record.kind == SpanKind::kFlowOut) sent.push_back(record.value);
    if (record.kind == SpanKind::kFlowIn) arrived.push_back(record.value);
  }
  EXPECT_FALSE(sent.empty());
  EXPECT_EQ(sent, arrived);
}

TEST(SpansTest, TimeThatStepsBackIsRefused) {
  for (const Overlap overlap : {Overlap{2, 0}, Overlap{1, 500}}) {
    SimulatorOptions options = OptionsOf("native", 1);
    options.spans = SpanOptions{};
    options.overlap = overlap;
    const absl::Status status = Simulator::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("spans"));
  }
}

}  // namespace
}  // namespace xmmu::spans_test
