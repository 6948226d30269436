// Threads whose recorded order is kept by kPost and kAwait, under every
// strategy.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "xmmu/report/report.h"
#include "xmmu/sim/compare.h"

namespace xmmu::ordered_threads_test {
namespace {

using ::testing::HasSubstr;

constexpr TaskId kThreads = 4;
constexpr uint64_t kAreas = 6;
constexpr uint64_t kPagesOfArea = 5;
constexpr uint64_t kSteps = 1500;

using Streams = std::map<TaskId, std::vector<GuestOp>>;

// A recording that is made up: in each step some thread touches what is mapped,
// or maps or unmaps an area. Its streams keep the order so: before an unmap its
// thread awaits all others that have done something since they last posted, and
// they post; behind a map or unmap it posts, and each other thread awaits that
// before it does anything more.
class Recording {
 public:
  explicit Recording(uint64_t seed) : random_(seed) {
    for (TaskId thread = 2; thread <= kThreads; ++thread) {
      streams_[1].push_back({.kind = GuestOpKind::kClone, .child = thread});
    }
    for (uint64_t i = 0; i < kSteps; ++i) Step(1 + Below(kThreads));
    for (TaskId thread = 1; thread <= kThreads; ++thread) {
      streams_[thread].push_back({.kind = GuestOpKind::kExit});
    }
  }

  const Streams& streams() const { return streams_; }
  uint64_t accesses() const { return accesses_; }

 private:
  struct Thread {
    uint64_t points = 0;
    bool busy = false;                  // since it last posted
    std::map<TaskId, uint64_t> awaits;  // before it does anything more
  };

  uint32_t Below(uint64_t end) {
    return static_cast<uint32_t>(random_() % end);
  }

  void Emit(TaskId thread, const GuestOp& op) {
    for (const auto& [other, points] : threads_[thread].awaits) {
      streams_[thread].push_back(
          {.kind = GuestOpKind::kAwait, .length = points, .child = other});
    }
    threads_[thread].awaits.clear();
    threads_[thread].busy = true;
    streams_[thread].push_back(op);
  }
  void Post(TaskId thread) {
    streams_[thread].push_back({.kind = GuestOpKind::kPost});
    ++threads_[thread].points;
    threads_[thread].busy = false;
  }

  void Step(TaskId thread) {
    const uint64_t area = Below(kAreas);
    const VirtAddr va = VirtAddr(0x10000000) + area * (uint64_t{1} << 22);
    if (mapped_[area] && Below(12) != 0) {
      ++accesses_;
      return Emit(thread, {.kind = Below(2) == 0 ? GuestOpKind::kLoad
                                                 : GuestOpKind::kStore,
                           .va = va + Below(kPagesOfArea) * kPageSize,
                           .length = 8});
    }
    if (mapped_[area]) {
      for (TaskId other = 1; other <= kThreads; ++other) {
        if (other == thread || !threads_[other].busy) continue;
        Post(other);
        threads_[thread].awaits[other] = threads_[other].points;
      }
    }
    Emit(thread,
         {.kind = mapped_[area] ? GuestOpKind::kUnmap : GuestOpKind::kMap,
          .rights = kMapRead | kMapWrite,
          .va = va,
          .length = kPagesOfArea * kPageSize});
    mapped_[area] = !mapped_[area];
    Post(thread);
    for (TaskId other = 1; other <= kThreads; ++other) {
      if (other == thread) continue;
      threads_[other].awaits[thread] = threads_[thread].points;
    }
  }

  std::mt19937_64 random_;
  Streams streams_;
  std::map<TaskId, Thread> threads_;
  bool mapped_[kAreas] = {};
  uint64_t accesses_ = 0;
};

class Replay final : public Workload {
 public:
  explicit Replay(const Streams& streams) : streams_(streams) {}
  std::string name() const override { return "ordered threads"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) override {
    return streams_.at(task);
  }

