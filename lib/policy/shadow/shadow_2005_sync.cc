// How tables go out of sync, with a snapshot, and come back.

#include <algorithm>

#include "policy/shadow/shadow_2005_paging.h"
#include "xmmu/base/check.h"

namespace xmmu {

void Shadow2005Paging::Range::Add(int index) {
  if (last < first) {
    first = last = index;
    return;
  }
  first = std::min(first, index);
  last = std::max(last, index);
}

const Shadow2005Paging::OpenTable* Shadow2005Paging::FindOpen(Gfn gfn) const {
  if (!pages().AnyOutOfSync()) return nullptr;
  const GuestTable* const table = pages().FindTable(gfn);
  if (table == nullptr || !table->out_of_sync) return nullptr;
  const auto it = open_at_.find(gfn);
  return it == open_at_.end() ? nullptr : &*it->second;
}

Shadow2005Paging::OpenTable* Shadow2005Paging::FindOpen(Gfn gfn) {
  return const_cast<OpenTable*>(std::as_const(*this).FindOpen(gfn));
}

MachineAddr Shadow2005Paging::SnapshotAt(const OpenTable& open,
                                         int index) const {
  return EntryAddress(shape().guest(), AddressOf(open.snapshot), index);
}

Pte Shadow2005Paging::SnapshotEntry(const OpenTable& open, int index) const {
  return Pte(host().memory().ReadEntry(SnapshotAt(open, index),
                                       EntryBytes(shape().guest())));
}

// An entry of a table in sync is the source itself; of one out of sync it is
// what the snapshot says, for what has changed since is not used before all
// tables are in sync.
Pte Shadow2005Paging::SourceOf(const ShadowSlot& slot) const {
  const ShadowKey& key = pages()[slot.page].key;
  const OpenTable* const open = FindOpen(key.gfn);
  if (open == nullptr) return GuestEntry(slot);
  return SnapshotEntry(*open,
                       shape().GuestIndex(key.level, key.part, slot.index));
}

// For an L1 only the entries used so far need a snapshot; for higher levels all
// of them.
Shadow2005Paging::Range Shadow2005Paging::RangeOf(Gfn gfn) const {
  if (pages().LevelOf(gfn) > 1) return {0, EntryCount(shape().guest(), 1) - 1};
  return extras_[pages().FindTable(gfn)->shadows.front()].used;
}

void Shadow2005Paging::Open(Cpu& cpu, Gfn gfn, const ShadowSlot& slot) {
  const Span span = XenSpan(cpu, "__mark_out_of_sync");
  Charge(cpu, CostEvent::kLockedOp);  // the list's reference to the table
  MarkDirty(cpu, domain(), domain().MfnOf(gfn));
  if (IsTableInSync(gfn)) {
    for (const ShadowId id : pages().FindTable(gfn)->shadows) Recheck(cpu, id);
    // With several shadows a record may be left from before the table was
    // dropped.
    Forget(cpu, gfn);
    open_.push_back({gfn, host().AllocXenFrame(), RangeOf(gfn), {}});
    open_at_[gfn] = std::prev(open_.end());
    const OpenTable& open = open_.back();
    const auto bytes = static_cast<uint64_t>(EntryBytes(shape().guest()));
    CopyTo(open);
    // kCopyPage prices a whole page: collect the bytes copied and charge once
    // they make one.
    copied_ += open.range.size() * bytes;
    Charge(cpu, CostEvent::kTempMap, 2);
    Charge(cpu, CostEvent::kCopyPage, copied_ / kPageSize);
    copied_ %= kPageSize;
    mutable_pages().SetOutOfSync(gfn, true);
    cpu.counters.Add(Counter::kShadowOpened);
  }
  SetEntry(cpu, slot, pages().Read(slot).With(pte::kWritable));
}

void Shadow2005Paging::CopyTo(const OpenTable& open) {
  PhysMemory& memory = host().memory();
  const Mfn table = domain().MfnOf(open.gfn);
  const PagingMode mode = shape().guest();
  if (IsWhole(open.range)) return memory.CopyFrame(open.snapshot, table);
  for (int i = open.range.first; i <= open.range.last; ++i) {
    const MachineAddr from = EntryAddress(mode, AddressOf(table), i);
    memory.WriteEntry(SnapshotAt(open, i), EntryBytes(mode),
                      memory.ReadEntry(from, EntryBytes(mode)));
  }
}

void Shadow2005Paging::FreeSnapshot(Cpu& cpu, const OpenTable& open) {
  // The frame goes back to the heap; whoever gets it must not see what it held.
  Charge(cpu, CostEvent::kZeroPage);
  host().FreeXenFrame(open.snapshot);
}

// Xen leaves the snapshot alone, and takes the flags for a change of the
// guest's at the next fault. But if the guest clears them before that, Xen
// would miss it and never set them again.
void Shadow2005Paging::NoteFlags(Cpu& cpu, const GuestWalk& walk) {
  const PagingMode mode = shape().guest();
  for (const GuestWalkEntry& used : walk.entries) {
    const OpenTable* const open = FindOpen(used.table);
    if (open == nullptr) continue;
    const auto offset = static_cast<int>(PageOffset(used.addr));
    const int index = offset / EntryBytes(mode);
    if (SnapshotEntry(*open, index) == used.entry) continue;
    Charge(cpu, CostEvent::kXenPteWrite);
    host().memory().WriteEntry(SnapshotAt(*open, index), EntryBytes(mode),
                               used.entry.raw());
  }
}

// Xen: __shadow_out_of_sync, which compares one entry a level.
bool Shadow2005Paging::HasChanged(Cpu& cpu, const GuestWalk& walk) const {
  for (const GuestWalkEntry& used : walk.entries) {
    const OpenTable* const open = FindOpen(used.table);
    if (open == nullptr) continue;
    Charge(cpu, CostEvent::kTempMap);
    Charge(cpu, CostEvent::kXenPteRead);
    const auto offset = static_cast<int>(PageOffset(used.addr));
    const int index = offset / EntryBytes(shape().guest());
    if (SnapshotEntry(*open, index) != used.entry) return true;
  }
  return false;
}

GuestWalk Shadow2005Paging::SyncVa(VcpuContext& vcpu, const Access& access) {
  if (pages().AnyOutOfSync() && HasChanged(*vcpu.cpu, Look(vcpu, access))) {
    SyncAll(vcpu);
  }
  return Look(vcpu, access);
}

// The records tell where the writable entries are, so nothing is searched for.
void Shadow2005Paging::ProtectOpen(Cpu& cpu) {
  for (const Gfn gfn : pages().OutOfSync()) {
    const std::vector<ShadowSlot> writable = FindOpen(gfn)->writable;
    for (const ShadowSlot& slot : writable) {
      Charge(cpu, CostEvent::kTempMap);
      Charge(cpu, CostEvent::kLockedOp);
      SetEntry(cpu, slot, pages().Read(slot).Without(pte::kWritable));
    }
  }
  Owe(domain().dirty_cpus());
}

// Xen: shadow_sync_all.
void Shadow2005Paging::SyncAll(VcpuContext& vcpu) {
  if (!pages().AnyOutOfSync()) return;
  Cpu& cpu = *vcpu.cpu;
  Span span = XenSpan(cpu, "__shadow_sync_all");
  span.Arg("tables", pages().OutOfSyncCount());
  ProtectOpen(cpu);
  const std::vector<Gfn> tables = pages().OutOfSync();
  for (int level = 1; level <= shape().top_level(); ++level) {
    for (const Gfn gfn : tables) {
      for (const ShadowId id : pages().FindTable(gfn)->shadows) {
        if (pages()[id].key.level == level) Resync(vcpu, id, *FindOpen(gfn));
      }
    }
  }
  for (const Gfn gfn : tables) mutable_pages().SetOutOfSync(gfn, false);
  cpu.counters.Add(Counter::kShadowResyncs, tables.size());
  for (const OpenTable& open : open_) FreeSnapshot(cpu, open);
  open_.clear();
  open_at_.clear();
}

// Xen: resync_all. A root is taken for dead if all its entries are zero, or one
// is neither present nor zero ("this hack works for linux guests").
void Shadow2005Paging::Resync(VcpuContext& vcpu, ShadowId id,
                              const OpenTable& open) {
  Cpu& cpu = *vcpu.cpu;
  Span span = XenSpan(cpu, "resync_all");
  span.Arg("level", pages()[id].key.level);
  const ShadowKey& key = pages()[id].key;
  const bool root = key.level == shape().top_level();
  Range range{0, shape().entries() - 1};
  if (key.level == 1) range = extras_[id].used;
  Charge(cpu, CostEvent::kTempMap, 3);
  Charge(cpu, CostEvent::kSnapshotCompare, range.size());
  // The HL2 is compared in a loop of its own.
  if (HasHl2(id)) Charge(cpu, CostEvent::kSnapshotCompare, range.size());
  const Mfn frame = domain().MfnOf(key.gfn);
  // The host tells a table that is as it was from its words alone.
  if (!root && IsWhole(open.range) &&
      host().memory().SameContent(open.snapshot, frame)) {
    return;
  }
  bool empty = true;
  bool odd = false;
  const MachineAddr table = AddressOf(frame);
  const PagingMode mode = shape().guest();
  for (int i = range.first; i <= range.last; ++i) {
    const ShadowSlot slot{id, i};
    const int index = shape().GuestIndex(key.level, key.part, i);
    const Pte guest(host().memory().ReadEntry(EntryAddress(mode, table, index),
                                              EntryBytes(mode)));
    empty = empty && guest.raw() == 0;
    odd = odd || (guest.raw() != 0 && !guest.present());
    if (open.range.Has(index) && SnapshotEntry(open, index) == guest) continue;
    Repropagate(vcpu, slot, guest);
    cpu.counters.Add(Counter::kShadowResynced);
  }
  if (root && (empty || odd)) dead_.push_back(id);
}

// Xen: validate_pte_change, validate_entry_change. An upper entry leads to the
// shadow of its table, if there is one.
void Shadow2005Paging::Repropagate(VcpuContext& vcpu, const ShadowSlot& slot,
                                   Pte guest) {
  Cpu& cpu = *vcpu.cpu;
  const int level = pages()[slot.page].key.level;
  const LevelRules& rules =
      RootOf(vcpu).guest.levels[static_cast<size_t>(level)];
  const bool link = level > 1 && guest.present() && guest.accessed() &&
                    !(level == 2 && guest.page_size()) &&
                    (guest.raw() & rules.reserved_in_table) == 0;
  if (!link) return Remake(vcpu, slot, guest);
  Charge(cpu, CostEvent::kXenPteRead);  // the hash
  const ShadowId child = pages().Find(ChildKey(slot, guest));
  if (child == kNoShadow) return Clear(cpu, slot);
  Recheck(cpu, child);
  Link(cpu, slot, guest, child);
}

bool Shadow2005Paging::Follows(const ShadowSlot& slot, Pte entry,
                               Pte guest) const {
  if (!guest.present() || !guest.accessed()) return false;
  const bool more = (entry.writable() && !guest.writable()) ||
                    (entry.user() && !guest.user()) ||
                    (!entry.no_execute() && guest.no_execute());
  if (more) return false;
  const Gfn gfn(guest.frame().value());
  if (!IsLink(slot, entry)) {
    return domain().MfnOf(gfn) == entry.frame() &&
           (guest.dirty() || !entry.writable());
  }
  const ShadowKey& child = pages()[Child(entry)].key;
  return guest.page_size() ? child.splinter : child.gfn == gfn;
}

void Shadow2005Paging::Recheck(Cpu& cpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  if (key.splinter || !IsTableInSync(key.gfn)) return;
  // Nothing else has ever been present.
  const Range used = extras_[id].used;
  for (int i = used.first; i <= used.last; ++i) {
    const ShadowSlot slot{id, i};
    const Pte entry = pages().Read(slot);
    if (!entry.present() || Follows(slot, entry, GuestEntry(slot))) continue;
    Clear(cpu, slot);
    Owe(domain().dirty_cpus());
  }
}

// With the last shadow of a table that is out of sync its snapshot goes.
void Shadow2005Paging::ShadowGoes(Cpu& cpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  if (extras_[id].hl2 != kInvalidMfn) {
    host().FreeXenFrame(extras_[id].hl2);
    extras_[id].hl2 = kInvalidMfn;
  }
  if (key.splinter || pages().FindTable(key.gfn)->shadows.size() > 1) return;
  mutable_pages().SetOutOfSync(key.gfn, false);
  Forget(cpu, key.gfn);
}

void Shadow2005Paging::Forget(Cpu& cpu, Gfn gfn) {
  const auto it = open_at_.find(gfn);
  if (it == open_at_.end()) return;
  FreeSnapshot(cpu, *it->second);
  open_.erase(it->second);
  open_at_.erase(it);
}

}  // namespace xmmu
