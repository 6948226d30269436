// Closing page tables that were open for the stores of their guest: Xen 3.0.0,
// xen/arch/x86/mm.c, ptwr_flush, revalidate_l1, cleanup_writable_pagetable.
// That a copy's entries go into the table one by one, once accepted, is Xen's
// of September 2004 (5f1960350f); what is charged for it is assumed.

#include <string>

#include "absl/strings/str_cat.h"
#include "xen/direct/writable_tables.h"
#include "xmmu/base/check.h"

namespace xmmu {

void WritableTables::CloseTables() {
  if (!direct_.ptwr_in_use()) return;
  if (direct_.ptwr(PtwrSlot::kActive).in_use()) CloseTable(PtwrSlot::kActive);
  CloseInactiveTables();
}

void WritableTables::CloseInactiveTables() {
  for (int i = 0; i < kMaxInactiveTables; ++i) {
    if (direct_.ptwr(InactiveSlot(i)).in_use()) CloseTable(InactiveSlot(i));
  }
}

void WritableTables::CloseTouching(Mfn table) {
  if (!direct_.ptwr_in_use()) return;
  for (size_t i = 0; i < kPtwrSlots; ++i) {
    const auto slot = static_cast<PtwrSlot>(i);
    const PtwrInfo& info = direct_.ptwr(slot);
    if (!info.in_use()) continue;
    if (info.table == table || FrameOf(info.mapping) == table) CloseTable(slot);
  }
}

void WritableTables::CloseTable(PtwrSlot which) {
  Span span = XenSpan("ptwr_flush");
  PtwrInfo& info = direct_.ptwr(which);
  const PtwrInfo open = info;
  // From here on the table is no longer open, also for callees that close all
  // that is open.
  info.table = kInvalidMfn;
  // The mapping is reached through the linear map of the address space that it
  // was opened in: the other vCPU's, or the own kernel's while in user mode.
  const VcpuContext& opener = domain_.vcpu(open.vcpu);
  const bool user_root =
      !vcpu_.kernel_mode && vcpu_.guest_table_user != kInvalidMfn;
  const bool elsewhere = (&opener != &vcpu_ || user_root) &&
                         cpu_.current == &vcpu_ &&
                         opener.guest_table != kInvalidMfn;
  if (elsewhere) {
    const Mfn root = rules_.hidden_l4 ? direct_.vcpu(open.vcpu).hidden_l4
                                      : opener.guest_table;
    XMMU_CHECK(!host_.LoadCr3(cpu_, AddressOf(root).value()).has_value());
  }
  const bool active = which == PtwrSlot::kActive;
  CloseMapping(open);
  if (open.method == PtwrMethod::kRevalidate) {
    RetakeTypeFor(open, active);
  } else {
    info.last_updates = Revalidate(open);
    span.Arg("changed", info.last_updates);
    Count(Counter::kPtwrChanged, info.last_updates);
    Count(PtwrClosedCounter(info.last_updates));
    if (active) {
      Charge(CostEvent::kXenPteWrite);
      Store(open.l2_entry, Load(open.l2_entry).With(pte::kPresent));
    }
  }
  if (elsewhere) {
    XMMU_CHECK(!host_.LoadCr3(cpu_, vcpu_.cr3).has_value());
  }
}

// To take RW from all TLBs, too, keeps other vCPUs from storing while the
// entries are looked at.
void WritableTables::CloseMapping(const PtwrInfo& open) {
  const Pte mapped = ReadEntry(open.mapping);
  Charge(CostEvent::kXenPteWrite);
  Store(open.mapping, Pte(open.table, mapped.flags()).Without(pte::kWritable));
  if (open.method == PtwrMethod::kRevalidate) {
    // No flush here: the change of type that follows flushes.
    return types_.PutPageType(open.table);
  }
  const CpuMask cpus = domain_.dirty_cpus();
  // The entry may map the table at a second address, with a TLB entry of its
  // own. Xen 3.0 did not think of this.
  if (HasOnePlace(FrameOf(open.mapping))) {
    FlushPage(cpus, open.va);
  } else {
    FlushNow(cpus, FullFlush());
  }
}

bool WritableTables::HasOnePlace(Mfn table) const {
  for (int level = 1; level < LevelCount(rules_.mode); ++level) {
    const PageInfo& page = Page(table);
    if (page.l2_slot == kL2SlotMany || page.l2_slot == kL2SlotMutable) {
      return false;
    }
    if (level + 1 == LevelCount(rules_.mode)) return true;
    if (page.hooked_in == kInvalidMfn) return false;
    table = page.hooked_in;
  }
  return false;
}

// Compares the table with the snapshot, or the copy with the table, and takes
// the references of what has changed. Returns how many entries have.
uint64_t WritableTables::Revalidate(const PtwrInfo& open) {
  const Span span = XenSpan("revalidate_l1");
  const bool copied = open.method == PtwrMethod::kCopy;
  const int slots = CountSlots(1);
  Charge(CostEvent::kTempMap);
  uint64_t changed = 0;
  int slot = 0;
  for (; slot < slots; ++slot) {
    const MachineAddr where = EntryOf(open.table, slot);
    const MachineAddr kept = EntryOf(open.snapshot, slot);
    const Pte old = Load(copied ? where : kept);
    const Pte value = Load(copied ? kept : where);
    if (value == old) continue;
    ++changed;
    if (!RevalidateEntry(where, old, value)) break;
    if (copied) Charge(CostEvent::kXenPteWrite);
  }
  Charge(CostEvent::kSnapshotCompare,
         static_cast<uint64_t>(slot < slots ? slot + 1 : slots));
  if (slot < slots) CrashOn(open, slot);
  return changed;
}

bool WritableTables::RevalidateEntry(MachineAddr where, Pte old, Pte value) {
  // fork() takes write permission away and changes nothing else.
  const bool loses_write = value.With(pte::kWritable) == old;
  Pte entry = value;
  if (value.present() && !loses_write) {
    if (types_.GetPageFromL1e(entry, domain_.id()) != XenErrno::kOk) {
      return false;
    }
    entry = types_.Adjust(entry, 1);
  }
  if (Load(where) != entry) Store(where, entry);
  if (!loses_write) {
    types_.PutPageFromL1e(old);
  } else if (value.present() && !types_.IsIoMemory(value.frame())) {
    types_.PutPageType(value.frame());
  }
  return true;
}

// Gives the entries from `slot` on the values that they had, so that all counts
// are right, and gives the guest up: no caller waits for an error. With kCopy
// the table itself has never had other values.
void WritableTables::CrashOn(const PtwrInfo& open, int slot) {
  domain_.Crash(absl::StrCat("writable page tables: entry ", slot,
                             " of the L1 in frame ", open.table.value(),
                             " is refused: ", std::string(request_.why)));
  if (open.method == PtwrMethod::kCopy) return;
  for (; slot < CountSlots(1); ++slot) {
    Store(EntryOf(open.table, slot), Load(EntryOf(open.snapshot, slot)));
  }
}

}  // namespace xmmu
