// The shadows that processors walk while a paravirtual domain is being logged:
// how they are made from the guest's tables, follow them and go.

#include <algorithm>

#include "xen/direct/direct_write_logging.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// What a link takes over from the guest's entry.
constexpr uint64_t kLinkRights = pte::kWritable | pte::kUser | pte::kNoExecute;

}  // namespace

MachineAddr DirectWriteLogging::SlotOf(const Shadow& shadow, int slot) const {
  return EntryAddress(mode_, AddressOf(shadow.frame), slot);
}

Pte DirectWriteLogging::GuestEntry(Mfn table, int slot) const {
  return Pte(host_.memory().ReadEntry(
      EntryAddress(mode_, AddressOf(table), slot), entry_bytes()));
}

DirectWriteLogging::ShadowId DirectWriteLogging::Find(Mfn table,
                                                      int level) const {
  const auto found = by_table_.find(table);
  return found == by_table_.end() ? kNone
                                  : found->second[static_cast<size_t>(level)];
}

DirectWriteLogging::ShadowId DirectWriteLogging::FindOrMake(Cpu& cpu, Mfn table,
                                                            int level) {
  cpu.clock.Charge(CostEvent::kXenPteRead);  // the hash
  const ShadowId found = Find(table, level);
  if (found != kNone) return found;
  if (free_.empty()) return kNone;
  const ShadowId id = free_.back();
  free_.pop_back();
  Shadow& shadow = shadows_[id];
  // A paging-structure cache, or a PDPTE register, may still lead here.
  const CpuMask stale =
      host_.NeedFlush(domain_.dirty_cpus(), shadow.tlbflush_timestamp);
  if (stale != 0) host_.Flush(cpu, stale, TlbFlush::All());
  cpu.clock.Charge(CostEvent::kZeroPage);
  cpu.counters.Add(Counter::kShadowsMade);
  host_.memory().ZeroFrame(shadow.frame);
  shadow.table = table;
  shadow.level = level;
  const auto [entry, is_new] = by_table_.try_emplace(table);
  if (is_new) entry->second.fill(kNone);
  entry->second[static_cast<size_t>(level)] = id;
  return id;
}

void DirectWriteLogging::Release(ShadowId id) {
  Shadow& shadow = shadows_[id];
  const auto found = by_table_.find(shadow.table);
  ByLevel& levels = found->second;
  levels[static_cast<size_t>(shadow.level)] = kNone;
  const bool last = std::all_of(levels.begin(), levels.end(),
                                [](ShadowId other) { return other == kNone; });
  if (last) by_table_.erase(found);
  shadow.table = kInvalidMfn;
  shadow.tlbflush_timestamp = host_.tlb_clock();
  free_.push_back(id);
}

bool DirectWriteLogging::IsLoaded(const Shadow& shadow) const {
  return shadow.level == top_level() &&
         std::find(roots_.begin(), roots_.end(), shadow.table) != roots_.end();
}

// Roots in use stay, emptied. Of the others Xen goes through the entries above
// L1 to drop references (Xen 4.17: sh_destroy_l2_shadow and up; none are kept
// for what L1 shadows map).
void DirectWriteLogging::DropAll(Cpu& cpu) {
  for (ShadowId id = 0; id < shadows_.size(); ++id) {
    const Shadow& shadow = shadows_[id];
    if (shadow.table == kInvalidMfn) continue;
    if (shadow.level > 1) {
      const int entries = EntryCount(mode_, shadow.level);
      cpu.clock.Charge(CostEvent::kXenPteRead, static_cast<uint64_t>(entries));
    }
    if (IsLoaded(shadow)) {
      cpu.clock.Charge(CostEvent::kZeroPage);
      host_.memory().ZeroFrame(shadow.frame);
      continue;
    }
    Release(id);
  }
  host_.Flush(cpu, domain_.dirty_cpus(), TlbFlush::All());
}

void DirectWriteLogging::Recycle(Cpu& cpu) {
  const size_t before = free_.size();
  DropAll(cpu);
  cpu.counters.Add(Counter::kShadowsRecycled, free_.size() - before);
}

bool DirectWriteLogging::TableGone(Mfn table) {
  bool any = false;
  for (int level = 1; level <= top_level(); ++level) {
    const ShadowId id = Find(table, level);
    if (id == kNone) continue;
    XMMU_CHECK(!IsLoaded(shadows_[id]));
    Release(id);
    any = true;
  }
  return any;
}

void DirectWriteLogging::EntryWritten(Cpu& cpu, MachineAddr entry, Pte value) {
  const auto found = by_table_.find(FrameOf(entry));
  if (found == by_table_.end()) return;
  const int slot = static_cast<int>(PageOffset(entry)) / entry_bytes();
  for (int level = 1; level <= top_level(); ++level) {
    const ShadowId id = found->second[static_cast<size_t>(level)];
    if (id == kNone || slot >= EntryCount(mode_, level)) continue;
    SetEntry(cpu, shadows_[id], slot, level == 1 ? LeafFor(value) : Pte());
  }
}

void DirectWriteLogging::SetEntry(Cpu& cpu, const Shadow& shadow, int slot,
                                  Pte now) {
  const MachineAddr where = SlotOf(shadow, slot);
  if (Pte(host_.memory().ReadEntry(where, entry_bytes())) == now) return;
  cpu.clock.Charge(CostEvent::kXenPteWrite);
  host_.memory().WriteEntry(where, entry_bytes(), now.raw());
}

// Of a frame at no pfn nobody asks whether it is dirty: a device's.
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
  Cpu& cpu = *vcpu.cpu;
  Mfn table = roots_[vcpu.id];
  ShadowId id = Find(table, top_level());
  for (int level = top_level(); level > 1; --level) {
    const int slot = IndexOf(mode_, level, va);
    const Pte guest = GuestEntry(table, slot);
    const ShadowId below = FindOrMake(cpu, guest.frame(), level - 1);
    if (below == kNone) return false;
    SetEntry(cpu, shadows_[id], slot,
             LinkTo(shadows_[below].frame, guest, level));
    table = guest.frame();
    id = below;
  }
  const int slot = IndexOf(mode_, 1, va);
  SetEntry(cpu, shadows_[id], slot, LeafFor(GuestEntry(table, slot)));
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

// As the page walker does: A in each entry on the way, even to a fault; A and D
// of the leaf if the access is allowed.
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
