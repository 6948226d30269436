// The audit of shadows: everything about them that can be recounted.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "xen/shadow/shadow_index.h"
#include "xmmu/xen/shadow/shadow_paging.h"

namespace xmmu {
namespace {

constexpr uint64_t kAccessedDirty = pte::kAccessed | pte::kDirty;

// The entry at `slot` in words, for messages.
std::string NameOf(const ShadowPages& pages, const ShadowSlot& slot) {
  const ShadowKey& key = pages[slot.page].key;
  return absl::StrFormat(
      "slot %d of the %s of guest frame 0x%x, part %d", slot.index,
      key.splinter ? "splinter" : absl::StrFormat("L%d shadow", key.level),
      key.gfn.value(), key.part);
}

// Whether `entry` grants rights that `source` does not.
bool GrantsMore(Pte entry, Pte source) {
  return (entry.writable() && !source.writable()) ||
         (entry.user() && !source.user()) ||
         (!entry.no_execute() && source.no_execute());
}

// Whether the guest entry `now` is still the one that was copied, `then`,
// except for A and D that have been set since.
bool StillIs(Pte now, Pte then) {
  const uint64_t gone = then.raw() & ~now.raw();
  return ((now.raw() ^ then.raw()) & ~kAccessedDirty) == 0 &&
         (gone & kAccessedDirty) == 0;
}

}  // namespace

absl::Status ShadowPaging::Audit() const {
  if (owed_ != 0) return absl::InternalError("a flush was never executed");
  if (absl::Status pool = AuditPool(); !pool.ok()) return pool;
  if (absl::Status index = AuditIndex(); !index.ok()) return index;
  if (absl::Status refs = AuditRefs(); !refs.ok()) return refs;
  const std::vector<bool> live = LiveShadows();
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (!pages_[id].in_use) continue;
    for (int i = 0; i < shape_.entries(); ++i) {
      const absl::Status entry = AuditEntry({id, i}, live[id]);
      if (!entry.ok()) return entry;
    }
  }
  if (absl::Status tlbs = AuditTlbs(); !tlbs.ok()) return tlbs;
  return AuditMore();
}

absl::Status ShadowPaging::AuditPool() const {
  uint32_t in_use = 0;
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    const ShadowPage& page = pages_[id];
    if (!page.in_use) continue;
    ++in_use;
    if (pages_.Find(page.key) != id) {
      return absl::InternalError("a shadow is not found by its key");
    }
  }
  uint32_t listed = 0;
  for (ShadowId id = pages_.oldest(); id != kNoShadow;
       id = pages_.NewerThan(id)) {
    ++listed;
  }
  if (in_use != pages_.in_use() || listed != in_use) {
    return absl::InternalError(
        absl::StrFormat("%d shadows in use, %d counted, %d in the list by use",
                        pages_.in_use(), in_use, listed));
  }
  return absl::OkStatus();
}

// Whether searches would find what a look at all entries finds.
absl::Status ShadowPaging::AuditIndex() const {
  if (pages_.index() == nullptr) return absl::OkStatus();
  std::vector<uint32_t> below(static_cast<size_t>(LevelCount(shape_.shadow())) +
                              2);
  std::vector<std::pair<Mfn, ShadowSlot>> entries;
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (!pages_[id].in_use) continue;
    const int level = pages_[id].key.level;
    if (pages_.InUseBelow(level, id) != below[static_cast<size_t>(level)]++) {
      return absl::InternalError("shadows of a level are miscounted");
    }
    for (int i = 0; i < shape_.entries(); ++i) {
      const Pte entry = pages_.Read({id, i});
      if (entry.present()) entries.push_back({entry.frame(), {id, i}});
    }
  }
  if (pages_.index()->size() != entries.size()) {
    return absl::InternalError("the index has other entries");
  }
  std::stable_sort(
      entries.begin(), entries.end(),
      [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < entries.size();) {
    const Mfn mfn = entries[i].first;
    for (const ShadowSlot& slot : pages_.EntriesTo(mfn)) {
      const bool right = i < entries.size() && entries[i].first == mfn &&
                         entries[i].second.page == slot.page &&
                         entries[i].second.index == slot.index;
      if (!right) return absl::InternalError("the index has other entries");
      ++i;
    }
    if (i < entries.size() && entries[i].first == mfn) {
      return absl::InternalError(NameOf(pages_, entries[i].second) +
                                 " is not in the index");
    }
  }
  return absl::OkStatus();
}

absl::Status ShadowPaging::AuditRefs() const {
  std::vector<uint32_t> refs(pages_.made());
  for (const Root& root : roots_) {
    for (const ShadowId top : root.top) {
      if (top != kNoShadow) ++refs[top];
    }
  }
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (!pages_[id].in_use) continue;
    for (int i = 0; i < shape_.entries(); ++i) {
      const ShadowSlot slot{id, i};
      const Pte entry = pages_.Read(slot);
      if (!IsLink(slot, entry)) continue;
      const ShadowId child = Child(entry);
      if (child == kNoShadow || !pages_[child].in_use) {
        return absl::InternalError(NameOf(pages_, slot) +
                                   " leads to no shadow");
      }
      ++refs[child];
    }
  }
  for (ShadowId id = 0; id < pages_.made(); ++id) {
    if (refs[id] == (pages_[id].in_use ? pages_[id].refs : 0)) continue;
    return absl::InternalError(absl::StrFormat("%s: %d references, counted %d",
                                               NameOf(pages_, {id}),
                                               pages_[id].refs, refs[id]));
  }
  return absl::OkStatus();
}

