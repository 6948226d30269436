#ifndef XMMU_TESTS_GUEST_MEMORY_TEST_H_
#define XMMU_TESTS_GUEST_MEMORY_TEST_H_

// A fixture for tests of what the guest kernel's mm/ does to memory: one guest,
// under each kind of strategy, and what its programs and its clock can tell.

#include <string>
#include <vector>

#include "guest/world.h"

namespace xmmu {

// A strategy of each kind, with the kernels of its time.
inline std::vector<Setting> MemorySettings() {
  return {
      {"native"},
      {"native", PagingMode::k2Level},
      {"trap-and-emulate", PagingMode::k4Level, GuestOps::kPvops},
      {"pinning", PagingMode::k2Level, GuestOps::kQueue, PinWhen::kEarly},
      {"pinning", PagingMode::kPae, GuestOps::kUpdateVaMapping,
       PinWhen::kNever},
      {"writable-page-tables", PagingMode::kPae, GuestOps::kLinux2612},
      {"writable-page-tables", PagingMode::k2Level, GuestOps::kStores,
       PinWhen::kNever},
      {"shadow-2008"},
      {"nested-paging"},
  };
}

inline std::string MemorySettingName(
    const testing::TestParamInfo<Setting>& setting) {
  return NameOf(setting.param);
}

// One guest that has booted, with process 1.
class MemoryWorld {
 public:
  MemoryWorld(const Setting& setting, uint64_t memory_mib, Reclaim reclaim,
              Thp thp = Thp::kNever, bool share_file_pages = false)
      : host_(*FindMachine("skylake-2017"), {}),
        policy_(conformance::MakePolicyOf(setting, host_)) {
    const GuestAbi abi = policy_->Abi(setting.mode).value();
    GuestOptions options = DefaultGuestOptions(abi, setting.mode);
    options.ops = setting.ops;
    options.pin = setting.pin;
    options.thp = options.digest_thp = thp;
    options.reclaim = reclaim;
    options.share_file_pages = share_file_pages;
    Domain* const domain = host_
                               .CreateDomain({.mode = setting.mode,
                                              .memory_frames = memory_mib << 8,
                                              .translated = abi.translated})
                               .value();
    auto kernel = GuestKernel::Boot(host_, *policy_, *domain, options);
    EXPECT_TRUE(kernel.ok()) << kernel.status();
    kernel_ = *std::move(kernel);
    policy_->BootEnded();
    EXPECT_TRUE(kernel_->CreateProcess(1).ok());
  }

  Host& host() { return host_; }
  GuestKernel& kernel() { return *kernel_; }
  uint64_t Counted(Counter counter) const {
    return host_.cpu(0).counters[counter];
  }
  void Check() { EXPECT_EQ(policy_->Audit(), absl::OkStatus()); }

 private:
  Host host_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<GuestKernel> kernel_;
};

class MemoryTest : public ::testing::TestWithParam<Setting> {
 protected:
  static constexpr VirtAddr kFirst{0x10000000};
  static constexpr VirtAddr kSecond{0x20000000};
  static constexpr VirtAddr kThird{0x30000000};
  static constexpr uint8_t kReadWrite = kMapRead | kMapWrite;
  static constexpr uint32_t kFile = 7;

  MemoryTest() { Boot(32, Reclaim::kNone); }

  // Begins anew.
  void Boot(uint64_t memory_mib, Reclaim reclaim) {
    world_ = std::make_unique<MemoryWorld>(GetParam(), memory_mib, reclaim);
  }
  GuestKernel& kernel() { return world_->kernel(); }

  void Create(TaskId task) {
    const absl::Status status = kernel().CreateProcess(task);
    ASSERT_TRUE(status.ok()) << status;
  }
  absl::Status Try(const GuestOp& op, TaskId task = 1) {
    return kernel().Perform(task, op);
  }
  void Do(const GuestOp& op, TaskId task = 1) {
    const absl::Status status = Try(op, task);
    ASSERT_TRUE(status.ok()) << status;
  }

  struct Mapping {
    VirtAddr va = kFirst;
    uint64_t pages = 4;
    Backing backing = Backing::kAnonymous;
    uint8_t rights = kReadWrite;
    uint8_t flags = 0;
    uint32_t file = 0;
  };
  void Map(const Mapping& what, TaskId task = 1) {
    Do({.kind = GuestOpKind::kMap,
        .rights = what.rights,
        .backing = what.backing,
        .flags = what.flags,
        .va = what.va,
        .length = what.pages * kPageSize,
        .file = what.file},
       task);
  }
  void Unmap(VirtAddr va, uint64_t pages, TaskId task = 1) {
    Do(RangeOp(GuestOpKind::kUnmap, pages, 0, va), task);
  }
  void Protect(VirtAddr va, uint64_t pages, uint8_t rights, TaskId task = 1) {
    Do(RangeOp(GuestOpKind::kProtect, pages, rights, va), task);
  }
  void Discard(VirtAddr va, uint64_t pages, TaskId task = 1) {
    Do(RangeOp(GuestOpKind::kDiscard, pages, 0, va), task);
  }
  void Advise(Advice advice, VirtAddr va, uint64_t pages, TaskId task = 1) {
    GuestOp op = RangeOp(GuestOpKind::kAdvise, pages, 0, va);
    op.advice = advice;
    Do(op, task);
  }
  void FileCall(GuestOpKind kind, uint32_t file, uint8_t flags = 0,
                TaskId task = 1) {
    Do({.kind = kind, .flags = flags, .file = file}, task);
  }
  void Fork(TaskId child, TaskId parent = 1) {
    Do(TaskOp(GuestOpKind::kFork, child), parent);
  }
  void Exit(TaskId task) { Do(TaskOp(GuestOpKind::kExit), task); }
  void Load(VirtAddr va, TaskId task = 1) {
    Do(AccessOp(GuestOpKind::kLoad, 0, va), task);
  }
  void Store(VirtAddr va, TaskId task = 1) {
    Do(AccessOp(GuestOpKind::kStore, 0, va), task);
  }
  // Loads from, or stores to, `pages` pages and returns how many faults of the
  // guest's own that took.
  uint64_t FaultsOf(GuestOpKind kind, VirtAddr va, uint64_t pages,
                    TaskId task = 1) {
    const uint64_t before = Counted(Counter::kGuestFaults);
    for (uint64_t i = 0; i < pages; ++i) Do(AccessOp(kind, i, va), task);
    return Counted(Counter::kGuestFaults) - before;
  }

  // Loads from `va` and returns the frame that it led to.
  Mfn FrameAt(VirtAddr va, TaskId task = 1) {
    Load(va, task);
    const TranslateResult found =
        world_->host().cpu(0).mmu.Probe({va, AccessKind::kRead, /*user=*/true});
    EXPECT_TRUE(found.ok());
    return found.ok() ? FrameOf(found.addr()) : kInvalidMfn;
  }
  // Loads from `va` and returns what stands for the page's content; zeros are
  // 0.
  uint64_t Content(VirtAddr va, TaskId task = 1) {
    return world_->host().memory().ContentToken(FrameAt(va, task));
  }
  uint64_t Counted(Counter counter) const { return world_->Counted(counter); }
  uint64_t Charged(CostEvent event) const {
    return world_->host().cpu(0).clock.tallies()[static_cast<size_t>(event)];
  }
  uint64_t Free() { return kernel().free_frames(); }
  void Check() { world_->Check(); }

 private:
  std::unique_ptr<MemoryWorld> world_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_GUEST_MEMORY_TEST_H_
