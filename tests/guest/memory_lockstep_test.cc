// Processes do to their memory whatever a program can, at random, under each
// strategy. All see the same, and in the end all memory is free again.

#include <map>
#include <random>

#include "guest/memory_test.h"

namespace xmmu::memory_lockstep_test {
namespace {

constexpr TaskId kKeeper = 1;
constexpr TaskId kFirstTask = 2;
constexpr uint64_t kSteps = 400;

// What a program does, and its guest has.
enum class Scene : uint8_t { kSmallPages, kLargePages, kReclaim };

// Where a program's memory is. The first two windows of small pages adjoin.
struct Windows {
  std::array<VirtAddr, 4> starts;
  uint64_t pages;  // of each
};
constexpr Windows kSmall = {{VirtAddr(0x10000000), VirtAddr(0x10018000),
                             VirtAddr(0x40000000), VirtAddr(0x803f0000)},
                            24};
// One large page of any mode fits into each.
constexpr Windows kLarge = {{VirtAddr(0x10000000), VirtAddr(0x20000000),
                             VirtAddr(0x40000000), VirtAddr(0x80000000)},
                            1100};

// A program of several processes. What it does next depends on what it has
// done, and on nothing that a kernel or a hypervisor says.
class Script {
 public:
  struct Step {
    TaskId task;
    GuestOp op;
  };

  Script(uint64_t seed, Scene scene)
      : dice_(seed),
        reclaims_(scene == Scene::kReclaim),
        windows_(scene == Scene::kLargePages ? kLarge : kSmall) {}

  Step Next() {
    const TaskId task = live_[Pick(live_.size())];
    switch (Pick(24)) {
      case 0:
      case 1:
      case 2:
        return {task, Map()};
      case 3:
        return {task, Range(GuestOpKind::kUnmap)};
      case 4:
        return {task, Range(GuestOpKind::kProtect)};
      case 5:
        return {task, Range(GuestOpKind::kDiscard)};
      case 6:
      case 7:
      case 8:
        return {task, Advise()};
      case 9:
        return {task, Remap()};
      case 10:
        return {task, FileCall()};
      case 11:
        return Fork(task);
      case 12:
        return End(task);
      default:
        return {task, Access()};
    }
  }
  // What ends all processes and removes all files.
  std::vector<Step> Rest() {
    std::vector<Step> steps;
    for (uint32_t file = 0; file <= kFiles; ++file) {
      steps.push_back(
          {kKeeper, {.kind = GuestOpKind::kRemoveFile, .file = file}});
    }
    for (const TaskId task : live_) {
      steps.push_back({task, {.kind = GuestOpKind::kExit}});
    }
    return steps;
  }

 private:
  static constexpr uint32_t kFiles = 5;

  uint64_t Pick(uint64_t choices) { return dice_() % choices; }
  uint8_t Rights() {
    constexpr std::array<uint8_t, 6> kRights = {3, 3, 3, 1, 5, 0};
    return kRights[Pick(kRights.size())];
  }
  GuestOp Range(GuestOpKind kind) {
    const uint64_t pages = windows_.pages;
    const uint64_t first = Pick(2) == 0 ? Pick(pages) : 0;
    const uint64_t count =
        first != 0 || Pick(2) == 0 ? Pick(pages - first) + 1 : pages;
    return {.kind = kind,
            .rights = kind == GuestOpKind::kProtect ? Rights() : uint8_t{0},
            .va = windows_.starts[Pick(4)] + first * kPageSize,
            .length = count * kPageSize};
  }
  GuestOp Map() {
    GuestOp op = Range(GuestOpKind::kMap);
    op.rights = Rights();
    op.backing = static_cast<Backing>(Pick(5));
    op.flags = static_cast<uint8_t>(Pick(3) == 0 ? Pick(16) : 0);
    const bool file = op.backing >= Backing::kFilePrivate;
    op.file = file ? static_cast<uint32_t>(Pick(kFiles)) : 0;
    op.file_offset = Pick(4) * kPageSize;
    if (reclaims_ && Pick(2) == 0) {  // a file that fills the memory
      op.backing = Backing::kFilePrivate;
      op.rights = kMapRead;
      op.flags = kMapPopulate;
      op.file = kFiles;
      op.va = VirtAddr(0x20000000);
      op.length = uint64_t{2} << 20;
      op.file_offset = Pick(8) << 20;
    }
    return op;
  }
  GuestOp Advise() {
    GuestOp op = Range(GuestOpKind::kAdvise);
    op.advice = static_cast<Advice>(Pick(12));
    // Locked pages could fill the memory.
    if (op.advice >= Advice::kLock && Pick(8) == 0 && !reclaims_) {
      op.va = VirtAddr(0);
      op.length = 0;
    }
    return op;
  }
  GuestOp Remap() {
    GuestOp op = Range(GuestOpKind::kRemap);
    const GuestOp to = Range(GuestOpKind::kRemap);
    op.target = Pick(3) == 0 ? op.va : to.va;
    op.new_length = to.length;
    return op;
  }
  GuestOp FileCall() {
    constexpr std::array kKinds = {
        GuestOpKind::kOpenFile, GuestOpKind::kOpenFile, GuestOpKind::kCloseFile,
        GuestOpKind::kRemoveFile};
    const uint8_t zero_filled = Pick(2) == 0 ? kMapZeroFilled : 0;
    return {.kind = kKinds[Pick(kKinds.size())],
            .flags = zero_filled,
            .file = static_cast<uint32_t>(Pick(kFiles))};
  }
  GuestOp Access() {
    constexpr std::array kKinds = {GuestOpKind::kLoad, GuestOpKind::kStore,
                                   GuestOpKind::kStore, GuestOpKind::kCopyOut,
                                   GuestOpKind::kCopyIn};
    GuestOp op = Range(kKinds[Pick(kKinds.size())]);
    if (reclaims_ && Pick(2) == 0) {
      op.va = VirtAddr(0x20000000) + Pick(512) * kPageSize;
    }
    if (op.kind <= GuestOpKind::kModify) op.length = 8;
    return op;
  }
  Step Fork(TaskId task) {
    if (live_.size() == 4) return {task, Access()};
    const TaskId child = next_++;
    live_.push_back(child);
    return {task, {.kind = GuestOpKind::kFork, .child = child}};
  }
  Step End(TaskId task) {
    if (live_.size() == 1) return {task, {.kind = GuestOpKind::kExec}};
    live_.erase(std::find(live_.begin(), live_.end(), task));
    return {task, {.kind = GuestOpKind::kExit}};
  }

