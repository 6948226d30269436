// Tests that guests with large pages and guests without see the same: programs
// of random operations, with the seed of each.

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "guest/large_world.h"

namespace xmmu::large_digest_test {
namespace {

// Draws operations on a few regions of large pages, more often at their edges.
class Program {
 public:
  Program(uint32_t seed, PagingMode mode)
      : dice_(seed), region_(uint64_t{1} << LevelShift(mode, 2)) {}

  struct Step {
    TaskId task;
    GuestOp op;
  };

  std::vector<Step> Draw(int count) {
    std::vector<Step> steps;
    for (uint64_t i = 0; i < kRegions; i += 2) {
      steps.push_back({1, LargeMap(kLarge + i * region_, 2 * region_)});
      steps.push_back({1, i == 0 ? Store(kLarge) : Load(kLarge)});
    }
    for (int i = 0; i < count; ++i) {
      const TaskId task = tasks_[Below(tasks_.size())];
      steps.push_back({task, DrawOp(task)});
    }
    while (!tasks_.empty()) {
      steps.push_back({tasks_.back(), Of(GuestOpKind::kExit)});
      tasks_.pop_back();
    }
    return steps;
  }

 private:
  static constexpr uint64_t kRegions = 4;

  uint64_t Below(uint64_t limit) { return dice_() % limit; }
  VirtAddr Place() {
    const uint64_t pages = region_ >> kPageShift;
    const uint64_t page[] = {0, 0, 0, 1, pages - 1, pages / 2, Below(pages)};
    return kLarge + Below(kRegions) * region_ +
           page[Below(std::size(page))] * kPageSize;
  }
  uint64_t Length(VirtAddr va) {
    const VirtAddr end = kLarge + kRegions * region_;
    const uint64_t lengths[] = {region_,     region_,
                                2 * region_, region_ / 2,
                                kPageSize,   (1 + Below(40)) * kPageSize};
    return std::min(lengths[Below(std::size(lengths))], end - va);
  }
  uint8_t Rights() {
    const uint8_t rights[] = {0, kMapRead, kMapRead | kMapWrite,
                              kMapRead | kMapWrite, kMapRead | kMapExecute};
    return rights[Below(std::size(rights))];
  }

  GuestOp DrawOp(TaskId task) {
    const VirtAddr va = Place();
    const uint64_t length = Length(va);
    switch (Below(24)) {
      case 0:
      case 1: {
        GuestOp map = LargeMap(va, length);
        if (Below(4) == 0) map.rights = Rights();
        if (Below(6) == 0) map.backing = Backing::kFilePrivate;
        if (Below(6) == 0) map.flags = kMapPopulate;
        if (Below(4) == 0) MakeHugetlb(map);
        return map;
      }
      case 2:
        return Over(GuestOpKind::kUnmap, va, length);
      case 3:
      case 4:
        return Over(GuestOpKind::kProtect, va, length, Rights());
      case 5:
      case 6:
        return Over(GuestOpKind::kDiscard, va, length);
      case 7:
        return MoveTo(va, length, Place());
      case 8:
        return Advise(static_cast<Advice>(Below(12)), va, length);
      case 9:
        return Advise(Advice::kHugePage, va, length);
      case 10:
        return Fork();
      case 11:
        if (tasks_.size() == 1) return Of(GuestOpKind::kSyscall);
        tasks_.erase(std::find(tasks_.begin(), tasks_.end(), task));
        return Of(GuestOpKind::kExit);
      case 12:
        return Over(
            Below(2) == 0 ? GuestOpKind::kCopyIn : GuestOpKind::kCopyOut, va,
            std::min(length, 3 * kPageSize));
      default:
        return Below(2) == 0 ? Load(va) : Store(va);
    }
  }
  // Asks for pages of the size of a region, most often where they fit.
  void MakeHugetlb(GuestOp& map) {
    map.page_shift = static_cast<uint8_t>(std::countr_zero(region_));
    if (Below(5) > 0) map.va = VirtAddr(map.va.value() & ~(region_ - 1));
    if (Below(3) == 0) map.backing = Backing::kSharedAnonymous;
    // No file is of hugetlbfs at one time and of another kind at another.
    if (map.backing == Backing::kFilePrivate) map.file = 1;
  }
  GuestOp Fork() {
    if (tasks_.size() == 3) return Of(GuestOpKind::kSyscall);
    tasks_.push_back(++last_task_);
    return Of(GuestOpKind::kFork, last_task_);
  }

