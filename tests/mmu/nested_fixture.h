#ifndef XMMU_TESTS_MMU_NESTED_FIXTURE_H_
#define XMMU_TESTS_MMU_NESTED_FIXTURE_H_

// A virtual machine on a machine of one CPU: a guest's tables in guest-physical
// memory, nested tables below them, both built entry by entry.

#include <cstdint>
#include <optional>

#include "gtest/gtest.h"
#include "mmu/mmu_fixture.h"

namespace xmmu {

struct NestedShape {
  PagingMode guest = PagingMode::k4Level;
  PagingMode nested = PagingMode::k4Level;
  int leaf = 1;  // level of the nested leaves
  Vendor vendor = Vendor::kIntel;
  bool accessed_dirty = false;
  bool mode_based_execute = false;
  uint16_t tag = 1;
  bool guest_psc = false;
  bool nested_psc = false;
  uint16_t nested_tlb = 0;
};

class NestedMachine {
 public:
  // Guest-physical page n is machine page n + kOffset. That is 4 GiB, so that
  // leaves of each size are aligned.
  static constexpr uint64_t kOffset = 0x100000;

  explicit NestedMachine(const NestedShape& shape = {})
      : NestedMachine(shape, ModelOf(shape)) {}
  NestedMachine(const NestedShape& shape, const MachineModel& model)
      : shape_(shape),
        model_(model),
        clock_(model_.prices()),
        mmu_(model_, memory_, nullptr, clock_, counters_),
        root_(NewNestedTable()),
        guest_root_(NewTable()) {
    const std::optional<PageFault> fault =
        mmu_.EnterVm(Controls(shape.tag), Registers());
    XMMU_CHECK(!fault.has_value());
  }

  Mmu& mmu() { return mmu_; }
  PhysMemory& memory() { return memory_; }
  Counters& counters() { return counters_; }
  CycleClock& clock() { return clock_; }
  const NestedShape& shape() const { return shape_; }
  Gfn guest_root() const { return guest_root_; }
  bool ept() const { return shape_.vendor == Vendor::kIntel; }

  VmControls Controls(uint16_t tag) const {
    return {.nested = true,
            .nested_mode = shape_.nested,
            .root = AddressOf(root_),
            .accessed_dirty = shape_.accessed_dirty,
            .mode_based_execute = shape_.mode_based_execute,
            .tag = tag};
  }
  ControlRegisters Registers() const {
    ControlRegisters registers =
        KernelControlRegisters(shape_.guest, model_.features);
    registers.cr3 = AddressOf(guest_root_).value();
    return registers;
  }
  // Enters the same guest with another tag, or none.
  void Enter(uint16_t tag) {
    EXPECT_FALSE(mmu_.EnterVm(Controls(tag), Registers()).has_value());
  }
  void ReloadCr3() {
    EXPECT_FALSE(mmu_.LoadCr3(AddressOf(guest_root_).value()).has_value());
  }

  // Returns a guest-physical page for a table, mapped by the nested tables.
  Gfn NewTable() {
    const Gfn gfn(next_table_++);
    MapNested(gfn);
    return gfn;
  }

  static Mfn Behind(Gfn gfn) { return Mfn(gfn.value() + kOffset); }
  static MachineAddr Behind(GuestAddr addr) {
    return MachineAddr(addr.value() + (kOffset << kPageShift));
  }

  // Returns the address of the nested entry of `level` on the path of `gfn`,
  // making the tables above it as needed.
  MachineAddr NestedEntryAt(Gfn gfn, int level) {
    const VirtAddr gpa(AddressOf(gfn).value());
    Mfn table = root_;
    for (int above = LevelCount(shape_.nested); above > level; --above) {
      const MachineAddr addr = EntryAddress(shape_.nested, AddressOf(table),
                                            IndexOf(shape_.nested, above, gpa));
      if (memory_.Read64(addr) == 0) {
        memory_.Write64(addr, Pte(NewNestedTable(), TableFlags()).raw());
      }
      table = Pte(memory_.Read64(addr)).frame();
    }
    return EntryAddress(shape_.nested, AddressOf(table),
                        IndexOf(shape_.nested, level, gpa));
  }
  uint64_t TableFlags() const {
    // The processor ignores kUserExecute without mode-based execute control.
    return ept() ? ept::kRights | ept::kUserExecute
                 : pte::kPresent | pte::kWritable | pte::kUser;
  }
  uint64_t LeafFlags(int level) const {
    const uint64_t large = level > 1 ? pte::kPageSize : 0;
    return TableFlags() | large | (ept() ? ept::kWriteBack : 0);
  }
  // Maps the leaf that contains `gfn`, unless it is mapped.
  void MapNested(Gfn gfn) { MapNested(gfn, shape_.leaf); }
  void MapNested(Gfn gfn, int leaf) {
    const MachineAddr addr = NestedEntryAt(gfn, leaf);
    if (memory_.Read64(addr) != 0) return;
    const uint64_t frames = uint64_t{1} << 9 * (leaf - 1);
    const Mfn first(Behind(gfn).value() / frames * frames);
    memory_.Write64(addr, Pte(first, LeafFlags(leaf)).raw());
  }
  void ClearNested(Gfn gfn, int level, uint64_t flags) {
    const MachineAddr addr = NestedEntryAt(gfn, level);
    memory_.Write64(addr, memory_.Read64(addr) & ~flags);
  }
  void SetNested(Gfn gfn, int level, uint64_t flags) {
    const MachineAddr addr = NestedEntryAt(gfn, level);
    memory_.Write64(addr, memory_.Read64(addr) | flags);
  }
  uint64_t NestedEntry(Gfn gfn, int level) {
    return memory_.Read64(NestedEntryAt(gfn, level));
  }