  std::mt19937_64 dice_;
  bool reclaims_;
  const Windows& windows_;
  std::vector<TaskId> live_ = {kFirstTask};
  TaskId next_ = kFirstTask + 1;
};

struct Outcome {
  uint64_t digest = 0;
  uint64_t reclaimed = 0;
  uint64_t large = 0;
  uint64_t splits = 0;
};

class Replay : public MemoryWorld {
 public:
  Replay(const Setting& setting, Scene scene)
      : MemoryWorld(
            setting, scene == Scene::kReclaim ? 8 : 96,
            scene == Scene::kReclaim ? Reclaim::kCleanFile : Reclaim::kNone,
            scene == Scene::kLargePages ? Thp::kAlways : Thp::kNever),
        scene_(scene) {}

  Outcome Run(uint64_t seed) {
    Script script(seed, scene_);
    ReadLargeZeros();
    const uint64_t free = kernel().free_frames();
    EXPECT_TRUE(kernel().CreateProcess(kFirstTask).ok());
    for (uint64_t i = 0; i < kSteps; ++i) Perform(script.Next());
    Check();
    for (const Script::Step& step : script.Rest()) Perform(step);
    Perform({kKeeper, {.kind = GuestOpKind::kSyscall}});
    EXPECT_EQ(kernel().free_frames(), free);
    Check();
    return {kernel().digest(), Counted(Counter::kReclaimed),
            Counted(Counter::kThpFaultAlloc), Counted(Counter::kThpSplitPmd)};
  }

 private:
  // The large page of zeros is made once and stays.
  void ReadLargeZeros() {
    const VirtAddr start = kLarge.starts[0];
    const uint64_t length = kLarge.pages * kPageSize;
    Perform({kKeeper,
             {.kind = GuestOpKind::kMap,
              .rights = kMapRead,
              .va = start,
              .length = length}});
    Perform({kKeeper, {.kind = GuestOpKind::kLoad, .va = start, .length = 8}});
    Perform({kKeeper,
             {.kind = GuestOpKind::kUnmap, .va = start, .length = length}});
  }
  // An mremap that Linux refuses does nothing.
  void Perform(const Script::Step& step) {
    const absl::Status status = kernel().Perform(step.task, step.op);
    ASSERT_TRUE(status.ok() || step.op.kind == GuestOpKind::kRemap) << status;
  }

  Scene scene_;
};

// Runs the programs of several seeds, and returns what they came to.
Outcome CompareAll(Scene scene, uint64_t seeds) {
  Outcome sum;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    std::map<PagingMode, uint64_t> digests;
    for (const Setting& setting : MemorySettings()) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", NameOf(setting)));
      const Outcome outcome = Replay(setting, scene).Run(seed);
      const auto [it, first] = digests.emplace(setting.mode, outcome.digest);
      EXPECT_EQ(outcome.digest, it->second);
      if (::testing::Test::HasFailure()) return sum;
      sum.reclaimed += outcome.reclaimed;
      sum.large += outcome.large;
      sum.splits += outcome.splits;
    }
  }
  return sum;
}

// Each of these holds that all strategies show the same digest, and that all
// memory is free again in the end.
TEST(MemoryLockstepTest, ProgramsWithSmallPagesSeeTheSame) {
  const Outcome sum = CompareAll(Scene::kSmallPages, 40);
  EXPECT_EQ(sum.reclaimed + sum.large, 0u);
}

TEST(MemoryLockstepTest, ProgramsWithLargePagesSeeTheSame) {
  const Outcome sum = CompareAll(Scene::kLargePages, 10);
  EXPECT_GT(sum.large, 0u);
  EXPECT_GT(sum.splits, 0u);
}

TEST(MemoryLockstepTest, ProgramsWithTooManyFilePagesSeeTheSame) {
  EXPECT_GT(CompareAll(Scene::kReclaim, 20).reclaimed, 0u);
}

}  // namespace
}  // namespace xmmu::memory_lockstep_test
