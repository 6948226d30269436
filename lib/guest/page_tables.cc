#include "guest/page_tables.h"

#include <algorithm>

#include "guest/kernel_span.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// Whether an entry of L2 or above is in use. It may name a table without P: Xen
// unhooks a table while the guest writes to it (Linux on Xen 2.0 and 3.0:
// pmd_present looks at the whole entry).
bool IsLinked(uint64_t entry) { return entry != 0; }

// Whether an entry of L2 or above maps a large page. Links have no PS.
bool IsLeaf(uint64_t entry) { return Pte(entry).page_size(); }

// Linux 2.4 frees kept tables beyond the upper value of pgt_cache_water
// (do_check_pgt_cache); here no more than that are kept.
constexpr size_t kMaxKept = 50;

// What makes the table that an entry of `level` leads to.
const char* AllocName(int level) {
  constexpr const char* kNames[] = {"__pte_alloc", "__pmd_alloc", "__pud_alloc",
                                    "__p4d_alloc"};
  return kNames[level - 2];
}

}  // namespace

PageTables::PageTables(KernelCore& core, MmuOps& ops)
    : core_(core), ops_(ops), entry_shift_(core.entry_bytes() == 8 ? 3 : 2) {
  for (int level = 1; level <= core.levels(); ++level) {
    shapes_[static_cast<size_t>(level)] = {
        LevelShift(core.mode(), level),
        static_cast<uint64_t>(EntryCount(core.mode(), level) - 1)};
  }
}

absl::StatusOr<Pfn> PageTables::AllocTable(Vcpu& vcpu) {
  absl::StatusOr<Pfn> pfn = core_.AllocFrame();
  if (!pfn.ok()) return pfn;
  vcpu.ZeroPage(core_.layout.DirectVa(*pfn));
  core_.CountTable(+1);
  return pfn;
}

bool PageTables::Keeps(size_t pending) const {
  const bool can =
      core_.mode() == PagingMode::k2Level &&
      (!core_.abi.paravirtual || core_.options.pin == PinWhen::kEarly);
  return core_.options.keeps_tables && can &&
         kept_roots_.size() + kept_tables_.size() + pending < kMaxKept;
}

std::optional<Pfn> PageTables::Take(std::vector<Pfn>& kept) {
  if (kept.empty()) return std::nullopt;
  const Pfn table = kept.back();
  kept.pop_back();
  return table;
}

// Copies the kernel's half of the table `from`: a root's kernel slots (2-level,
// 64-bit), or all of a PAE guest's private kernel L2.
void PageTables::CopyKernelEntries(Vcpu& vcpu, int level, Pfn from, Pfn to) {
  const bool whole = core_.mode() == PagingMode::kPae && level == 2;
  const int count = EntryCount(core_.mode(), level);
  const int first =
      whole ? 0 : IndexOf(core_.mode(), level, core_.layout.direct_map);
  const uint64_t bytes =
      std::max(core_.domain.p2m().size() << kPageShift, core_.kernel_bytes);
  for (int i = first; i < count; ++i) {
    // Only the hypervisor's slots lie beyond what the kernel has mapped.
    const uint64_t mapped = static_cast<uint64_t>(i - first)
                            << LevelShift(core_.mode(), level);
    if (mapped >= bytes) break;
    StoreEntry(vcpu, to, i, LoadEntry(vcpu, from, i));
  }
}

// A kept root has its kernel entries and is pinned already, so only a new one
// is announced.
absl::StatusOr<std::unique_ptr<AddressSpace>> PageTables::Create(Vcpu& vcpu) {
  const Span span = KernelSpan(vcpu, "pgd_alloc");
  auto mm = std::make_unique<AddressSpace>();
  ++core_.address_spaces;
  if (const std::optional<Pfn> kept = Take(kept_roots_)) {
    mm->root = *kept;
    mm->tables_read_only = mm->pinned = core_.abi.paravirtual;
    core_.CountTable(+1);
    return mm;
  }
  absl::StatusOr<Pfn> root = AllocTable(vcpu);
  if (!root.ok()) return root.status();
  mm->root = *root;
  const int levels = core_.levels();
  if (core_.mode() == PagingMode::kPae) {
    Pfn kernel_l2 = core_.kernel_l2;
    if (core_.abi.private_pae_kernel_l2) {
      absl::StatusOr<Pfn> own = AllocTable(vcpu);
      if (!own.ok()) return own.status();
      kernel_l2 = *own;
      CopyKernelEntries(vcpu, 2, core_.kernel_l2, kernel_l2);
      mm->tables.Add({kernel_l2, 2, /*kernel_l2=*/true});
    }
    StoreEntry(vcpu, mm->root, 3, core_.MakeTableEntry(3, kernel_l2));
  } else {
    CopyKernelEntries(vcpu, levels, core_.init_mm.root, mm->root);
  }
  if (core_.abi.kernel_in_ring3(core_.mode())) {
    absl::StatusOr<Pfn> user_root = AllocTable(vcpu);
    if (!user_root.ok()) return user_root.status();
    mm->user_root = *user_root;
  }
  ops_.RootAllocated(vcpu, *mm);
  return mm;
}

