// The parts of an SPTI beside the shadow itself: its snapshot, and the
// backlinks by which the entries that lead to a frame are found.

#include <algorithm>

#include "absl/strings/str_format.h"
#include "policy/shadow/xi_paging.h"

namespace xmmu {
namespace {

constexpr uint64_t kLinksAPage = 256;
constexpr uint64_t kLinkBytes = 16;  // the next one, then the previous one

// The frames of one shadow's snapshot and backlinks.
uint64_t FramesOfExtras(const XiShadowOptions& options) {
  return (options.snapshots_on_demand ? 0 : 1) + (options.backlinks ? 2 : 0);
}

}  // namespace

XiPaging::XiPaging(Host& host, Domain& domain, const ShadowShape& shape,
                   const XiShadowOptions& options, uint32_t shadows)
    : ShadowStrategy(host, domain, shape, shadows),
      options_(options),
      pool_(host.AllocXenPool(shadows * FramesOfExtras(options))),
      heads_(domain.p2m().size()) {}

XiPaging::~XiPaging() {
  host().FreeXenFrames(pool_);
  if (!options_.snapshots_on_demand) return;
  for (const Extras& extra : extras_) {
    if (extra.snapshot != kInvalidMfn) host().FreeXenFrame(extra.snapshot);
  }
}

void XiPaging::MakeExtras(ShadowId id) const {
  while (extras_.size() <= id) {
    uint64_t next = extras_.size() * FramesOfExtras(options_);
    Extras& extra = extras_.emplace_back();
    if (!options_.snapshots_on_demand) extra.snapshot = pool_.At(next++);
    if (!options_.backlinks) continue;
    for (Mfn& page : extra.backlinks) page = pool_.At(next++);
  }
  extras_made_ = static_cast<ShadowId>(extras_.size());
}

uint64_t XiPaging::HostBytes() const {
  return ShadowStrategy::HostBytes() + extras_.size() * sizeof(Extras) +
         pool_.host_bytes() + frame_heads_.host_bytes() +
         shadow_heads_.host_bytes();
}

uint64_t XiPaging::BookkeepingBytes() const {
  return options_.backlinks ? heads_ * sizeof(Ref) : 0;
}

std::vector<MemoryPart> XiPaging::MemoryParts() const {
  const uint64_t heads = BookkeepingBytes();
  return {PartOfPool("shadows", 1), PartOfPool("snapshots", 1),
          PartOfPool("backlinks", options_.backlinks ? 2 : 0),
          MemoryPart{"list heads", heads, heads}};
}

MachineAddr XiPaging::SnapshotAt(const ShadowSlot& slot) const {
  return AddressOf(ExtrasOf(slot.page).snapshot) +
         static_cast<uint64_t>(slot.index) * sizeof(uint64_t);
}

Pte XiPaging::SourceOf(const ShadowSlot& slot) const {
  return Pte(host().memory().Read64(SnapshotAt(slot)));
}

bool XiPaging::IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) {
  Charge(cpu, CostEvent::kXenPteRead);
  return SourceOf(slot) == guest && pages().Read(slot).present();
}

void XiPaging::SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest) {
  if (SourceOf(slot) == guest) return;
  Charge(cpu, CostEvent::kXenPteWrite);
  host().memory().Write64(SnapshotAt(slot), guest.raw());
}

void XiPaging::ShadowTaken(Cpu& cpu, ShadowId id) {
  const Extras& extra = ExtrasOf(id);
  if (extra.snapshot != kInvalidMfn) host().memory().ZeroFrame(extra.snapshot);
  if (options_.backlinks) {
    for (const Mfn page : extra.backlinks) host().memory().ZeroFrame(page);
  }
  if (options_.zeroed_beforehand) return;
  Charge(cpu, CostEvent::kZeroPage, FramesOfShadow(options_));
}

MachineAddr XiPaging::BacklinkAt(Ref ref) const {
  const ShadowSlot slot = SlotOf(ref);
  const auto index = static_cast<uint64_t>(slot.index);
  return AddressOf(ExtrasOf(slot.page).backlinks[index / kLinksAPage]) +
         index % kLinksAPage * kLinkBytes;
}

XiPaging::Ref XiPaging::Next(Ref ref) const {
  return host().memory().Read64(BacklinkAt(ref));
}
XiPaging::Ref XiPaging::Previous(Ref ref) const {
  return host().memory().Read64(BacklinkAt(ref) + sizeof(Ref));
}
void XiPaging::SetNext(Ref ref, Ref next) {
  host().memory().Write64(BacklinkAt(ref), next);
}
void XiPaging::SetPrevious(Ref ref, Ref previous) {
  host().memory().Write64(BacklinkAt(ref) + sizeof(Ref), previous);
}

XiPaging::Ref& XiPaging::HeadOf(const ShadowSlot& slot, Pte entry) {
  if (IsLink(slot, entry)) return shadow_heads_.At(Child(entry));
  const uint64_t pfn = domain().p2m().PfnOf(entry.frame()).value();
  XMMU_CHECK(pfn < domain().p2m().size());
  heads_ = std::max(heads_, pfn + 1);
  return frame_heads_.At(pfn);
}

void XiPaging::EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                            Pte now) {
  if (!options_.backlinks) return;
  if (!old.present()) {
    if (now.present()) LinkBack(cpu, slot, now);
    return;
  }
  const bool same_target = now.present() && old.frame() == now.frame() &&
                           IsLink(slot, old) == IsLink(slot, now);
  if (same_target) return;
  UnlinkBack(cpu, slot, old);
  if (now.present()) LinkBack(cpu, slot, now);
}

