// The shadows that processors walk while a paravirtual domain is being logged:
// how they are made from the guest's tables, follow them and go.

#include <algorithm>

#include "xen/direct/direct_write_logging.h"
#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"

namespace xmmu {
namespace {

// The rights that a link takes over from the guest's entry.
constexpr uint64_t kLinkRights = pte::kWritable | pte::kUser | pte::kNoExecute;

}  // namespace

Pte DirectWriteLogging::GuestEntry(Mfn table, int slot) const {
  return Pte(host_.memory().ReadEntry(
      EntryAddress(mode_, AddressOf(table), slot), entry_bytes()));
}

ShadowId DirectWriteLogging::FindOrMake(Cpu& cpu, Mfn table, int level) {
  cpu.clock.Charge(CostEvent::kXenPteRead);  // the hash
  const ShadowId found = Find(table, level);
  if (found != kNoShadow) return found;
  if (shadows_->full()) return kNoShadow;
  const ShadowId id = shadows_->Take(KeyOf(table, level));
  // A paging-structure cache, or a PDPTE register, may still lead to the frame
  // as what it was before.
  const CpuMask stale =
      host_.NeedFlush(domain_.dirty_cpus(), (*shadows_)[id].tlbflush_timestamp);
  if (stale != 0) host_.Flush(cpu, stale, TlbFlush::All());
  cpu.clock.Charge(CostEvent::kZeroPage);
  cpu.counters.Add(Counter::kShadowsMade);
  return id;
}

bool DirectWriteLogging::IsLoaded(ShadowId id) const {
  return ShadowLevel(id) == top_level() &&
         std::find(roots_.begin(), roots_.end(), TableOf(id)) != roots_.end();
}

// Roots in use stay, emptied. As for the others, Xen goes through the entries
// above L1 to drop references (Xen 4.17: sh_destroy_l2_shadow and up; none are
// kept for what L1 shadows map).
void DirectWriteLogging::DropAll(Cpu& cpu) {
  const Span span(cpu.clock, Actor::kXen, "shadow_blow_tables");
  for (ShadowId id = 0; id < shadows_->made(); ++id) {
    const ShadowPage& shadow = (*shadows_)[id];
    if (!shadow.in_use) continue;
    if (ShadowLevel(id) > 1) {
      const int entries = EntryCount(mode_, ShadowLevel(id));
      cpu.clock.Charge(CostEvent::kXenPteRead, static_cast<uint64_t>(entries));
    }
    if (IsLoaded(id)) {
      cpu.clock.Charge(CostEvent::kZeroPage);
      host_.memory().ZeroFrame(shadow.mfn);
      continue;
    }
    shadows_->Release(id);
  }
  host_.Flush(cpu, domain_.dirty_cpus(), TlbFlush::All());
}

void DirectWriteLogging::Recycle(Cpu& cpu) {
  const uint32_t before = shadows_->in_use();
  DropAll(cpu);
  cpu.counters.Add(Counter::kShadowsRecycled, before - shadows_->in_use());
}

bool DirectWriteLogging::TableGone(Mfn table) {
  bool any = false;
  for (int level = 1; level <= top_level(); ++level) {
    const ShadowId id = Find(table, level);
    if (id == kNoShadow) continue;
    XMMU_CHECK(!IsLoaded(id));
    shadows_->Release(id);
    any = true;
  }
  return any;
}

void DirectWriteLogging::EntryWritten(Cpu& cpu, MachineAddr entry, Pte value) {
  const Mfn table = FrameOf(entry);
  if (shadows_->FindTable(Gfn(table.value())) == nullptr) return;
  const int slot = static_cast<int>(PageOffset(entry)) / entry_bytes();
  for (int level = 1; level <= top_level(); ++level) {
    const ShadowId id = Find(table, level);
    if (id == kNoShadow || slot >= EntryCount(mode_, level)) continue;
    SetEntry(cpu, {id, slot}, level == 1 ? LeafFor(value) : Pte());
  }
}

void DirectWriteLogging::SetEntry(Cpu& cpu, const ShadowSlot& slot, Pte now) {
  if (shadows_->Read(slot) == now) return;
  cpu.clock.Charge(CostEvent::kXenPteWrite);
  shadows_->Write(slot, now);
}

// A device's frame has no pfn, so no dirty bit is kept for it; it may be mapped
// writable at once.
Pte DirectWriteLogging::LeafFor(Pte guest) const {
  if (!guest.present() || !guest.accessed()) return Pte();
  const Pfn pfn = domain_.p2m().PfnOf(guest.frame());
  const bool logged = pfn == kInvalidPfn || domain_.dirty_log().IsDirty(pfn);
  return guest.dirty() && logged ? guest : guest.Without(pte::kWritable);
}

// A PDPTE where the processor loads it into a register has no rights.
Pte DirectWriteLogging::LinkTo(Mfn frame, Pte guest, int level) const {
  if (mode_ == PagingMode::kPae && level == 3) {
    return Pte(frame, pte::kPresent);
  }
  return Pte(frame,
             pte::kPresent | pte::kAccessed | (guest.raw() & kLinkRights));
}

bool DirectWriteLogging::TryFill(VcpuContext& vcpu, VirtAddr va) {
  const Span span(vcpu.cpu->clock, Actor::kXen, "shadow_get_and_create_l1e");
  Cpu& cpu = *vcpu.cpu;
  Mfn table = roots_[vcpu.id];
  ShadowId id = Find(table, top_level());
  for (int level = top_level(); level > 1; --level) {
    const int slot = IndexOf(mode_, level, va);
    const Pte guest = GuestEntry(table, slot);
    const ShadowId below = FindOrMake(cpu, guest.frame(), level - 1);
    if (below == kNoShadow) return false;
    SetEntry(cpu, {id, slot}, LinkTo((*shadows_)[below].mfn, guest, level));
    table = guest.frame();
    id = below;
  }
  const int slot = IndexOf(mode_, 1, va);
  SetEntry(cpu, {id, slot}, LeafFor(GuestEntry(table, slot)));
  return true;
}

// The processor's registers, but for what it would have loaded into CR3.
PagingContext DirectWriteLogging::GuestContext(const VcpuContext& vcpu) const {
  const MachineAddr root = AddressOf(roots_[vcpu.id]);
  ControlRegisters registers = vcpu.cpu->mmu.registers();
  registers.cr3 = root.value();
  PagingContext context(registers, host_.model().features);
  if (mode_ != PagingMode::kPae) return context;
  for (size_t i = 0; i < context.pdpte.size(); ++i) {
    context.pdpte[i] = host_.memory().Read64(root + i * sizeof(uint64_t));
  }
  return context;
}

WalkResult DirectWriteLogging::WalkGuest(VcpuContext& vcpu,
                                         const Access& access) {
  Cpu& cpu = *vcpu.cpu;
  XMMU_CHECK(cpu.current == &vcpu && cpu.mmu.mode() == mode_);
  const WalkResult walk = walker_.Probe(GuestContext(vcpu), access);
  cpu.clock.Charge(CostEvent::kTempMap, walk.entries.size());
  cpu.clock.Charge(CostEvent::kXenPteRead, walk.entries.size());
  SetUsed(cpu, access, walk);
  return walk;
}

// Sets flags as the page walker does: A in each entry on the way, even to a
// fault; A and D of the leaf if the access is allowed.
void DirectWriteLogging::SetUsed(Cpu& cpu, const Access& access,
                                 const WalkResult& walk) {
  for (const WalkEntry& used : walk.entries) {
    const bool last = &used == &walk.entries.back();
    if (last && !walk.ok) return;
    const bool sets_dirty = last && access.is_write();
    const Pte entry =
        used.entry.With(pte::kAccessed | (sets_dirty ? pte::kDirty : 0));
    if (entry == used.entry) continue;
    cpu.clock.Charge(CostEvent::kXenPteCas);
    host_.memory().WriteEntry(used.addr, entry_bytes(), entry.raw());
    MarkDirty(cpu, domain_, FrameOf(used.addr));
  }
}

}  // namespace xmmu