std::vector<bool> ShadowPaging::LiveShadows() const {
  std::vector<bool> live(pages_.made());
  std::vector<ShadowId> to_visit;
  const auto visit = [&](ShadowId id) {
    if (id == kNoShadow || live[id]) return;
    live[id] = true;
    to_visit.push_back(id);
  };
  for (const Root& root : roots_) {
    for (const ShadowId top : root.top) visit(top);
  }
  while (!to_visit.empty()) {
    const ShadowId id = to_visit.back();
    to_visit.pop_back();
    for (int i = 0; i < shape_.entries(); ++i) {
      const Pte entry = pages_.Read({id, i});
      if (IsLink({id, i}, entry)) visit(Child(entry));
    }
  }
  return live;
}

// The guest entry that the entry at `slot` was made from; where that is no
// longer known, the least that it can have been.
Pte ShadowPaging::SourceAsMade(const ShadowSlot& slot, bool live) const {
  if (pages_[slot.page].key.splinter) {
    return Pte(pte::kPresent | pte::kWritable | pte::kUser | kAccessedDirty);
  }
  const Pte entry = pages_.Read(slot);
  if (live || KeepsSources() || !entry.present() || IsMark(entry)) {
    return SourceOf(slot);
  }
  const uint64_t flags = entry.flags() | kAccessedDirty;
  if (!IsLink(slot, entry)) {
    const Pfn pfn = domain_.p2m().PfnOf(entry.frame());
    return Pte(Mfn(domain_.GfnOf(pfn).value()), flags);
  }
  const ShadowKey& child = pages_[Child(entry)].key;
  return Pte(Mfn(child.gfn.value()),
             child.splinter ? flags | pte::kPageSize : flags);
}

absl::Status ShadowPaging::AuditEntry(const ShadowSlot& slot, bool live) const {
  const Pte entry = pages_.Read(slot);
  const ShadowKey& key = pages_[slot.page].key;
  const auto error = [&](std::string_view what) {
    return absl::InternalError(absl::StrFormat(
        "%s is 0x%x: %s", NameOf(pages_, slot), entry.raw(), what));
  };
  const Pte source = SourceAsMade(slot, live);
  // A guest table behind shadows that no root reaches may have been freed, and
  // hold anything by now.
  if (live && IsTableInSync(key.gfn) && !key.splinter && source.raw() != 0 &&
      !StillIs(GuestEntry(slot), source)) {
    return error("the guest's entry is another one by now");
  }
  if (IsMark(entry)) {
    return live && source.present() ? error("says that there is nothing")
                                    : absl::OkStatus();
  }
  if (!entry.present()) {
    return entry.raw() == 0 ? absl::OkStatus() : error("neither one nor none");
  }
  if (!source.present() || !source.accessed()) return error("made of nothing");
  if (GrantsMore(entry, source)) return error("grants more than the guest's");
  if (!IsLink(slot, entry)) return AuditLeaf(slot, entry, source);
  const ShadowKey& child = pages_[Child(entry)].key;
  if (child.level != key.level - 1) return error("leads to another level");
  const Gfn gfn(source.frame().value());
  const bool same = source.page_size() ? child.splinter : child.gfn == gfn;
  return same ? absl::OkStatus() : error("leads to another table's shadow");
}

absl::Status ShadowPaging::AuditLeaf(const ShadowSlot& slot, Pte entry,
                                     Pte source) const {
  const auto error = [&](std::string_view what) {
    return absl::InternalError(absl::StrFormat(
        "%s is 0x%x: %s", NameOf(pages_, slot), entry.raw(), what));
  };
  const ShadowKey& key = pages_[slot.page].key;
  if (entry.writable() && !source.dirty()) return error("writable without D");
  const uint64_t frames = key.level == 1 ? 1 : shape_.large_frames();
  Gfn gfn(source.frame().value());
  if (key.splinter) gfn = key.gfn + static_cast<uint64_t>(slot.index);
  if (key.level == 2) {
    gfn = domain_.GfnOf(domain_.p2m().PfnOf(entry.frame()));
    if (!CanBeLarge(gfn)) return error("must not be large");
  }
  for (uint64_t i = 0; i < frames; ++i) {
    if (domain_.MfnOf(gfn + i) != entry.frame() + i) {
      return error("not where the P2M says");
    }
    if (entry.writable() && !MayStayWritable(gfn + i)) {
      return error("a table in sync, writable");
    }
    const DirtyLog& log = domain_.dirty_log();
    if (entry.writable() && log.enabled() &&
        !log.IsDirty(domain_.PfnOf(gfn + i))) {
      return error("a page not marked, writable");
    }
  }
  return absl::OkStatus();
}

std::string_view ShadowPaging::WrongTarget(Pfn pfn, bool writable) const {
  if (pfn == kInvalidPfn) return "no frame of the domain's";
  if (!writable) return "";
  if (IsTableInSync(domain_.GfnOf(pfn))) return "a table in sync, writable";
  const DirtyLog& log = domain_.dirty_log();
  if (log.enabled() && !log.IsDirty(pfn)) return "a page not marked, writable";
  return "";
}

absl::Status ShadowPaging::AuditTlbs() const {
  for (uint32_t id = 0; id < host_.cpu_count(); ++id) {
    const Cpu& cpu = host_.cpu(id);
    if (cpu.current == nullptr || cpu.current->domain != &domain_) continue;
    for (const TlbEntry& entry : cpu.mmu.TlbEntries()) {
      const uint64_t frames = uint64_t{1} << (entry.page_shift - kPageShift);
      for (uint64_t i = 0; i < frames; ++i) {
        const Pfn pfn = domain_.p2m().PfnOf(FrameOf(entry.base) + i);
        const std::string_view wrong = WrongTarget(pfn, entry.writable());
        if (wrong.empty()) continue;
        return absl::InternalError(
            absl::StrFormat("a TLB entry of CPU %d for 0x%x leads to %s", id,
                            entry.va().value(), wrong));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace xmmu
