#ifndef XMMU_TESTS_MMU_MMU_FIXTURE_H_
#define XMMU_TESTS_MMU_MMU_FIXTURE_H_

// A machine of one CPU with page tables that a test builds entry by entry.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "gtest/gtest.h"
#include "xmmu/base/check.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {

constexpr uint64_t kTableFlags =
    pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed;
constexpr uint64_t kUserPage = kTableFlags | pte::kDirty;
constexpr uint64_t kKernelPage = kUserPage & ~pte::kUser;

constexpr Access Read(VirtAddr va) { return {va, AccessKind::kRead, false}; }
constexpr Access Write(VirtAddr va) { return {va, AccessKind::kWrite, false}; }
constexpr Access Fetch(VirtAddr va) {
  return {va, AccessKind::kExecute, false};
}
constexpr Access Implicit(VirtAddr va) {
  return {va, AccessKind::kImplicitRead, false};
}
constexpr Access ByUser(Access access) {
  access.user = true;
  return access;
}

// A CPU with all features, generous fully associative arrays, and prices that
// tell the events apart.
inline MachineModel TestModel() {
  MachineModel model;
  model.features = {.vendor = Vendor::kIntel,
                    .maxphyaddr = 40,
                    .long_mode = true,
                    .la57 = true,
                    .pages_1g = true,
                    .pse36 = true,
                    .nx = true,
                    .pcid = true,
                    .invpcid = true,
                    .smep = true,
                    .smap = true,
                    .pke = true,
                    .pks = true,
                    .umip = true,
                    .fsgsbase = true,
                    .xsave = true,
                    .cet = true,
                    .smx = true,
                    .tce = true,
                    .lmsle = true,
                    .ffxsr = true,
                    .mcommit = true,
                    .intwb = true,
                    .auto_ibrs = true};
  model.nested.accessed_dirty = true;
  model.nested.five_level = true;
  model.nested.mode_based_execute = true;
  const uint8_t all = kTlb4K | kTlbLarge | kTlb1G;
  model.tlb.instruction_l1[0] = {16, 0, all};
  model.tlb.data_l1[0] = {16, 0, all};
  model.tlb.data_l2[0] = {64, 0, all};
  for (size_t level = 2; level <= 5; ++level) model.psc.level[level] = {8, 0};
  uint32_t price = 1;
  for (CostConstant& cost : model.costs) {
    cost.value = price;
    price += 2;
  }
  return model;
}

class TestMachine {
 public:
  explicit TestMachine(PagingMode mode = PagingMode::k4Level,
                       const MachineModel& model = TestModel(),
                       bool caches = false)
      : mode_(mode),
        model_(model),
        l3_(model_.l3),
        hierarchy_(model_, &l3_),
        clock_(model_.prices()),
        mmu_(model_, memory_, caches ? &hierarchy_ : nullptr, clock_,
             counters_),
        root_(NewTable()) {
    ControlRegisters registers = KernelControlRegisters(mode, model_.features);
    registers.cr3 = AddressOf(root_).value();
    XMMU_CHECK(!mmu_.Reset(registers).has_value());
  }

  Mmu& mmu() { return mmu_; }
  PhysMemory& memory() { return memory_; }
  Counters& counters() { return counters_; }
  CycleClock& clock() { return clock_; }
  PagingMode mode() const { return mode_; }
  Mfn root() const { return root_; }
  uint64_t cr3() const { return AddressOf(root_).value(); }

  Mfn NewTable() { return Mfn(next_table_++); }

  // Returns the address of the entry of `level` on the path of `va`, making the
  // tables above it as needed (with all rights and A = 1).
  MachineAddr EntryAt(VirtAddr va, int level) {
    return EntryAt(root_, va, level);
  }
  MachineAddr EntryAt(Mfn root, VirtAddr va, int level) {
    Mfn table = root;
    for (int above = LevelCount(mode_); above > level; --above) {
      const MachineAddr addr = Slot(table, va, above);
      if (!Pte(Load(addr)).present()) {
        const bool pdpte = mode_ == PagingMode::kPae && above == 3;
        Store(addr, Pte(NewTable(), pdpte ? pte::kPresent : kTableFlags).raw());
        if (pdpte) ReloadPdptes();
      }
      table = Pte(Load(addr)).frame();
    }
    return Slot(table, va, level);
  }