void PageTables::Destroy(Vcpu& vcpu, AddressSpace& mm) {
  const Span span = KernelSpan(vcpu, "pgd_free");
  XMMU_CHECK(mm.active == 0 && mm.users == 0 && mm.deposits.empty());
  if (Keeps(0)) {
    kept_roots_.push_back(mm.root);
    core_.CountTable(-1);
    --core_.address_spaces;
    return;
  }
  ops_.RootReleased(vcpu, mm);
  std::vector<TablePage> freed;
  for (const TablePage& table : mm.tables) {
    XMMU_CHECK(table.kernel_l2);
    freed.push_back(table);
  }
  mm.tables.clear();
  for (Pfn root : {mm.root, mm.user_root}) {
    if (root != kInvalidPfn) freed.push_back({root});
  }
  ReleaseFrames(freed);
  --core_.address_spaces;
}

void PageTables::ReleaseFrames(const std::vector<TablePage>& freed) {
  for (const TablePage& table : freed) {
    if (table.kept) {
      kept_tables_.push_back(table.pfn);
    } else {
      XMMU_CHECK(core_.frames.Put(table.pfn));
    }
    core_.CountTable(-1);
  }
}

absl::StatusOr<Pfn> PageTables::MakeTable(Vcpu& vcpu, AddressSpace& mm,
                                          const PteSlot& slot) {
  const Span span = KernelSpan(vcpu, AllocName(slot.level));
  const std::optional<Pfn> kept = Take(kept_tables_);
  const absl::StatusOr<Pfn> child = kept.has_value() ? *kept : AllocTable(vcpu);
  if (!child.ok()) return child;
  if (kept.has_value()) core_.CountTable(+1);
  const TablePage page{.pfn = *child,
                       .level = static_cast<uint8_t>(slot.level - 1),
                       .base = slot.va};
  if (!kept.has_value()) ops_.TableAllocated(vcpu, mm, page);
  mm.tables.Add(page);
  ops_.SetTableEntry(vcpu, mm, slot.level, slot.table, slot.index,
                     core_.MakeTableEntry(slot.level, *child));
  return child;
}

absl::StatusOr<PteSlot> PageTables::MakeDownTo(Vcpu& vcpu, AddressSpace& mm,
                                               int lowest, VirtAddr va,
                                               int largest) {
  PteSlot slot = SlotOf(mm.root, core_.levels(), va);
  while (slot.level > lowest) {
    const uint64_t entry = Load(vcpu, slot);
    const bool may_be_leaf = entry == 0 && slot.level <= largest;
    if (IsLeaf(entry) || may_be_leaf) return slot;
    Pfn table;
    if (ABSL_PREDICT_TRUE(IsLinked(entry))) {
      table = core_.PfnOf(entry);
    } else {
      const absl::StatusOr<Pfn> made = MakeTable(vcpu, mm, slot);
      if (!made.ok()) return made.status();
      table = *made;
    }
    slot = SlotOf(table, slot.level - 1, va);
  }
  return slot;
}

std::optional<Pfn> PageTables::FindDownTo(Vcpu& vcpu, AddressSpace& mm,
                                          int lowest, VirtAddr va,
                                          int* absent_level) {
  Pfn table = mm.root;
  for (int level = core_.levels(); level > lowest; --level) {
    const uint64_t entry =
        LoadEntry(vcpu, table, IndexOf(core_.mode(), level, va));
    if (!IsLinked(entry) || IsLeaf(entry)) {
      if (absent_level != nullptr) *absent_level = level;
      return std::nullopt;
    }
    table = core_.PfnOf(entry);
  }
  return table;
}

std::optional<PteSlot> PageTables::Find(Vcpu& vcpu, AddressSpace& mm,
                                        VirtAddr va, int* absent_level) {
  PteSlot slot = SlotOf(mm.root, core_.levels(), va);
  while (slot.level > 1) {
    const uint64_t entry = Load(vcpu, slot);
    if (!IsLinked(entry)) {
      if (absent_level != nullptr) *absent_level = slot.level;
      return std::nullopt;
    }
    if (IsLeaf(entry)) break;
    slot = SlotOf(core_.PfnOf(entry), slot.level - 1, va);
  }
  return slot;
}

// Only the link moves: entries of the L1 table stay as they are.
void PageTables::MoveTable(Vcpu& vcpu, AddressSpace& mm, const PteSlot& from,
                           const PteSlot& to, uint64_t entry) {
  const Pfn table = core_.PfnOf(entry);
  TablePage& page = mm.tables.Get(table);
  ops_.SetTableEntry(vcpu, mm, 2, from.table, from.index, 0);
  page.base = to.va;
  ops_.TableMoved(vcpu, mm, page);
  ops_.SetTableEntry(vcpu, mm, 2, to.table, to.index,
                     core_.MakeTableEntry(2, table));
}

