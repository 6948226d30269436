// How shadow entries are made from a guest's entries.

#include <algorithm>

#include "xmmu/base/check.h"
#include "xmmu/xen/shadow/shadow_paging.h"

namespace xmmu {
namespace {

// The flags that a shadow entry takes over from the guest's as they are. Cache
// attributes are left out, as all memory is RAM (Xen keeps them only with
// devices passed through).
constexpr uint64_t kPassedThrough = pte::kUser | pte::kNoExecute;
// A and D are set in shadow entries beforehand, so that the processor never
// writes to a shadow.
constexpr uint64_t kUsed = pte::kPresent | pte::kAccessed | pte::kDirty;

// The entry that leads to the shadow in `table`, with the rights of `guest`;
// without RW unless `writable`.
Pte LinkTo(Mfn table, Pte guest, bool writable) {
  return Pte(table, pte::kPresent | pte::kAccessed |
                        (guest.raw() & kPassedThrough) |
                        (writable ? pte::kWritable : 0));
}

// A page may be written to once the guest's leaf has D.
bool LeafWritable(Pte guest) { return guest.writable() && guest.dirty(); }

}  // namespace

bool ShadowPaging::IsLink(const ShadowSlot& slot, Pte entry) const {
  return entry.present() && pages_[slot.page].key.level > 1 &&
         !entry.page_size();
}

Pte ShadowPaging::GuestEntry(const ShadowSlot& slot) const {
  const ShadowKey& key = pages_[slot.page].key;
  const Mfn mfn = domain_.MfnOf(key.gfn);
  if (mfn == kInvalidMfn) return Pte();
  const PagingMode mode = shape_.guest();
  const int index = shape_.GuestIndex(key.level, key.part, slot.index);
  return Pte(host_.memory().ReadEntry(EntryAddress(mode, AddressOf(mfn), index),
                                      EntryBytes(mode)));
}

void ShadowPaging::SetEntry(Cpu& cpu, const ShadowSlot& slot, Pte now) {
  const Pte old = pages_.Read(slot);
  if (old == now) return;
  if (pages_[slot.page].key.level > 1) {
    if (IsLink(slot, now)) ++pages_[Child(now)].refs;
    if (IsLink(slot, old)) --pages_[Child(old)].refs;
  }
  Charge(cpu, CostEvent::kXenPteWrite);
  pages_.Write(slot, now);
  NoteLoss(slot, old, now);
  EntryChanged(cpu, slot, old, now);
}

// TLBs may keep a mapping that is no longer in the tables, so a mapping that
// was writable must be remembered until every CPU has flushed.
void ShadowPaging::NoteLoss(const ShadowSlot& slot, Pte old, Pte now) {
  if (!old.present() || IsLink(slot, old) || !old.writable()) return;
  if (now.writable() && now.frame() == old.frame()) return;
  if (pages_[slot.page].key.level > 1) {
    large_stamp_ = host_.tlb_clock();
  } else {
    host_.frames().SetStamp(old.frame(), host_.tlb_clock());
  }
}

void ShadowPaging::Clear(Cpu& cpu, const ShadowSlot& slot) {
  SetEntry(cpu, slot, Pte());
  if (!pages_[slot.page].key.splinter) SetSource(cpu, slot, Pte());
}

ShadowId ShadowPaging::FindOrMake(VcpuContext& vcpu, const ShadowKey& key) {
  Charge(*vcpu.cpu, CostEvent::kXenPteRead);  // the hash
  const ShadowId found = pages_.Find(key);
  if (found == kNoShadow) return TryMake(*vcpu.cpu, key);
  if (!key.splinter) BeforeLink(vcpu, found);
  const ShadowId id = pages_.Find(key);
  if (id == kNoShadow) return TryMake(*vcpu.cpu, key);
  pages_.Touch(id);
  return id;
}

ShadowId ShadowPaging::TryMake(Cpu& cpu, const ShadowKey& key) {
  if (pages_.full() && !MakeRoom(cpu)) return kNoShadow;
  Span span = XenSpan(cpu, &ShadowWords::make);
  span.Arg("level", key.level);
  const ShadowId id = pages_.Take(key);
  NoteInUse(cpu);
  guards_.push_back(id);
  owed_ |= host_.NeedFlush(domain_.dirty_cpus(), pages_[id].tlbflush_timestamp);
  ShadowTaken(cpu, id);
  cpu.counters.Add(Counter::kShadowsMade);
  if (key.splinter) {
    if (FillsSplinters()) FillSplinter(cpu, id);
  } else if (pages_.FindTable(key.gfn)->shadows.size() == 1) {
    const size_t guarded = guards_.size();
    Protect(cpu, key.gfn);
    guards_.resize(guarded);
  }
  return id;
}

void ShadowPaging::FillSplinter(Cpu& cpu, ShadowId id) {
  const Gfn first = pages_[id].key.gfn;
  for (int i = 0; i < shape_.entries(); ++i) {
    MapInSplinter(cpu, {id, i}, first + static_cast<uint64_t>(i));
  }
}

void ShadowPaging::MapInSplinter(Cpu& cpu, const ShadowSlot& slot, Gfn gfn,
                                 bool write) {
  MapPage(cpu, slot, Pte(kUsed | pte::kWritable | pte::kUser), gfn, write);
}

bool ShadowPaging::LogAllows(Cpu& cpu, Gfn gfn, bool write) {
  if (!domain_.dirty_log().enabled()) return true;
  const Pfn pfn = domain_.PfnOf(gfn);
  if (write) MarkDirty(cpu, domain_, pfn);
  return write || domain_.dirty_log().IsDirty(pfn);
}

void ShadowPaging::MapPage(Cpu& cpu, const ShadowSlot& slot, Pte guest, Gfn gfn,
                           bool write) {
  Charge(cpu, CostEvent::kXenPteRead);  // the P2M
  const Mfn mfn = domain_.MfnOf(gfn);
  if (mfn == kInvalidMfn || !guest.present() || !guest.accessed()) {
    return SetEntry(cpu, slot, Pte());
  }
  const bool writable =
      LeafWritable(guest) && MayWrite(gfn) && LogAllows(cpu, gfn, write);
  SetEntry(cpu, slot,
           Pte(mfn, kUsed | (guest.raw() & kPassedThrough) |
                        (writable ? pte::kWritable : 0)));
}

Gfn ShadowPaging::LargeBase(Gfn gfn) const {
  return Gfn(gfn.value() & ~(shape_.large_frames() - 1));
}

bool ShadowPaging::CanBeLarge(Gfn first) const {
  if (domain_.dirty_log().enabled()) return false;
  if (!LargeAllowed() || pages_.AnyTableIn(first)) return false;
  const Mfn mfn = domain_.MfnOf(first);
  if (mfn == kInvalidMfn || mfn.value() % shape_.large_frames() != 0) {
    return false;
  }
  for (uint64_t i = 1; i < shape_.large_frames(); ++i) {
    if (domain_.MfnOf(first + i) != mfn + i) return false;
  }
  return true;
}

void ShadowPaging::MapLarge(VcpuContext& vcpu, const ShadowSlot& slot,
                            Pte guest, const GuestWalk& walk, VirtAddr va) {
  Cpu& cpu = *vcpu.cpu;
  const Gfn first = LargeBase(walk.gfn);
  Charge(cpu, CostEvent::kXenPteRead);  // the P2M
  if (CanBeLarge(first)) {
    const uint64_t rights = guest.raw() & kPassedThrough;
    const uint64_t writable = LeafWritable(guest) ? pte::kWritable : 0;
    SetEntry(
        cpu, slot,
        Pte(domain_.MfnOf(first), kUsed | pte::kPageSize | rights | writable));
    return;
  }
  const ShadowId id = FindOrMake(vcpu, {first, 1, 0, /*splinter=*/true});
  XMMU_CHECK(id != kNoShadow);
  SetEntry(cpu, slot, LinkTo(pages_[id].mfn, guest, LeafWritable(guest)));
  // Some page in it may have become a table, or ceased to be one.
  MapInSplinter(cpu, {id, shape_.IndexIn(1, va)}, walk.gfn,
                walk.write && LeafWritable(guest));
}

ShadowKey ShadowPaging::ChildKey(const ShadowSlot& slot, Pte guest) const {
  const ShadowKey& key = pages_[slot.page].key;
  const int slots = 1 << (LevelShift(shape_.guest(), key.level) -
                          LevelShift(shape_.shadow(), key.level));
  return {Gfn(guest.frame().value()), static_cast<uint8_t>(key.level - 1),
          static_cast<uint8_t>(slot.index % slots)};
}

void ShadowPaging::Link(Cpu& cpu, const ShadowSlot& slot, Pte guest,
                        ShadowId child) {
  SetEntry(cpu, slot, LinkTo(pages_[child].mfn, guest, guest.writable()));
}

void ShadowPaging::LinkTable(VcpuContext& vcpu, const ShadowSlot& slot,
                             Pte guest) {
  const ShadowId id = FindOrMake(vcpu, ChildKey(slot, guest));
  XMMU_CHECK(id != kNoShadow);
  Link(*vcpu.cpu, slot, guest, id);
}

void ShadowPaging::Fill(VcpuContext& vcpu, const GuestWalk& walk, VirtAddr va) {
  const Span span = XenSpan(*vcpu.cpu, &ShadowWords::fill);
  XMMU_CHECK(walk.ok);
  Cpu& cpu = *vcpu.cpu;
  guards_.clear();
  ShadowId page = MakeTop(vcpu, va);
  for (const GuestWalkEntry& used : walk.entries) {
    guards_.push_back(page);
    pages_.Touch(page);
    const ShadowSlot slot{page, shape_.IndexIn(used.level, va)};
    // Compare the key, not the address: a table may be met at two levels.
    const bool leaf = &used == &walk.leaf();
    if (leaf && used.level == 1) {
      MapPage(cpu, slot, used.entry, walk.gfn, walk.write);
    } else if (leaf) {
      const Pte before = SourceOf(slot);
      // The TLB may hold small pieces of the large page that this entry was.
      if (before.raw() != 0 && before != used.entry) Owe(MaskOf(cpu.id));
      MapLarge(vcpu, slot, used.entry, walk, va);
    } else if (IsCurrent(cpu, slot, used.entry)) {
      page = Child(pages_.Read(slot));
      continue;  // what it was made from is known
    } else {
      LinkTable(vcpu, slot, used.entry);
    }
    SetSource(cpu, slot, used.entry);
    if (leaf) break;
    page = Child(pages_.Read(slot));
  }
  cpu.counters.Add(Counter::kShadowFills);
  guards_.clear();
}

void ShadowPaging::Remake(VcpuContext& vcpu, const ShadowSlot& slot,
                          Pte guest) {
  Cpu& cpu = *vcpu.cpu;
  const LevelRules& rules = RootOf(vcpu).guest.levels[1];
  const bool page = pages_[slot.page].key.level == 1 && guest.present() &&
                    guest.accessed() &&
                    (guest.raw() & rules.reserved_in_leaf) == 0;
  if (!page) return Clear(cpu, slot);
  MapPage(cpu, slot, guest, Gfn(guest.frame().value()));
  SetSource(cpu, slot, guest);
}

bool ShadowPaging::Freshen(VcpuContext& vcpu, const GuestWalk& walk,
                           VirtAddr va) {
  Cpu& cpu = *vcpu.cpu;
  bool in_pieces = false;
  ShadowId page = TopOf(vcpu, va);
  for (const GuestWalkEntry& used : walk.entries) {
    if (page == kNoShadow) break;
    const ShadowSlot slot{page, shape_.IndexIn(used.level, va)};
    Charge(cpu, CostEvent::kXenPteRead);
    const Pte source = SourceOf(slot);
    const Pte entry = pages_.Read(slot);
    if (used.level == 2 && source.page_size()) {
      in_pieces |= IsLink(slot, entry) || shape_.guest() != shape_.shadow();
    }
    Pte now = entry;
    if (source.raw() != 0 && source != used.entry) {
      Remake(vcpu, slot, used.entry);
      cpu.counters.Add(Counter::kShadowResynced);
      now = pages_.Read(slot);
    }
    page = IsLink(slot, now) ? Child(now) : kNoShadow;
  }
  return in_pieces;
}

}  // namespace xmmu