// Writes the entry's own two references, the head, and a reference of the
// neighbour's: one store for each cache line.
void XiPaging::LinkBack(Cpu& cpu, const ShadowSlot& slot, Pte entry) {
  const Ref ref = RefOf(slot);
  Ref& head = HeadOf(slot, entry);
  host().memory().WriteTwo64(BacklinkAt(ref), head, 0);
  if (head != 0) SetPrevious(head, ref);
  Charge(cpu, CostEvent::kXenPteWrite, head != 0 ? 3 : 2);
  head = ref;
}

void XiPaging::UnlinkBack(Cpu& cpu, const ShadowSlot& slot, Pte entry) {
  const Ref ref = RefOf(slot);
  const Ref next = Next(ref);
  const Ref previous = Previous(ref);
  if (next != 0) SetPrevious(next, previous);
  if (previous != 0) {
    SetNext(previous, next);
  } else {
    HeadOf(slot, entry) = next;
  }
  Charge(cpu, CostEvent::kXenPteRead);
  Charge(cpu, CostEvent::kXenPteWrite, next != 0 ? 2 : 1);
}

std::vector<ShadowSlot> XiPaging::MappingsOf(Cpu& cpu, Gfn gfn) {
  if (!options_.backlinks) return ShadowPaging::MappingsOf(cpu, gfn);
  std::vector<ShadowSlot> found;
  const Mfn mfn = domain().MfnOf(gfn);
  const auto search = [&](uint64_t pfn) {
    Charge(cpu, CostEvent::kXenPteRead);
    if (pfn >= heads_) return;
    for (Ref ref = frame_heads_.Get(pfn); ref != 0; ref = Next(ref)) {
      Charge(cpu, CostEvent::kXenPteRead);
      const ShadowSlot slot = SlotOf(ref);
      if (Contains(slot, pages().Read(slot), mfn)) found.push_back(slot);
    }
  };
  search(gfn.value());
  // Large pages are in the list of their first frame.
  const uint64_t first = gfn.value() & ~(shape().large_frames() - 1);
  if (first != gfn.value()) search(first);
  return found;
}

std::vector<ShadowSlot> XiPaging::LinksTo(Cpu& cpu, ShadowId id) {
  if (!options_.backlinks) return ShadowPaging::LinksTo(cpu, id);
  std::vector<ShadowSlot> found;
  for (Ref ref = shadow_heads_.Get(id); ref != 0; ref = Next(ref)) {
    Charge(cpu, CostEvent::kXenPteRead);
    found.push_back(SlotOf(ref));
  }
  return found;
}

void XiPaging::RevokeWrites(Cpu& cpu, const DirtyBitmap* marked) {
  if (!options_.backlinks) return ProtectAll(cpu);
  const auto protect = [&](Pfn pfn) {
    const bool mapped = domain().p2m().MfnOf(pfn) != kInvalidMfn;
    if (mapped) Protect(cpu, domain().GfnOf(pfn));
  };
  if (marked != nullptr) {
    for (const Pfn pfn : marked->Pfns()) protect(pfn);
    return;
  }
  // All heads are looked at; one read is a cache line of eight.
  Charge(cpu, CostEvent::kXenPteRead, (heads_ + 7) / 8);
  for (uint64_t pfn = 0; pfn < heads_;) {
    const Ref* const head = frame_heads_.Find(pfn);
    if (head == nullptr) {
      pfn = frame_heads_.NextChunk(pfn);
      continue;
    }
    if (*head != 0) protect(Pfn(pfn));
    ++pfn;
  }
}

// Whether each entry of one list leads to `target`, and each reference back is
// right. Adds the length of the list to `listed`.
absl::Status XiPaging::AuditList(Ref head, uint64_t target, bool to_shadow,
                                 uint64_t& listed) const {
  Ref previous = 0;
  for (Ref ref = head; ref != 0; ref = Next(ref)) {
    const ShadowSlot slot = SlotOf(ref);
    const Pte entry = pages().Read(slot);
    const bool right = pages()[slot.page].in_use && entry.present() &&
                       IsLink(slot, entry) == to_shadow &&
                       entry.frame().value() == target &&
                       Previous(ref) == previous;
    if (!right) {
      return absl::InternalError(
          absl::StrFormat("backlink %d of shadow %d: not of machine frame 0x%x",
                          slot.index, slot.page, target));
    }
    previous = ref;
    ++listed;
  }
  return absl::OkStatus();
}

absl::Status XiPaging::AuditMore() const {
  if (!options_.backlinks) return absl::OkStatus();
  uint64_t listed = 0;
  for (uint64_t pfn = 0; pfn < heads_; ++pfn) {
    const uint64_t mfn = domain().p2m().MfnOf(Pfn(pfn)).value();
    const absl::Status status =
        AuditList(frame_heads_.Get(pfn), mfn, false, listed);
    if (!status.ok()) return status;
  }
  uint64_t present = 0;
  for (ShadowId id = 0; id < pages().made(); ++id) {
    const uint64_t mfn = pages()[id].mfn.value();
    const absl::Status status =
        AuditList(shadow_heads_.Get(id), mfn, true, listed);
    if (!status.ok()) return status;
    if (!pages()[id].in_use) continue;
    for (int i = 0; i < shape().entries(); ++i) {
      if (pages().Read({id, i}).present()) ++present;
    }
  }
  if (listed == present) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat(
      "%d entries have backlinks, %d are there", listed, present));
}

}  // namespace xmmu
