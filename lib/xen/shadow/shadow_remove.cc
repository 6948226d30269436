// How something is taken away from shadows: write access to tables, whole
// shadows, everything that leads to a frame.

#include <algorithm>
#include <tuple>
#include <utility>

#include "xmmu/base/check.h"
#include "xmmu/xen/shadow/shadow_paging.h"

namespace xmmu {

bool ShadowPaging::Contains(const ShadowSlot& slot, Pte entry, Mfn mfn) const {
  if (!entry.present() || IsLink(slot, entry)) return false;
  if (pages_[slot.page].key.level == 1) return entry.frame() == mfn;
  return mfn >= entry.frame() && mfn - entry.frame() < shape_.large_frames();
}

void ShadowPaging::ChargeSearch(Cpu& cpu, uint64_t shadows) const {
  if (shadows == 0) return;
  Charge(cpu, CostEvent::kXenPteRead,
         shadows * static_cast<uint64_t>(shape_.entries()));
}

// The hypervisor looks at all entries; the host knows which they are.
std::vector<ShadowSlot> ShadowPaging::MappingsOf(Cpu& cpu, Gfn gfn) {
  ChargeSearch(cpu, uint64_t{pages_.InUse(1)} + pages_.InUse(2));
  std::vector<ShadowSlot> found;
  const Mfn mfn = domain_.MfnOf(gfn);
  if (mfn == kInvalidMfn) return found;
  const auto add = [&](Mfn named) {
    for (const ShadowSlot& slot : pages_.EntriesTo(named)) {
      if (pages_[slot.page].key.level > 2) continue;
      if (Contains(slot, pages_.Read(slot), mfn)) found.push_back(slot);
    }
  };
  add(mfn);
  // An entry for a large page names its first frame.
  const Mfn first(mfn.value() & ~(shape_.large_frames() - 1));
  if (first == mfn) return found;
  add(first);
  std::sort(found.begin(), found.end(),
            [](const ShadowSlot& a, const ShadowSlot& b) {
              return std::tie(a.page, a.index) < std::tie(b.page, b.index);
            });
  return found;
}

std::vector<ShadowSlot> ShadowPaging::WritableMappingsOf(Cpu& cpu, Gfn gfn) {
  return MappingsOf(cpu, gfn);
}

std::vector<ShadowSlot> ShadowPaging::LinksTo(Cpu& cpu, ShadowId child) {
  ChargeSearch(cpu, pages_.InUse(pages_[child].key.level + 1));
  return LinksOf(child);
}

std::vector<ShadowSlot> ShadowPaging::LinksOf(ShadowId child) const {
  std::vector<ShadowSlot> found;
  const int above = pages_[child].key.level + 1;
  for (const ShadowSlot& slot : pages_.EntriesTo(pages_[child].mfn)) {
    const bool link =
        pages_[slot.page].key.level == above && IsLink(slot, pages_.Read(slot));
    if (link) found.push_back(slot);
  }
  return found;
}

void ShadowPaging::Protect(Cpu& cpu, Gfn gfn) {
  const Span span = XenSpan(cpu, &ShadowWords::protect);
  const Mfn mfn = domain_.MfnOf(gfn);
  for (const ShadowSlot& slot : WritableMappingsOf(cpu, gfn)) {
    // To divide one large page may have recycled the shadow that held another.
    const Pte entry = pages_.Read(slot);
    if (!pages_[slot.page].in_use || !Contains(slot, entry, mfn)) continue;
    if (pages_[slot.page].key.level > 1) {
      Divide(cpu, slot, LargeBase(gfn));
    } else if (entry.writable()) {
      SetEntry(cpu, slot, entry.Without(pte::kWritable));
    }
  }
  const uint32_t stamp = std::max(
      std::as_const(host_).frames()[mfn].tlbflush_timestamp, large_stamp_);
  owed_ |= host_.NeedFlush(domain_.dirty_cpus(), stamp);
}

// Replaces the large page by a table of small ones with the same rights, or
// just drops it if there is no room for that table.
void ShadowPaging::Divide(Cpu& cpu, const ShadowSlot& slot, Gfn first) {
  const ShadowKey key{first, 1, 0, /*splinter=*/true};
  guards_.push_back(slot.page);
  ShadowId id = pages_.Find(key);
  if (id == kNoShadow) id = TryMake(cpu, key);
  if (id == kNoShadow) return Clear(cpu, slot);
  const uint64_t kept =
      pages_.Read(slot).flags() & ~(pte::kPageSize | pte::kDirty);
  SetEntry(cpu, slot, Pte(pages_[id].mfn, kept));
}

// A root that is loaded cannot go: it is emptied, and filled again from
// whatever frame comes to be at `gfn`.
void ShadowPaging::FrameLeaves(Cpu& cpu, Gfn gfn) {
  const Span span = XenSpan(cpu, &ShadowWords::frame_leaves);
  EvictTable(cpu, gfn);
  if (const GuestTable* const table = pages_.FindTable(gfn)) {
    for (const ShadowId id : table->shadows) Empty(cpu, id);
    pages_.SetOutOfSync(gfn, false);
  }
  for (const ShadowSlot& slot : MappingsOf(cpu, gfn)) Clear(cpu, slot);
  owed_ |= domain_.dirty_cpus();
}

bool ShadowPaging::MakeRoom(Cpu& cpu) {
  const Span span = XenSpan(cpu, &ShadowWords::make_room);
  for (ShadowId id = pages_.oldest(); id != kNoShadow;
       id = pages_.NewerThan(id)) {
    const bool guarded =
        std::find(guards_.begin(), guards_.end(), id) != guards_.end();
    if (guarded || pages_[id].pins != 0) continue;
    Evict(cpu, id);
    cpu.counters.Add(Counter::kShadowsRecycled);
    return true;
  }
  return false;
}

void ShadowPaging::Evict(Cpu& cpu, ShadowId id) {
  Span span = XenSpan(cpu, &ShadowWords::evict);
  span.Arg("level", pages_[id].key.level);
  ShadowGoes(cpu, id);
  for (const ShadowSlot& slot : LinksTo(cpu, id)) Clear(cpu, slot);
  for (uint32_t i = 0; i < roots_.size(); ++i) {
    for (int top = 0; top < 4; ++top) {
      if (roots_[i].top[static_cast<size_t>(top)] == id) {
        SetTop(domain_.vcpu(i), top, kNoShadow);
      }
    }
  }
  Empty(cpu, id);
  pages_.Release(id);
  NoteInUse(cpu);
}

void ShadowPaging::Empty(Cpu& cpu, ShadowId id) {
  Charge(cpu, CostEvent::kXenPteRead, static_cast<uint64_t>(shape_.entries()));
  const bool stays = pages_[id].pins != 0;
  for (int i = 0; i < shape_.entries(); ++i) {
    const ShadowSlot slot{id, i};
    if (pages_.Read(slot).raw() != 0) SetEntry(cpu, slot, Pte());
    if (stays && SourceOf(slot).raw() != 0) SetSource(cpu, slot, Pte());
  }
}

void ShadowPaging::EvictTable(Cpu& cpu, Gfn gfn) {
  const GuestTable* const table = pages_.FindTable(gfn);
  if (table == nullptr) return;
  const Span span = XenSpan(cpu, &ShadowWords::evict_table);
  const std::vector<ShadowId> shadows = table->shadows;
  for (const ShadowId id : shadows) {
    if (pages_[id].pins == 0) Evict(cpu, id);
  }
}

}  // namespace xmmu
