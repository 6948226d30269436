// What a comparison tells JobProgress of the operations of its rows.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "xmmu/base/jobs.h"
#include "xmmu/sim/compare.h"

namespace xmmu::job_progress_test {
namespace {

// Hands out a system call a hundred times, then has no memory if it `fails`, or
// ends.
class FailingWorkload final : public Workload {
 public:
  explicit FailingWorkload(bool fails) : fails_(fails) {}

  std::string name() const override { return "failing"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    if (++calls_ <= 100) return std::span<const GuestOp>(&call_, 1);
    if (fails_) throw std::bad_alloc();
    return std::span<const GuestOp>(&exit_, 1);
  }

 private:
  const bool fails_;
  int calls_ = 0;
  const GuestOp call_ = {.kind = GuestOpKind::kSyscall};
  const GuestOp exit_ = {.kind = GuestOpKind::kExit};
};

// Maps a page where no process may have one.
class RefusedWorkload final : public Workload {
 public:
  std::string name() const override { return "refused"; }
  TaskId first_task() const override { return 1; }
  absl::StatusOr<std::span<const GuestOp>> Next(TaskId) override {
    return std::span<const GuestOp>(&map_, 1);
  }

 private:
  const GuestOp map_ = {.kind = GuestOpKind::kMap,
                        .rights = kMapRead,
                        .va = VirtAddr(uint64_t{1} << 62),
                        .length = kPageSize};
};

TEST(JobProgressTest, OperationsOfARowThatIsRunAgainCountOnce) {
  for (const bool fails : {false, true}) {
    JobProgress progress;
    ComparisonOptions options;
    options.jobs.threads = 2;
    options.jobs.progress = &progress;
    std::atomic<int> failures = fails ? 1 : 0;
    const auto comparison =
        Compare(options,
                [&](const SimulatorOptions&)
                    -> absl::StatusOr<std::unique_ptr<Workload>> {
                  return std::make_unique<FailingWorkload>(failures-- > 0);
                });
    ASSERT_TRUE(comparison.ok()) << comparison.status();
    EXPECT_EQ(progress.operations(), 101 * comparison->rows.size()) << fails;
  }
}

TEST(JobProgressTest, OperationsOfARowThatFailsAreTakenBack) {
  JobProgress progress;
  ComparisonOptions options;
  options.jobs.progress = &progress;
  const auto comparison =
      Compare(options,
              [&](const SimulatorOptions&)
                  -> absl::StatusOr<std::unique_ptr<Workload>> {
                return std::make_unique<RefusedWorkload>();
              });
  EXPECT_FALSE(comparison.ok());
  EXPECT_EQ(progress.operations(), 0u);
}

}  // namespace
}  // namespace xmmu::job_progress_test