  std::mt19937 dice_;
  const uint64_t region_;
  std::vector<TaskId> tasks_ = {1};
  TaskId last_task_ = 1;
};

// What a program came to: what was refused, and the digest. Adds the large
// pages that were made, and those split, to `made` and `split`.
std::string Outcome(const std::vector<Program::Step>& steps,
                    const LargeSetting& setting, uint64_t* made,
                    uint64_t* split) {
  LargeWorld world(setting);
  std::string refused;
  for (size_t i = 0; i < steps.size(); ++i) {
    const absl::Status status =
        world.kernel().Perform(steps[i].task, steps[i].op);
    if (status.code() == absl::StatusCode::kInvalidArgument) {
      absl::StrAppend(&refused, i, " ");
    } else if (!status.ok()) {
      return absl::StrCat(i, ": ", status.ToString());
    }
  }
  *made += world.Count(Counter::kThpFaultAlloc);
  *split += world.Count(Counter::kThpSplitPmd);
  const absl::Status audit = world.policy().Audit();
  if (!audit.ok()) return audit.ToString();
  return absl::StrCat(refused, world.kernel().digest());
}

using LargeDigestTest = ::testing::TestWithParam<PagingMode>;

TEST_P(LargeDigestTest, IsTheSameWithLargePagesAndWithout) {
  const PagingMode mode = GetParam();
  const char* const more = std::getenv("XMMU_LARGE_SEEDS");
  const int seeds = more == nullptr ? 25 : std::atoi(more);
  uint64_t made = 0;
  uint64_t large = 0;
  uint64_t split = 0;
  const uint64_t memory = mode == PagingMode::k2Level ? 160 : 96;
  for (uint32_t seed = 1; seed <= static_cast<uint32_t>(seeds); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const auto steps = Program(seed, mode).Draw(150);
    const std::string expected =
        Outcome(steps, {.mode = mode, .thp = Thp::kNever, .memory_mib = memory},
                &made, &split);
    EXPECT_EQ(made, 0u);
    EXPECT_EQ(expected.find(':'), std::string::npos) << expected;
    const auto check = [&](std::string_view policy, Thp thp) {
      EXPECT_EQ(Outcome(steps,
                        {.policy = policy,
                         .mode = mode,
                         .thp = thp,
                         .memory_mib = memory},
                        &made, &split),
                expected)
          << policy << " " << ThpName(thp);
    };
    check("native", Thp::kAlways);
    check("native", Thp::kMadvise);
    check("nested-paging", Thp::kAlways);
    check("nested-paging", Thp::kNever);
    if (mode != PagingMode::k5Level) {
      check("trap-and-emulate", Thp::kAlways);
      check("xi-shadow", Thp::kAlways);
      check("shadow-2008", Thp::kAlways);
      check("shadow-2008", Thp::kNever);
    }
    EXPECT_GT(made, 0u);
    large += std::exchange(made, 0);
  }
  EXPECT_GT(split, large / 10);
}

INSTANTIATE_TEST_SUITE_P(Modes, LargeDigestTest,
                         ::testing::ValuesIn(kAllPagingModes),
                         [](const testing::TestParamInfo<PagingMode>& mode) {
                           return absl::StrCat("L", LevelCount(mode.param));
                         });

}  // namespace
}  // namespace xmmu::large_digest_test