  // Maps a page by an entry of `level` at `va`; level 1 is 4 KiB.
  void Map(VirtAddr va, Mfn frame, uint64_t flags = kUserPage, int level = 1) {
    const uint64_t ps = level > 1 ? pte::kPageSize : 0;
    Store(EntryAt(va, level), Pte(frame, flags | ps).raw());
  }

  uint64_t Load(MachineAddr addr) const {
    return memory_.ReadEntry(addr, EntryBytes(mode_));
  }
  void Store(MachineAddr addr, uint64_t value) {
    memory_.WriteEntry(addr, EntryBytes(mode_), value);
  }
  Pte EntryOf(VirtAddr va, int level) { return Pte(Load(EntryAt(va, level))); }
  void SetFlags(VirtAddr va, int level, uint64_t flags) {
    Store(EntryAt(va, level), EntryOf(va, level).With(flags).raw());
  }
  void ClearFlags(VirtAddr va, int level, uint64_t flags) {
    Store(EntryAt(va, level), EntryOf(va, level).Without(flags).raw());
  }

  // Returns the machine address that `access` goes to, or fails the test if it
  // faults.
  MachineAddr MustTranslate(const Access& access) {
    const TranslateResult result = mmu_.Translate(access);
    if (!result.ok()) {
      ADD_FAILURE() << "fault, error code " << result.fault().error_code;
      return MachineAddr(~uint64_t{0});
    }
    return result.addr();
  }
  // Returns the error code of the page fault that `access` raises, or nullopt.
  std::optional<uint32_t> ErrorCode(const Access& access) {
    const TranslateResult result = mmu_.Translate(access);
    if (result.ok()) return std::nullopt;
    EXPECT_EQ(result.fault().vector, FaultVector::kPageFault);
    EXPECT_EQ(result.fault().va, access.va);
    return result.fault().error_code;
  }

  // These change control registers by moves.
  void SetCr0(uint64_t bits) { Must(mmu_.LoadCr0(regs().cr0 | bits)); }
  void ClearCr0(uint64_t bits) { Must(mmu_.LoadCr0(regs().cr0 & ~bits)); }
  void SetCr4(uint64_t bits) { Must(mmu_.LoadCr4(regs().cr4 | bits)); }
  void ClearCr4(uint64_t bits) { Must(mmu_.LoadCr4(regs().cr4 & ~bits)); }
  void SetEfer(uint64_t bits) { Must(mmu_.LoadEfer(regs().efer | bits)); }
  void ClearEfer(uint64_t bits) { Must(mmu_.LoadEfer(regs().efer & ~bits)); }
  void LoadCr3(uint64_t value) { Must(mmu_.LoadCr3(value)); }

  // Returns how many entries `access` loads.
  uint64_t LoadsOf(const Access& access) {
    const uint64_t before = counters_[Counter::kPteLoads];
    static_cast<void>(mmu_.Translate(access));
    return counters_[Counter::kPteLoads] - before;
  }
  // Whether a TLB holds the page of `va` under any PCID.
  bool Cached(VirtAddr va) const {
    for (const TlbEntry& entry : mmu_.TlbEntries()) {
      if (entry.vpn == va.value() >> entry.page_shift) return true;
    }
    return false;
  }

 private:
  const ControlRegisters& regs() const { return mmu_.registers(); }
  static void Must(const std::optional<PageFault>& fault) {
    EXPECT_FALSE(fault.has_value()) << "general protection";
  }
  MachineAddr Slot(Mfn table, VirtAddr va, int level) const {
    MachineAddr base = AddressOf(table);
    return EntryAddress(mode_, base, IndexOf(mode_, level, va));
  }
  void ReloadPdptes() {
    ControlRegisters registers = mmu_.registers();
    XMMU_CHECK(!mmu_.Reset(registers).has_value());
  }

  PagingMode mode_;
  MachineModel model_;
  PhysMemory memory_;
  CacheArray l3_;
  MemoryHierarchy hierarchy_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
  uint64_t next_table_ = 0x1000;
  Mfn root_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_MMU_MMU_FIXTURE_H_