  // Returns the guest's entry of `level` on the path of `va`, making tables as
  // needed.
  GuestAddr EntryAt(VirtAddr va, int level) {
    const PagingMode mode = shape_.guest;
    Gfn table = guest_root_;
    for (int above = LevelCount(mode);; --above) {
      const GuestAddr slot =
          AddressOf(table) +
          static_cast<uint64_t>(IndexOf(mode, above, va) * EntryBytes(mode));
      if (above == level) return slot;
      if (!Pte(Load(slot)).present()) {
        const bool pdpte = mode == PagingMode::kPae && above == 3;
        Store(slot,
              Pte(Mfn(NewTable().value()), pdpte ? pte::kPresent : kTableFlags)
                  .raw());
        if (pdpte) ReloadCr3();
      }
      table = Gfn(Pte(Load(slot)).frame().value());
    }
  }
  Gfn TableOf(VirtAddr va, int level) { return FrameOf(EntryAt(va, level)); }
  void Map(VirtAddr va, Gfn gfn, uint64_t flags = kUserPage, int level = 1) {
    const uint64_t ps = level > 1 ? pte::kPageSize : 0;
    MapNested(gfn);
    Store(EntryAt(va, level), Pte(Mfn(gfn.value()), flags | ps).raw());
  }
  uint64_t Load(GuestAddr addr) const {
    return memory_.ReadEntry(Behind(addr), EntryBytes(shape_.guest));
  }
  void Store(GuestAddr addr, uint64_t value) {
    memory_.WriteEntry(Behind(addr), EntryBytes(shape_.guest), value);
  }

  // Empties every cache of the CPU.
  void Chill() {
    if (ept()) {
      mmu_.Invept(InveptType::kGlobal, MachineAddr());
      mmu_.Invvpid(InvvpidType::kAllContexts, 0, VirtAddr());
    } else {
      mmu_.FlushAsid(shape_.tag);
    }
  }
  // Returns how many entries of both dimensions `access` loads.
  uint64_t LoadsOf(const Access& access) {
    const uint64_t before = counters_[Counter::kPteLoads];
    EXPECT_TRUE(mmu_.Translate(access).ok());
    return counters_[Counter::kPteLoads] - before;
  }
  uint64_t ColdLoadsOf(const Access& access) {
    Chill();
    return LoadsOf(access);
  }
  // Returns the fault that `access` raises.
  PageFault FaultOf(const Access& access) {
    const TranslateResult probed = mmu_.Probe(access);
    const TranslateResult result = mmu_.Translate(access);
    EXPECT_FALSE(result.ok());
    if (result.ok()) return {};
    EXPECT_FALSE(probed.ok());
    return result.fault();
  }
  void ExpectGoesTo(const Access& access, MachineAddr addr) {
    const TranslateResult result = mmu_.Translate(access);
    ASSERT_TRUE(result.ok()) << result.fault().error_code;
    EXPECT_EQ(result.addr(), addr);
  }

  static MachineModel ModelOf(const NestedShape& shape) {
    MachineModel model = TestModel();
    model.features.vendor = shape.vendor;
    if (!shape.guest_psc) model.psc = {};
    model.nested.tags = true;
    model.nested.tlb_entries = shape.nested_tlb;
    if (shape.nested_psc) model.nested.psc = TestModel().psc;
    return model;
  }

 private:
  Mfn NewNestedTable() { return Mfn(next_nested_++); }

  NestedShape shape_;
  MachineModel model_;
  PhysMemory memory_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
  uint64_t next_nested_ = 0x400;
  uint64_t next_table_ = 0x1000;
  Mfn root_;
  Gfn guest_root_;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_MMU_NESTED_FIXTURE_H_
