#ifndef XMMU_BENCH_MAPPED_MACHINE_H_
#define XMMU_BENCH_MAPPED_MACHINE_H_

// A machine whose tables map a footprint, entry by entry and free of charge:
// the MMU alone, without a guest kernel and without a strategy.

#include <cstdint>
#include <string>
#include <utility>

#include "address_stream.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/memory_timing.h"
#include "xmmu/mmu/internal/nested_walker.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {

enum class Dimension {
  kNative,
  kNested,    // guest tables, under EPT with pages of the same size
  kShadowed,  // the tables of a hypervisor, on which a virtual machine runs
};

inline std::string NameOf(Dimension dimension) {
  switch (dimension) {
    case Dimension::kNative:
      return "native";
    case Dimension::kNested:
      return "nested";
    case Dimension::kShadowed:
      return "shadowed";
  }
  return "";
}

class MappedMachine {
 public:
  MappedMachine(Dimension dimension, MemoryTiming timing,
                const Footprint& footprint)
      : dimension_(dimension),
        footprint_(footprint),
        leaf_level_(footprint.page_shift == kPageShift ? 1 : 2),
        model_(*FindMachine("skylake-2017")),
        l3_(model_.l3),
        hierarchy_(model_, &l3_),
        clock_(model_.prices()),
        mmu_(model_, memory_,
             timing == MemoryTiming::kFlat ? nullptr : &hierarchy_, clock_,
             counters_) {
    root_ = NewTable();
    for (uint64_t page = 0; page < footprint.pages; ++page) MapPage(page);
    if (dimension == Dimension::kNested) MapGuestMemory();
    Start();
  }

  Mmu& mmu() { return mmu_; }
  const Counters& counters() const { return counters_; }
  Cycles busy() const { return clock_.busy(); }

  // The machine frame where page `page` of the footprint begins.
  Mfn FrameOfPage(uint64_t page) const {
    return Behind(GuestFrameOfPage(page));
  }
  // Writes the leaf entry of a page anew, or clears it.
  void Map(uint64_t page) {
    memory_.Write64(LeafAt(page), LeafEntry(page).raw());
  }
  void Unmap(uint64_t page) { memory_.Write64(LeafAt(page), 0); }

  uint64_t Translate(VirtAddr va, AccessKind kind) {
    const TranslateResult result = mmu_.Translate({va, kind, /*user=*/true});
    return result.ok() ? result.addr().value() : 0;
  }

 private:
  static constexpr PagingMode kMode = PagingMode::k4Level;
  static constexpr uint64_t kTableFlags =
      pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed;
  // Data begins at 4 GiB; in a virtual machine that is where it lies in guest
  // memory, whose page n is machine page n + kOffset.
  static constexpr uint64_t kFirstFrame = uint64_t{1} << 20;
  static constexpr uint64_t kOffset = uint64_t{1} << 24;
  // The hypervisor's pool: shadows, or nested tables.
  static constexpr uint64_t kFirstOfPool = uint64_t{1} << 18;

  // A guest takes a frame for each table as it comes to it: so a leaf table
  // lies among the pages that it maps, in the order of their addresses. What a
  // hypervisor makes lies together.
  bool tables_apart() const { return dimension_ == Dimension::kShadowed; }
  uint64_t frames_a_page() const {
    return uint64_t{1} << (footprint_.page_shift - kPageShift);
  }
  Mfn NewTable() {
    return Mfn(tables_apart() ? kFirstOfPool + pool_++ : NewFrames(1));
  }
  uint64_t NewFrames(uint64_t count) {
    next_ = (next_ + count - 1) / count * count;
    return std::exchange(next_, next_ + count);
  }
  Mfn Behind(Mfn frame) const {
    const bool nested = dimension_ == Dimension::kNested;
    return Mfn(frame.value() + (nested ? kOffset : 0));
  }
  MachineAddr At(Mfn table, int level, VirtAddr va) const {
    return EntryAddress(kMode, AddressOf(Behind(table)),
                        IndexOf(kMode, level, va));
  }

  MachineAddr LeafAt(uint64_t page) {
    const VirtAddr va = footprint_.PageAt(page);
    const uint64_t region = va.value() >> (footprint_.page_shift + 9);
    if (region != region_) {
      region_ = region;
      table_ = root_;
      for (int level = LevelCount(kMode); level > leaf_level_; --level) {
        const MachineAddr addr = At(table_, level, va);
        Pte entry(memory_.Read64(addr));
        if (!entry.present()) {
          entry = Pte(NewTable(), kTableFlags);
          memory_.Write64(addr, entry.raw());
        }
        table_ = entry.frame();
      }
    }
    return At(table_, leaf_level_, va);
  }
  Pte LeafEntry(uint64_t page) const {
    return Pte(
        GuestFrameOfPage(page),
        kTableFlags | pte::kDirty | (leaf_level_ > 1 ? pte::kPageSize : 0));
  }
  Mfn GuestFrameOfPage(uint64_t page) const { return Mfn(frames_[page]); }
  void MapPage(uint64_t page) {
    const MachineAddr addr = LeafAt(page);
    frames_.push_back(NewFrames(frames_a_page()));
    memory_.Write64(addr, LeafEntry(page).raw());
  }

  // EPT maps what the guest has of memory, in pages of the footprint's size.
  void MapGuestMemory() {
    nested_root_ = NewNestedTable();
    for (uint64_t frame = kFirstFrame; frame < next_;
         frame += frames_a_page()) {
      const VirtAddr gpa(frame << kPageShift);
      Mfn table = nested_root_;
      for (int level = LevelCount(kMode); level > leaf_level_; --level) {
        const MachineAddr addr =
            EntryAddress(kMode, AddressOf(table), IndexOf(kMode, level, gpa));
        if (memory_.Read64(addr) == 0) {
          memory_.Write64(addr, Pte(NewNestedTable(), ept::kRights).raw());
        }
        table = Pte(memory_.Read64(addr)).frame();
      }
      const uint64_t large = leaf_level_ > 1 ? ept::kPageSize : 0;
      memory_.Write64(
          EntryAddress(kMode, AddressOf(table),
                       IndexOf(kMode, leaf_level_, gpa)),
          Pte(Mfn(frame + kOffset), ept::kRights | ept::kWriteBack | large)
              .raw());
    }
  }
  Mfn NewNestedTable() { return Mfn(kFirstOfPool + pool_++); }

  void Start() {
    ControlRegisters registers = KernelControlRegisters(kMode, model_.features);
    registers.cr3 = AddressOf(root_).value();
    VmControls controls;
    if (dimension_ == Dimension::kShadowed) {
      controls = {.shadowed = true, .keeps_entries = true};
    } else if (dimension_ == Dimension::kNested) {
      controls = {.nested = true, .root = AddressOf(nested_root_), .tag = 1};
    }
    XMMU_CHECK(!mmu_.EnterVm(controls, registers).has_value());
  }

  const Dimension dimension_;
  const Footprint footprint_;
  const int leaf_level_;
  MachineModel model_;
  PhysMemory memory_;
  CacheArray l3_;
  MemoryHierarchy hierarchy_;
  Counters counters_;
  CycleClock clock_;
  Mmu mmu_;
  Mfn root_;
  Mfn nested_root_;
  uint64_t next_ = kFirstFrame;
  uint64_t pool_ = 0;
  std::vector<uint64_t> frames_;    // where each page of the footprint begins
  uint64_t region_ = ~uint64_t{0};  // of the leaf table found last
  Mfn table_;
};

}  // namespace xmmu

#endif  // XMMU_BENCH_MAPPED_MACHINE_H_
