// Simulations side by side come to what they come to one after the other. With
// a sanitizer that looks for races (tests/run.sh --all) this is also the test
// that they share nothing which anybody writes to.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "xmmu/policy/policies.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"
#include "xmmu/sim/simulator.h"
#include "xmmu/study/studies.h"
#include "xmmu/workload/packed_trace.h"
#include "xmmu/workload/synthetic.h"
#include "xmmu/workload/trace.h"

namespace xmmu::side_by_side_test {
namespace {

constexpr uint64_t kMemory = uint64_t{64} << 20;

WorkloadFactory Synthetic(std::string spec) {
  return
      [spec](const SimulatorOptions&) { return MakeSyntheticWorkload(spec); };
}

WorkloadFactory Traced(std::vector<std::string> files) {
  return [files](const SimulatorOptions& row)
             -> absl::StatusOr<std::unique_ptr<Workload>> {
    TraceOptions options;
    if (LinearAddressBits(row.mode) == 32) options.address_limit = 0xC0000000;
    auto trace = OpenTrace(files, options);
    if (!trace.ok()) return trace.status();
    return *std::move(trace);
  };
}

std::vector<std::string> TinyLogs() {
  const std::string directory =
      absl::StrCat(XMMU_SOURCE_DIR, "/tests/golden/outputs/inputs/");
  return {directory + "tiny.200", directory + "tiny.201"};
}

// A packed trace of the same.
std::string TinyPacked() {
  const std::string path =
      absl::StrCat(::testing::TempDir(), "/side_by_side.xmmu");
  auto trace = OpenTrace(TinyLogs(), {});
  EXPECT_TRUE(trace.ok()) << trace.status();
  auto writer = PackedTraceWriter::Create(path, PackedHeadOf(**trace));
  EXPECT_TRUE(writer.ok()) << writer.status();
  const absl::Status packed = PackTrace(**trace, **writer);
  EXPECT_TRUE(packed.ok()) << packed;
  return path;
}

// Every strategy there is, with its variants.
ComparisonOptions Everything(PagingMode mode) {
  ComparisonOptions options;
  options.base.mode = mode;
  if (mode == PagingMode::k4Level) options.base.machine = "skylake-2017";
  options.base.guest_memory_bytes = kMemory;
  options.leave_out_unsupported = true;
  options.policies.clear();
  for (const PolicyEntry& entry : Policies()) {
    options.policies.push_back({std::string(entry.name), {}});
  }
  return options;
}

std::string Compared(ComparisonOptions options, const WorkloadFactory& workload,
                     int threads) {
  options.jobs.threads = threads;
  const auto comparison = Compare(options, workload);
  if (!comparison.ok()) return std::string(comparison.status().message());
  return FormatReport(*comparison, ReportFormat::kJson);
}

void ExpectSameSideBySide(const ComparisonOptions& options,
                          const WorkloadFactory& workload) {
  const std::string alone = Compared(options, workload, 1);
  EXPECT_NE(alone.find("\"rows\""), std::string::npos) << alone;
  EXPECT_EQ(Compared(options, workload, 4), alone);
}

TEST(SideBySideTest, TwoSimulatorsOnTwoThreadsAreAsOneBehindTheOther) {
  SimulatorOptions options;
  options.policy = "shadow-2008";
  options.guest_memory_bytes = kMemory;
  const auto digest_of = [&] {
    auto workload = MakeSyntheticWorkload("fork:pages=40,cow=10");
    auto simulator = Simulator::Create(options);
    auto row = (*simulator)->Run(**workload);
    return absl::StrCat(row->guest_digest, " ", row->cost.cycles.count());
  };
  const std::string alone = digest_of();
  std::string first;
  std::string second;
  std::thread one([&] { first = digest_of(); });
  std::thread two([&] { second = digest_of(); });
  one.join();
  two.join();
  EXPECT_EQ(first, alone);
  EXPECT_EQ(second, alone);
}

TEST(SideBySideTest, RowsOverASyntheticWorkload) {
  ExpectSameSideBySide(Everything(PagingMode::kPae),
                       Synthetic("fork:pages=20,cow=5"));
  ExpectSameSideBySide(Everything(PagingMode::k4Level),
                       Synthetic("touch:pages=20"));
}

TEST(SideBySideTest, RowsOverTraces) {
  ComparisonOptions options;
  options.base.guest_memory_bytes = kMemory;
  ExpectSameSideBySide(options, Traced(TinyLogs()));
  ExpectSameSideBySide(options, Traced({TinyPacked()}));
  ExpectSameSideBySide(
      options,
      Traced({absl::StrCat(XMMU_SOURCE_DIR,
                           "/tests/workload/linux_text/recorded/ftrace.gz")}));
}

TEST(SideBySideTest, RowsThatMigrate) {
  ComparisonOptions options;
  options.base.guest_memory_bytes = kMemory;
  options.base.migration.rounds = 2;
  options.base.migration.every_ops = 50;
  ExpectSameSideBySide(options, Synthetic("mprotect:pages=20,rounds=2"));
}

TEST(SideBySideTest, Studies) {
  StudyRequest request;
  request.bases = {{.mode = PagingMode::kPae, .guest_memory_bytes = kMemory},
                   {.machine = "core2-2006",
                    .mode = PagingMode::k2Level,
                    .guest_memory_bytes = kMemory}};
  request.workloads = {Synthetic("fork:pages=3")};
  request.tables = {"vmexit", "asplos06"};
  request.sweep = SweepOptions{.samples = 20};
  for (const char* name : {"batches", "shadows", "published"}) {
    // The shadows' events take the longest, and one base has all of them.
    if (name == std::string("shadows")) request.bases.resize(1);
    const auto text_by = [&](int threads) {
      request.jobs.threads = threads;
      const auto document = FindStudy(name)->run(request);
      return document.ok() ? Render(*document, ReportFormat::kJson)
                           : std::string(document.status().message());
    };
    const std::string alone = text_by(1);
    EXPECT_GT(alone.size(), 1000u) << alone;
    EXPECT_EQ(text_by(4), alone) << name;
  }
}

TEST(SideBySideTest, TheErrorIsThatOfTheFirstRowThatHasOne) {
  ComparisonOptions options = Everything(PagingMode::kPae);
  const auto plan = PlanComparison(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const std::string third = plan->rows[2].policy;
  // From the third strategy on there is no workload.
  const auto workload = [&](const SimulatorOptions& row)
      -> absl::StatusOr<std::unique_ptr<Workload>> {
    for (size_t i = 0; i < plan->rows.size(); ++i) {
      if (plan->rows[i].policy == third) break;
      if (plan->rows[i].policy == row.policy) {
        return MakeSyntheticWorkload("touch:pages=3000");
      }
    }
    return absl::InvalidArgumentError(absl::StrCat("none for ", row.policy));
  };
  for (const int threads : {1, 2, 4}) {
    EXPECT_EQ(Compared(options, workload, threads), "none for " + third);
  }
}

// A workload without an end, which asks for a stop after a while.
class Endless final : public Workload {
 public:
  explicit Endless(std::stop_source& stop) : stop_(stop) {}

  std::string name() const override { return "endless"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    if (++pieces_ == 100) stop_.request_stop();
    return std::span<const GuestOp>(&op_, 1);
  }

 private:
  const GuestOp op_ = {.kind = GuestOpKind::kSyscall};
  std::stop_source& stop_;
  int pieces_ = 0;
};

TEST(SideBySideTest, AStopEndsRowsInTheMiddle) {
  for (const int threads : {1, 3}) {
    std::stop_source stop;
    ComparisonOptions options;
    options.base.guest_memory_bytes = kMemory;
    options.jobs = {.threads = threads, .stop = stop.get_token()};
    const auto comparison =
        Compare(options,
                [&](const SimulatorOptions&)
                    -> absl::StatusOr<std::unique_ptr<Workload>> {
                  return std::make_unique<Endless>(stop);
                });
    EXPECT_TRUE(absl::IsCancelled(comparison.status())) << comparison.status();
  }
}

// All operations of a task at once, more than a piece that can be stopped has.
class OneSpan final : public Workload {
 public:
  OneSpan() : ops_(40000, {.kind = GuestOpKind::kSyscall}) {
    ops_.back().kind = GuestOpKind::kExit;
  }

  std::string name() const override { return "one-span"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    return ops_;
  }

 private:
  std::vector<GuestOp> ops_;
};

TEST(SideBySideTest, AStopThatDoesNotComeChangesNothing) {
  std::vector<Cost> costs;
  const std::stop_source stop;
  for (const std::stop_token& token : {std::stop_token(), stop.get_token()}) {
    auto simulator =
        Simulator::Create({.guest_memory_bytes = kMemory, .stop = token});
    ASSERT_TRUE(simulator.ok()) << simulator.status();
    OneSpan workload;
    const auto row = (*simulator)->Run(workload);
    ASSERT_TRUE(row.ok()) << row.status();
    costs.push_back(row->cost);
    EXPECT_EQ(row->cost.count(Counter::kSyscalls), 40000u);
  }
  EXPECT_EQ(costs[0], costs[1]);
}

}  // namespace
}  // namespace xmmu::side_by_side_test
