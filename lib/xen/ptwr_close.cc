// Closing page tables that were open for the stores of their guest: Xen 3.0.0,
// xen/arch/x86/mm.c, ptwr_flush, revalidate_l1, cleanup_writable_pagetable.

#include <string>

#include "absl/strings/str_cat.h"
#include "pv_context.h"
#include "xmmu/base/check.h"

namespace xmmu {

void PvContext::CloseTables() {
  for (const PtwrSlot slot : {PtwrSlot::kActive, PtwrSlot::kInactive}) {
    if (domain_.ptwr(slot).in_use()) CloseTable(slot);
  }
}

void PvContext::CloseTouching(Mfn table) {
  for (const PtwrSlot slot : {PtwrSlot::kActive, PtwrSlot::kInactive}) {
    const PtwrInfo& info = domain_.ptwr(slot);
    if (!info.in_use()) continue;
    if (info.table == table || FrameOf(info.mapping) == table) CloseTable(slot);
  }
}

void PvContext::CloseTable(PtwrSlot which) {
  PtwrInfo& info = domain_.ptwr(which);
  const PtwrInfo open = info;
  // From here on it is no longer open, also to what may close the other one.
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
    const Mfn root = rules_.hidden_l4 ? opener.hidden_l4 : opener.guest_table;
    XMMU_CHECK(!host_.LoadCr3(cpu_, AddressOf(root).value()).has_value());
  }
  CloseMapping(open);
  info.last_updates = Revalidate(open);
  Count(Counter::kPtwrChanged, info.last_updates);
  Count(PtwrClosedCounter(info.last_updates));
  if (which == PtwrSlot::kActive) {
    Charge(CostEvent::kXenPteWrite);
    Store(open.l2_entry, Load(open.l2_entry).With(pte::kPresent));
  }
  if (elsewhere) {
    XMMU_CHECK(!host_.LoadCr3(cpu_, vcpu_.cr3).has_value());
  }
}

// Takes RW back, from all TLBs too, which also keeps other vCPUs from storing
// while entries are looked at.
void PvContext::CloseMapping(const PtwrInfo& open) {
  const Pte mapped = ReadEntry(open.mapping);
  Charge(CostEvent::kXenPteWrite);
  Store(open.mapping, mapped.Without(pte::kWritable));
  const CpuMask cpus = domain_.dirty_cpus();
  // The entry may map the table at a second address, with a TLB entry of its
  // own. Xen 3.0 did not think of this.
  if (HasOnePlace(FrameOf(open.mapping))) {
    FlushPage(cpus, open.va);
  } else {
    FlushNow(cpus, FullFlush());
  }
}

// Whether an L1 is known to map one part of the address space only.
bool PvContext::HasOnePlace(Mfn table) const {
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

// Compares with the snapshot and takes the references of what has changed.
// Returns how many entries have.
uint64_t PvContext::Revalidate(const PtwrInfo& open) {
  const int slots = CountSlots(1);
  Charge(CostEvent::kTempMap);
  uint64_t changed = 0;
  int slot = 0;
  for (; slot < slots; ++slot) {
    const Pte old = Load(EntryOf(open.snapshot, slot));
    const MachineAddr where = EntryOf(open.table, slot);
    const Pte value = Load(where);
    if (value == old) continue;
    ++changed;
    if (!RevalidateEntry(where, old, value)) break;
  }
  Charge(CostEvent::kSnapshotCompare,
         static_cast<uint64_t>(slot < slots ? slot + 1 : slots));
  if (slot < slots) CrashOn(open, slot);
  return changed;
}

bool PvContext::RevalidateEntry(MachineAddr where, Pte old, Pte value) {
  // Write permission lost and nothing else, as fork does it.
  if (value.With(pte::kWritable) == old) {
    if (value.present() && !IsIoMemory(value.frame())) {
      PutPageType(value.frame());
    }
    return true;
  }
  if (value.present()) {
    Pte entry = value;
    if (GetPageFromL1e(entry, domain_.id()) != XenErrno::kOk) return false;
    entry = Adjust(entry, 1);
    if (entry != value) Store(where, entry);
  }
  PutPageFromL1e(old);
  return true;
}

// The entries from `slot` on become what they were, so that all counts are
// right, and the guest is given up: there is nobody to tell.
void PvContext::CrashOn(const PtwrInfo& open, int slot) {
  domain_.Crash(absl::StrCat("writable page tables: entry ", slot,
                             " of the L1 in frame ", open.table.value(),
                             " is refused: ", std::string(why_)));
  for (; slot < CountSlots(1); ++slot) {
    Store(EntryOf(open.table, slot), Load(EntryOf(open.snapshot, slot)));
  }
}

}  // namespace xmmu