absl::StatusOr<PageTables::Moved> PageTables::MoveL2Entry(
    Vcpu& vcpu, AddressSpace& mm, VirtAddr from, VirtAddr to, bool tables) {
  const std::optional<Pfn> old_l2 = FindDownTo(vcpu, mm, 2, from);
  if (!old_l2.has_value()) return Moved::kNothing;
  const PteSlot source = SlotOf(*old_l2, 2, from);
  const uint64_t entry = Load(vcpu, source);
  if (!IsLinked(entry) || (!IsLeaf(entry) && !tables)) return Moved::kNothing;
  absl::StatusOr<PteSlot> target = MakeDownTo(vcpu, mm, 2, to, /*largest=*/1);
  if (!target.ok()) return target.status();
  if (IsLinked(Load(vcpu, *target))) return Moved::kNothing;
  if (!IsLeaf(entry)) {
    MoveTable(vcpu, mm, source, *target, entry);
    return Moved::kTable;
  }
  ops_.SetPte(vcpu, mm, *target, ops_.ClearPte(vcpu, mm, source));
  ops_.Flush(vcpu, mm, TlbFlush::Page(from));
  return Moved::kLeaf;
}

absl::Status PageTables::ForEachOfTable(
    Vcpu& vcpu, PteSlot slot, VirtAddr stop,
    absl::FunctionRef<absl::Status(const PteSlot&, uint64_t entry)> visit) {
  absl::Status status;
  for (; slot.va < stop && status.ok(); slot.va += kPageSize, ++slot.index) {
    const uint64_t entry = Load(vcpu, slot);
    if (entry == 0) continue;
    vcpu.cpu().clock.Charge(CostEvent::kGuestPteWork);
    status = visit(slot, entry);
  }
  return status;
}

absl::Status PageTables::ForEachEntry(
    Vcpu& vcpu, AddressSpace& mm, VirtAddr start, VirtAddr end,
    absl::FunctionRef<absl::Status(const PteSlot&, uint64_t entry)> visit,
    absl::FunctionRef<void()> table_done) {
  VirtAddr va = start;
  while (va < end) {
    int absent_level = 0;
    const std::optional<PteSlot> slot = Find(vcpu, mm, va, &absent_level);
    if (!slot.has_value()) {
      va = EndOfEntry(absent_level, va);
      continue;
    }
    const VirtAddr all = EndOfEntry(std::max(slot->level, 2), va);
    if (slot->level > 1 && (va > slot->va || all > end)) {
      Split(vcpu, mm, *slot);
      continue;
    }
    ops_.EnterLazy(vcpu);
    absl::Status status;
    if (slot->level > 1) {
      vcpu.cpu().clock.Charge(CostEvent::kGuestPteWork);
      status = visit(*slot, Load(vcpu, *slot));
    } else {
      status = ForEachOfTable(vcpu, *slot, std::min(end, all), visit);
    }
    ops_.LeaveLazy(vcpu);
    if (!status.ok()) return status;
    va = all;
    table_done();
  }
  return absl::OkStatus();
}

// The link goes before the table does, so that no walk can reach a freed frame.
void PageTables::FreeChild(Vcpu& vcpu, AddressSpace& mm, int level, Pfn table,
                           int index, Pfn child,
                           std::vector<TablePage>& freed) {
  ops_.SetTableEntry(vcpu, mm, level, table, index, 0);
  TablePage& page = mm.tables.Get(child);
  page.kept = Keeps(freed.size());
  if (!page.kept) ops_.TableReleased(vcpu, mm, page);
  freed.push_back(mm.tables.Remove(child));
}

void PageTables::FreeLevel(Vcpu& vcpu, AddressSpace& mm, int level, Pfn table,
                           VirtAddr base, VirtAddr start, VirtAddr end,
                           std::vector<TablePage>& freed) {
  const uint64_t span = uint64_t{1} << LevelShift(core_.mode(), level);
  const int last = IndexOf(core_.mode(), level, end - 1);
  for (int i = IndexOf(core_.mode(), level, start); i <= last; ++i) {
    const VirtAddr child_base = base + static_cast<uint64_t>(i) * span;
    const uint64_t entry = LoadEntry(vcpu, table, i);
    if (!IsLinked(entry) || IsLeaf(entry)) continue;
    const Pfn child = core_.PfnOf(entry);
    const VirtAddr child_end = child_base + span;
    const bool unused = !mm.vmas.Overlaps(child_base, child_end);
    // Tables below an unused child that lie outside of the range are gone
    // already, with the VMAs that they served.
    if (level > 2) {
      FreeLevel(vcpu, mm, level - 1, child, child_base,
                std::max(start, child_base), std::min(end, child_end), freed);
    }
    if (unused) FreeChild(vcpu, mm, level, table, i, child, freed);
  }
}

void PageTables::FreeUnused(Vcpu& vcpu, AddressSpace& mm, VirtAddr start,
                            VirtAddr end, std::vector<TablePage>& freed) {
  const Span span = KernelSpan(vcpu, "free_pgtables");
  FreeLevel(vcpu, mm, core_.levels(), mm.root, VirtAddr(0), start, end, freed);
}

}  // namespace xmmu
