// What a store to a table comes to.

#include <algorithm>

#include "policy/shadow/shadow_2006_paging.h"
#include "xmmu/base/check.h"

namespace xmmu {

// A store of a program, or one that the emulator does not know, says that the
// frame is no table any more. Any other store is emulated.
FaultOutcome Shadow2006Paging::WriteToTable(VcpuContext& vcpu,
                                            const GuestWalk& walk,
                                            const Access& access,
                                            MemoryOperand& operand) {
  if ((access.user || !operand.writes()) && CanUnshadow(walk)) {
    EvictTable(*vcpu.cpu, walk.gfn);
    vcpu.cpu->counters.Add(Counter::kShadowUnshadowed);
    return {FaultAction::kRetry, {}};
  }
  Walk(vcpu, access);  // the emulator walks once more, for its destination
  EmulateStore(vcpu, walk, access, operand);
  return {FaultAction::kEmulated, {}};
}

// A table on the way of the access itself would be one again before the access
// is retried, and a root in use has to stay: Xen gives such a guest up, or
// never gets on with it. Here the store is emulated (assumed).
bool Shadow2006Paging::CanUnshadow(const GuestWalk& walk) const {
  for (const GuestWalkEntry& used : walk.entries) {
    if (used.table == walk.gfn) return false;
  }
  const std::vector<ShadowId>& shadows = pages().FindTable(walk.gfn)->shadows;
  return std::all_of(shadows.begin(), shadows.end(),
                     [&](ShadowId id) { return pages()[id].pins == 0; });
}

void Shadow2006Paging::EmulateStore(VcpuContext& vcpu, const GuestWalk& walk,
                                    const Access& access,
                                    MemoryOperand& operand) {
  Cpu& cpu = *vcpu.cpu;
  Emulate(cpu, walk, access, operand);
  Charge(cpu, CostEvent::kTempMap);
  cpu.counters.Add(Counter::kShadowEmulations);
  // A CMPXCHG whose comparison fails writes back what it found, so this counts
  // as a store as well.
  const uint64_t offset = PageOffset(access.va);
  Validate(vcpu, walk.gfn, offset, operand.size);
  Emulated(vcpu, walk.gfn, AddressOf(domain().MfnOf(walk.gfn)) + offset,
           operand.size);
}

// Xen: sh_validate_guest_pt_write.
void Shadow2006Paging::Validate(VcpuContext& vcpu, Gfn gfn, uint64_t offset,
                                uint64_t size) {
  const Span span = XenSpan(*vcpu.cpu, "__shadow_validate_guest_entry");
  const std::vector<ShadowId> shadows = pages().FindTable(gfn)->shadows;
  const auto bytes = static_cast<uint64_t>(EntryBytes(shape().guest()));
  const auto first = static_cast<int>(offset / bytes);
  const auto last = static_cast<int>((offset + size - 1) / bytes);
  for (const ShadowId id : shadows) {
    Charge(*vcpu.cpu, CostEvent::kXenPteRead);  // the hash
    const ShadowKey& key = pages()[id].key;
    const int slots = 1 << (LevelShift(shape().guest(), key.level) -
                            LevelShift(shape().shadow(), key.level));
    for (int i = first * slots; i < (last + 1) * slots; ++i) {
      if (i / shape().entries() != key.part) continue;
      const ShadowSlot slot{id, i % shape().entries()};
      Propagate(vcpu, slot, GuestEntry(slot));
    }
  }
}

void Shadow2006Paging::Propagate(VcpuContext& vcpu, const ShadowSlot& slot,
                                 Pte guest) {
  if (pages()[slot.page].key.level > 1) return PropagateLink(vcpu, slot, guest);
  Remake(vcpu, slot, guest);
}

// If the table that `guest` leads to has a shadow, that is linked at once.
// Other tables, and large pages, are left until they are needed.
void Shadow2006Paging::PropagateLink(VcpuContext& vcpu, const ShadowSlot& slot,
                                     Pte guest) {
  Cpu& cpu = *vcpu.cpu;
  const auto level = static_cast<size_t>(pages()[slot.page].key.level);
  const LevelRules& rules = RootOf(vcpu).guest.levels[level];
  const bool table = guest.present() && guest.accessed() &&
                     !(rules.ps_maps_page && guest.page_size()) &&
                     (guest.raw() & rules.reserved_in_table) == 0;
  if (!table) return Clear(cpu, slot);
  Charge(cpu, CostEvent::kXenPteRead);  // the hash
  const ShadowKey key = ChildKey(slot, guest);
  if (pages().Find(key) != kNoShadow) BeforeLink(vcpu, pages().Find(key));
  const ShadowId child = pages().Find(key);
  if (child == kNoShadow) return Clear(cpu, slot);
  Link(cpu, slot, guest, child);
  SetSource(cpu, slot, guest);
}

// Zeros written one after the other mean that a table is being emptied: its
// process ends, or it is cleared before it is used for another. Xen looks at
// the first byte that was written.
void Shadow2006Paging::Emulated(VcpuContext& vcpu, Gfn gfn, MachineAddr addr,
                                int) {
  const MachineAddr word(addr.value() & ~uint64_t{7});
  const uint64_t low =
      host().memory().Read64(word) >> (8 * (addr.value() & 7)) & 0xff;
  if (low == 0) CountZero(vcpu, gfn);
}

void Shadow2006Paging::CountZero(VcpuContext& vcpu, Gfn gfn) {
  if (!options_.early_unshadow) return;
  Gfn& last = states_[vcpu.id].zeroed;
  if (last == gfn && pages().FindTable(gfn) != nullptr) {
    UnshadowEarly(vcpu, gfn);
  }
  last = gfn;
}

void Shadow2006Paging::UnshadowEarly(VcpuContext& vcpu, Gfn gfn) {
  const Span span = XenSpan(*vcpu.cpu, "check_for_early_unshadow");
  Cpu& cpu = *vcpu.cpu;
  if (!IsTop(gfn)) {
    cpu.counters.Add(Counter::kShadowEarlyUnshadow);
    return EvictTable(cpu, gfn);
  }
  bool& unhooked = states_[vcpu.id].unhooked;
  if (unhooked) return;
  unhooked = true;
  cpu.counters.Add(Counter::kShadowEarlyUnshadow);
  for (const ShadowId id : pages().FindTable(gfn)->shadows) {
    if (IsTopShadow(id)) Unhook(cpu, id);
  }
}

bool Shadow2006Paging::IsTop(Gfn gfn) const {
  const std::vector<ShadowId>& shadows = pages().FindTable(gfn)->shadows;
  return std::any_of(shadows.begin(), shadows.end(),
                     [&](ShadowId id) { return IsTopShadow(id); });
}

}  // namespace xmmu
