// Opening page tables for the stores of their guest: Xen 3.0.0,
// xen/arch/x86/mm.c, ptwr_do_page_fault. Xen 3.0 had writable page tables for
// 2-level, PAE and x86-64 guests; all other rules are those of the guest's
// mode.

#include "xen/direct/writable_tables.h"
#include "xmmu/base/check.h"

namespace xmmu {

// Xen 3.0 compares the L2 slots of addresses, and so does not notice that the
// guest uses a linear map of its own. Here it counts where the walk ends.
bool WritableTables::MeetsUnhooked(const Access& access) const {
  const PtwrInfo& active = direct_.ptwr(PtwrSlot::kActive);
  if (!active.in_use() || !IsCanonical(rules_.hardware, access.va)) {
    return false;
  }
  const WalkResult walk = cpu_.mmu.ProbeWalk(access);
  return !walk.ok && !walk.entries.empty() &&
         walk.entries.back().addr == active.l2_entry;
}

bool WritableTables::IsTableWriteFault(const PageFault& fault) const {
  constexpr uint32_t kWant = pf::kProtection | pf::kWrite;
  constexpr uint32_t kLook = kWant | pf::kReserved | pf::kFetch;
  return fault.vector == FaultVector::kPageFault &&
         (fault.error_code & kLook) == kWant && vcpu_.kernel_mode &&
         direct_.writable_pagetables() && IsCanonical(rules_.mode, fault.va) &&
         !IsHypervisorAddress(rules_.mode, fault.va);
}

TableWrite WritableTables::FindTableWrite(const PageFault& fault,
                                          const Access& access) {
  const Span span = XenSpan("ptwr_do_page_fault");
  TableWrite write{.va = access.va};
  if (!IsTableWriteFault(fault)) return write;
  const std::optional<MachineAddr> mapping = lookup_.FindMapping(access.va);
  if (!mapping.has_value()) return write;
  const Pte mapped = ReadEntry(*mapping);
  write.mapping = *mapping;
  if (!mapped.present()) return write;
  if (mapped.writable()) {
    // Another vCPU has just opened the table, or the mapping is read-only
    // further up.
    if (cpu_.mmu.Probe(access).ok()) write.kind = TableWrite::Kind::kSpurious;
    return write;
  }
  write.table = mapped.frame();
  if (!host_.frames().Valid(write.table)) return write;
  const PageInfo& page = Page(write.table);
  // A table that is open by another mapping may be an ordinary page for now.
  if (page.type == PageType::kWritable) {
    CloseTouching(write.table);
    if (domain_.crashed()) return write;
  }
  if (page.owner != domain_.id() || page.type != PageType::kL1 ||
      !page.validated) {
    return write;
  }
  const bool can_open = MayBeOpened(write) &&
                        OpensByRw(*mapping, mapped, access) &&
                        PlaceInLoadedRoots(write);
  write.kind = can_open ? TableWrite::Kind::kOpen : TableWrite::Kind::kEmulate;
  return write;
}

// The place of the table must be known, and must not be that of the mapping
// itself: a table that maps itself would take the mapping away with it.
bool WritableTables::MayBeOpened(const TableWrite& write) const {
  const PageInfo& page = Page(write.table);
  const Mfn mapper = FrameOf(write.mapping);
  return page.l2_slot != kL2SlotMutable && page.l2_slot != kL2SlotMany &&
         mapper != write.table && Page(mapper).type == PageType::kL1;
}

// If the mapping is read-only further up, too, Xen 3.0 would see the same fault
// for ever.
bool WritableTables::OpensByRw(MachineAddr mapping, Pte mapped,
                               const Access& access) {
  Store(mapping, mapped.With(pte::kWritable));
  const bool opens = cpu_.mmu.Probe(access).ok();
  Store(mapping, mapped);
  return opens;
}

std::optional<MachineAddr> WritableTables::HookBelow(Mfn root, Mfn table,
                                                     int level,
                                                     bool& known) const {
  const PageInfo& page = Page(table);
  if (page.l2_slot == kL2SlotMutable) return std::nullopt;
  const bool below_root = level + 1 == LevelCount(rules_.mode);
  const Mfn parent = below_root ? root : page.hooked_in;
  if (page.l2_slot == kL2SlotMany || parent == kInvalidMfn) {
    known = false;
    return std::nullopt;
  }
  if (Page(parent).type != TableType(level + 1)) return std::nullopt;
  if (!below_root && !HookBelow(root, parent, level + 1, known).has_value()) {
    return std::nullopt;
  }
  const MachineAddr where = EntryOf(parent, page.l2_slot);
  const Pte entry = Load(where);
  const PtwrInfo& active = direct_.ptwr(PtwrSlot::kActive);
  const bool unhooked = active.in_use() && active.l2_entry == where;
  if (entry.frame() != table || !(entry.present() || unhooked)) {
    return std::nullopt;
  }
  return where;
}

// A 64-bit vCPU changes between its two roots without asking, so both count.
bool WritableTables::PlaceInLoadedRoots(TableWrite& write) {
  const PageInfo& page = Page(write.table);
  Charge(CostEvent::kXenPteRead);  // the L2 entry
  bool known = true;
  for (const Mfn root : {vcpu_.guest_table, vcpu_.guest_table_user}) {
    if (root == kInvalidMfn) continue;
    const std::optional<MachineAddr> hook =
        HookBelow(root, write.table, 1, known);
    if (!known) return false;
    if (!hook.has_value()) continue;
    write.slot = PtwrSlot::kActive;
    write.l2_entry = *hook;
  }
  const uint64_t hooks = write.slot == PtwrSlot::kActive ? 1 : 0;
  const uint64_t types = hooks + (page.pinned ? 1 : 0);
  const uint64_t refs = types + (page.allocated ? 1 : 0) + 1;
  write.sole_use = page.type_count == types && page.ref_count == refs;
  // Each type reference comes with a general one.
  const uint64_t others = page.ref_count - page.type_count;
  write.sole_mapping = others == (page.allocated ? 2u : 1u);
  return true;
}

void WritableTables::OpenTable(const TableWrite& write, PtwrSlot slot,
                               PtwrMethod method) {
  Span span = XenSpan("ptwr_do_page_fault: open");
  span.Hex("table", write.table.value());
  PtwrInfo& info = direct_.ptwr(slot);
  XMMU_CHECK(!info.in_use());
  // A mapping with RW that no count knows of must neither be in a snapshot nor
  // be one that the guest's stores can reach. Xen 3.0 did not think of this.
  CloseTouching(write.table);
  if (domain_.crashed()) return;
  const bool active = slot == PtwrSlot::kActive;
  Count(active ? Counter::kPtwrActive : Counter::kPtwrInactive);
  PtwrInfo open = info;
  open.method = method;
  open.table = write.table;
  open.l2_entry = active ? write.l2_entry : MachineAddr();
  open.mapping = write.mapping;
  open.va = write.va;
  open.vcpu = vcpu_.id;
  if (method == PtwrMethod::kRevalidate) {
    DropTypeFor(open, active);
  } else {
    KeepTypeFor(open, active);
  }
  // No flush is needed: a read-only entry in a TLB costs one more fault at
  // most.
  Charge(CostEvent::kXenPteWrite);
  const Pte mapped = Load(open.mapping).With(pte::kWritable);
  Store(open.mapping, method == PtwrMethod::kCopy
                          ? Pte(open.snapshot, mapped.flags())
                          : mapped);
  info = open;
}

// The table's entries go on holding their references, and so no processor may
// use it until they are compared with what they were.
void WritableTables::KeepTypeFor(PtwrInfo& open, bool active) {
  if (active) {
    Unhook(open.l2_entry);
  } else {
    // No address space in use has the table; but where unhooking flushes
    // nothing, a paging-structure cache may still lead to it. Xen 3.0 did not
    // think of this.
    const CpuMask stale = host_.NeedFlush(domain_.dirty_cpus(),
                                          Page(open.table).tlbflush_timestamp);
    if (stale != 0) FlushNow(stale, FullFlush());
  }
  if (open.snapshot == kInvalidMfn) open.snapshot = host_.AllocXenFrame();
  Charge(CostEvent::kTempMap);
  Charge(CostEvent::kCopyPage);
  host_.memory().CopyFrame(open.snapshot, open.table);
}

// No CPU may go on using the table, nor what the CPU has cached of it.
void WritableTables::Unhook(MachineAddr l2_entry) {
  const Span span = XenSpan("unhook from L2");
  Charge(CostEvent::kXenPteWrite);
  Store(l2_entry, Load(l2_entry).Without(pte::kPresent));
  FlushNow(domain_.dirty_cpus(), FullFlush());
}

}  // namespace xmmu