 private:
  const Streams& streams_;
};

absl::StatusOr<Comparison> ReplayAll(const Streams& streams, PagingMode mode,
                                     int vcpus, uint64_t quantum) {
  ComparisonOptions options;
  options.base.machine = "skylake-2017";
  options.base.mode = mode;
  options.base.vcpus = vcpus;
  options.base.quantum_ops = quantum;
  options.base.guest_memory_bytes = uint64_t{32} << 20;
  options.leave_out_unsupported = true;
  options.policies.clear();
  for (const PolicyEntry& entry : Policies()) {
    options.policies.push_back({std::string(entry.name), {}});
  }
  return Compare(options, [&](const SimulatorOptions&) {
    return absl::StatusOr<std::unique_ptr<Workload>>(
        std::make_unique<Replay>(streams));
  });
}

// Nobody touches what is not mapped yet, or no more. Compare() holds the
// digests of all rows against each other.
TEST(OrderedThreadsTest, EveryStrategyKeepsTheOrderAndShowsThemTheSame) {
  for (const PagingMode mode : {PagingMode::kPae, PagingMode::k4Level}) {
    for (const int vcpus : {1, 2, 4}) {
      for (const uint64_t quantum : {uint64_t{3}, uint64_t{100}}) {
        SCOPED_TRACE(absl::StrCat(std::string(PagingModeName(mode)), ", ",
                                  vcpus, " vCPUs, quantum ", quantum));
        const Recording recording(quantum * kThreads +
                                  static_cast<uint64_t>(vcpus));
        const auto comparison =
            ReplayAll(recording.streams(), mode, vcpus, quantum);
        ASSERT_TRUE(comparison.ok()) << comparison.status();
        EXPECT_GT(comparison->rows.size(), 8u);
        for (const ReportRow& row : comparison->rows) {
          EXPECT_EQ(row.cost.count(Counter::kSignals), 0u) << RowLabel(row);
          EXPECT_EQ(row.cost.count(Counter::kAccesses), recording.accesses());
        }
      }
    }
  }
}

TEST(OrderedThreadsTest, WithoutThePointsTheOrderIsAnother) {
  Streams streams = Recording(1).streams();
  for (auto& [thread, ops] : streams) {
    std::erase_if(
        ops, [](const GuestOp& op) { return op.kind >= GuestOpKind::kPost; });
  }
  for (const int vcpus : {1, 4}) {
    const auto comparison = ReplayAll(streams, PagingMode::kPae, vcpus, 100);
    ASSERT_TRUE(comparison.ok()) << comparison.status();
    EXPECT_GT(comparison->rows[0].cost.count(Counter::kSignals), 0u);
  }
}

// What several vCPUs leave out is what the streams have in common, however they
// are ordered; on one vCPU that is nothing.
TEST(OrderedThreadsTest, TheReportSaysWhatSeveralVcpusDoNotCompare) {
  const Recording recording(5);
  const auto one = ReplayAll(recording.streams(), PagingMode::kPae, 1, 100);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->rows[0].not_compared.accesses, 0u);
  EXPECT_EQ(one->rows[0].not_compared.threaded_spaces, 0u);
  const auto two = ReplayAll(recording.streams(), PagingMode::kPae, 2, 100);
  ASSERT_TRUE(two.ok()) << two.status();
  for (const ReportRow& row : two->rows) {
    EXPECT_EQ(row.not_compared.accesses, two->rows[0].not_compared.accesses);
    EXPECT_EQ(row.not_compared.pages, kAreas * kPagesOfArea);
    EXPECT_EQ(row.not_compared.threaded_spaces, 1u);
  }
  EXPECT_THAT(FormatReport(*two, ReportFormat::kText),
              HasSubstr("to 30 pages that another task may change are not "
                        "compared, nor are faults in 1 address space with "
                        "threads"));
}

}  // namespace
}  // namespace xmmu::ordered_threads_test
