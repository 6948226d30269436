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
constexpr uint64_t kPages = 24;  // of a window
constexpr VirtAddr kWindows[] = {VirtAddr(0x10000000), VirtAddr(0x10018000),
                                 VirtAddr(0x40000000), VirtAddr(0x803f0000)};

// A program of several processes. What it does next depends on what it has
// done, and on nothing that a kernel or a hypervisor says.
class Script {
 public:
  struct Step {
    TaskId task;
    GuestOp op;
  };

  Script(uint64_t seed, bool reclaims) : dice_(seed), reclaims_(reclaims) {}

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
    const uint64_t first = Pick(kPages);
    return {.kind = kind,
            .rights = kind == GuestOpKind::kProtect ? Rights() : uint8_t{0},
            .va = kWindows[Pick(std::size(kWindows))] + first * kPageSize,
            .length = (1 + Pick(kPages - first)) * kPageSize};
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
  std::vector<TaskId> live_ = {kFirstTask};
  TaskId next_ = kFirstTask + 1;
};

struct Outcome {
  uint64_t digest = 0;
  uint64_t reclaimed = 0;
};

class Replay : public MemoryWorld {
 public:
  Replay(const Setting& setting, Reclaim reclaim)
      : MemoryWorld(setting, reclaim == Reclaim::kNone ? 32 : 8, reclaim) {}

  Outcome Run(uint64_t seed) {
    const bool reclaims = kernel().options().reclaim != Reclaim::kNone;
    Script script(seed, reclaims);
    Perform({kKeeper, {.kind = GuestOpKind::kSyscall}});
    const uint64_t free = kernel().free_frames();
    EXPECT_TRUE(kernel().CreateProcess(kFirstTask).ok());
    for (uint64_t i = 0; i < kSteps; ++i) Perform(script.Next());
    Check();
    for (const Script::Step& step : script.Rest()) Perform(step);
    Perform({kKeeper, {.kind = GuestOpKind::kSyscall}});
    EXPECT_EQ(kernel().free_frames(), free);
    Check();
    return {kernel().digest(), Counted(Counter::kReclaimed)};
  }

 private:
  // An mremap that Linux refuses does nothing.
  void Perform(const Script::Step& step) {
    const absl::Status status = kernel().Perform(step.task, step.op);
    ASSERT_TRUE(status.ok() || step.op.kind == GuestOpKind::kRemap) << status;
  }
};

class MemoryLockstepTest : public ::testing::TestWithParam<Reclaim> {};

INSTANTIATE_TEST_SUITE_P(Reclaims, MemoryLockstepTest,
                         ::testing::Values(Reclaim::kNone, Reclaim::kCleanFile),
                         [](const testing::TestParamInfo<Reclaim>& one) {
                           return one.param == Reclaim::kNone ? "none"
                                                              : "clean_file";
                         });

TEST_P(MemoryLockstepTest, AllStrategiesSeeTheSameAndLoseNoMemory) {
  uint64_t reclaimed = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::map<PagingMode, uint64_t> digests;
    for (const Setting& setting : MemorySettings()) {
      SCOPED_TRACE(absl::StrCat("seed ", seed, ", ", NameOf(setting)));
      const Outcome outcome = Replay(setting, GetParam()).Run(seed);
      if (::testing::Test::HasFailure()) return;
      reclaimed += outcome.reclaimed;
      const auto [it, first] = digests.emplace(setting.mode, outcome.digest);
      ASSERT_EQ(outcome.digest, it->second);
    }
  }
  EXPECT_EQ(reclaimed > 0, GetParam() != Reclaim::kNone);
}

}  // namespace
}  // namespace xmmu::memory_lockstep_test
