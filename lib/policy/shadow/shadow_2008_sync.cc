// How tables go out of sync, and how they come back.

#include <algorithm>
#include <utility>

#include "absl/strings/str_format.h"
#include "policy/shadow/shadow_2008_paging.h"

namespace xmmu {

bool Shadow2008Paging::IsOutOfSync(Gfn gfn) const {
  const GuestTable* const table = pages().FindTable(gfn);
  return table != nullptr && table->out_of_sync;
}

const Shadow2008Paging::Place* Shadow2008Paging::PlaceOf(Gfn gfn) const {
  for (const auto& places : places_) {
    for (const Place& place : places) {
      if (place.gfn == gfn) return &place;
    }
  }
  return nullptr;
}

Shadow2008Paging::Place* Shadow2008Paging::PlaceOf(Gfn gfn) {
  return const_cast<Place*>(std::as_const(*this).PlaceOf(gfn));
}

size_t Shadow2008Paging::HomeOf(Gfn gfn) const {
  return domain().MfnOf(gfn).value() % kPlaces;
}

MachineAddr Shadow2008Paging::SnapshotAt(const Place& place,
                                         const ShadowSlot& slot) const {
  const ShadowKey& key = pages()[slot.page].key;
  return EntryAddress(shape().guest(), AddressOf(place.snapshot),
                      shape().GuestIndex(key.level, key.part, slot.index));
}

Pte Shadow2008Paging::SourceOf(const ShadowSlot& slot) const {
  const ShadowKey& key = pages()[slot.page].key;
  if (!IsOutOfSync(key.gfn)) return GuestEntry(slot);
  return Pte(host().memory().ReadEntry(SnapshotAt(*PlaceOf(key.gfn), slot),
                                       EntryBytes(shape().guest())));
}

void Shadow2008Paging::SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest) {
  const ShadowKey& key = pages()[slot.page].key;
  if (key.splinter || !IsOutOfSync(key.gfn)) return;
  if (SourceOf(slot) == guest) return;
  Charge(cpu, CostEvent::kXenPteWrite);
  host().memory().WriteEntry(SnapshotAt(*PlaceOf(key.gfn), slot),
                             EntryBytes(shape().guest()), guest.raw());
}

// Xen: sh_unsync. A table goes out of sync if it is used as an L1 alone.
bool Shadow2008Paging::LetWrite(VcpuContext& vcpu, Gfn gfn) {
  if (!options_.out_of_sync) return false;
  const std::vector<ShadowId>& shadows = pages().FindTable(gfn)->shadows;
  const bool only_l1 =
      std::all_of(shadows.begin(), shadows.end(),
                  [&](ShadowId id) { return pages()[id].key.level == 1; });
  if (only_l1) Unsync(vcpu, gfn);
  return only_l1;
}

// Xen: oos_hash_add.
void Shadow2008Paging::Unsync(VcpuContext& vcpu, Gfn gfn) {
  const Span span = XenSpan(*vcpu.cpu, "sh_unsync");
  Cpu& cpu = *vcpu.cpu;
  std::array<Place, kPlaces>& places = places_[vcpu.id];
  const size_t home = HomeOf(gfn);
  Place& own = places[home];
  const bool at_home = !own.free() && HomeOf(own.gfn) == home;
  Place& given_up = at_home ? places[(home + 1) % kPlaces] : own;
  if (!given_up.free()) {
    Resync(vcpu, given_up);
    cpu.counters.Add(Counter::kShadowUnsyncEvict);
  }
  if (at_home) std::swap(own, given_up);
  own.gfn = gfn;
  own.fixups = {};
  own.next = 0;
  Charge(cpu, CostEvent::kCopyPage);
  host().memory().CopyFrame(own.snapshot, domain().MfnOf(gfn));
  mutable_pages().SetOutOfSync(gfn, true);
  cpu.counters.Add(Counter::kShadowOpened);
}

// Xen: _sh_resync.
void Shadow2008Paging::Resync(VcpuContext& vcpu, Place& place) {
  const Span span = XenSpan(*vcpu.cpu, "sh_resync");
  Cpu& cpu = *vcpu.cpu;
  const Gfn gfn = place.gfn;
  // Entries that are made from here on are read-only.
  mutable_pages().SetOutOfSync(gfn, false);
  for (std::optional<ShadowSlot>& fixup : place.fixups) {
    if (fixup.has_value()) RemoveWrite(cpu, gfn, *fixup);
    fixup.reset();
  }
  Protect(cpu, gfn);
  // AddFixup() may have taken write access from a mapping without a flush.
  Owe(domain().dirty_cpus());
  ResyncEntries(vcpu, place);
  place.gfn = kInvalidGfn;
  cpu.counters.Add(Counter::kShadowResyncs);
}

// Xen: _sh_resync_l1. An entry that is not there is left to a fault.
void Shadow2008Paging::ResyncEntries(VcpuContext& vcpu, const Place& place) {
  const Span span = XenSpan(*vcpu.cpu, "sh_resync_l1");
  Cpu& cpu = *vcpu.cpu;
  for (const ShadowId id : pages().FindTable(place.gfn)->shadows) {
    Charge(cpu, CostEvent::kSnapshotCompare,
           static_cast<uint64_t>(shape().entries()));
    for (int i = 0; i < shape().entries(); ++i) {
      const ShadowSlot slot{id, i};
      if (pages()[id].key.level != 1 || !pages().Read(slot).present()) continue;
      const Pte then(host().memory().ReadEntry(SnapshotAt(place, slot),
                                               EntryBytes(shape().guest())));
      const Pte guest = GuestEntry(slot);
      if (guest == then) continue;
      cpu.counters.Add(Counter::kShadowResynced);
      Propagate(vcpu, slot, guest);
    }
  }
}

void Shadow2008Paging::EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                                    Pte now) {
  Shadow2006Paging::EntryChanged(cpu, slot, old, now);
  if (pages()[slot.page].key.level > 1 || IsMark(now) || !now.present() ||
      !now.writable()) {
    return;
  }
  const Gfn gfn = domain().GfnOf(domain().p2m().PfnOf(now.frame()));
  if (IsOutOfSync(gfn)) AddFixup(cpu, gfn, slot);
}

// Xen: oos_fixup_add. The fixup that is replaced loses write access without a
// flush: the guest may write to the table in any case until it is in sync, and
// then all is flushed.
void Shadow2008Paging::AddFixup(Cpu& cpu, Gfn gfn, const ShadowSlot& slot) {
  Place& place = *PlaceOf(gfn);
  for (const std::optional<ShadowSlot>& known : place.fixups) {
    if (known.has_value() && known->page == slot.page &&
        known->index == slot.index) {
      return;
    }
  }
  std::optional<ShadowSlot>& fixup = place.fixups[place.next];
  if (fixup.has_value()) {
    RemoveWrite(cpu, gfn, *fixup);
    cpu.counters.Add(Counter::kShadowFixupEvict);
  }
  fixup = slot;
  place.next = (place.next + 1) % kFixups;
}

// The slot may have come to hold anything since it was noted.
void Shadow2008Paging::RemoveWrite(Cpu& cpu, Gfn gfn, const ShadowSlot& slot) {
  const ShadowPage& page = pages()[slot.page];
  if (!page.in_use || page.key.level != 1) return;
  Charge(cpu, CostEvent::kXenPteRead);
  const Pte entry = pages().Read(slot);
  if (IsMark(entry) || !Contains(slot, entry, domain().MfnOf(gfn))) return;
  SetEntry(cpu, slot, entry.Without(pte::kWritable));
}

void Shadow2008Paging::BeforeCr3(VcpuContext& vcpu) {
  Shadow2006Paging::BeforeCr3(vcpu);
  last_[vcpu.id].valid = false;
  for (Place& place : places_[vcpu.id]) {
    if (!place.free()) Resync(vcpu, place);
  }
}

// Tables in other vCPUs' places stay out of sync, but what `vcpu` could see of
// them is made what it must be after its flush (Xen: shadow_sync_other_vcpus).
void Shadow2008Paging::AfterCr3(VcpuContext& vcpu) {
  Shadow2006Paging::AfterCr3(vcpu);
  for (uint32_t id = 0; id < places_.size(); ++id) {
    if (id == vcpu.id) continue;
    for (const Place& place : places_[id]) {
      if (place.free() || SafeToSkip(vcpu, place.gfn)) continue;
      ResyncEntries(vcpu, place);
    }
  }
}

bool Shadow2008Paging::SafeToSkip(const VcpuContext& vcpu, Gfn gfn) const {
  const std::vector<ShadowId>& shadows = pages().FindTable(gfn)->shadows;
  return std::all_of(shadows.begin(), shadows.end(),
                     [&](ShadowId id) { return LeadsElsewhere(vcpu, id); });
}

// Whether exactly one root leads to the shadow `id`, and that is none of
// `vcpu`.
bool Shadow2008Paging::LeadsElsewhere(const VcpuContext& vcpu,
                                      ShadowId id) const {
  while (pages()[id].key.level < shape().top_level()) {
    Charge(*vcpu.cpu, CostEvent::kXenPteRead);
    if (pages()[id].refs != 1) return false;
    uint64_t looked_at = 0;
    const std::vector<ShadowSlot> up = FindLinks(id, looked_at);
    if (up.size() != 1) return false;
    id = up.front().page;
  }
  const auto& own = roots()[vcpu.id].top;
  return std::find(own.begin(), own.end(), id) == own.end();
}

void Shadow2008Paging::PageFlushed(VcpuContext& vcpu, const ShadowSlot& slot) {
  if (!IsOutOfSync(pages()[slot.page].key.gfn)) return;
  Lock(*vcpu.cpu);
  SetEntry(*vcpu.cpu, slot, Pte());
}

// A shadow with one reference knows where that is; else all are searched.
std::vector<ShadowSlot> Shadow2008Paging::LinksTo(Cpu& cpu, ShadowId id) {
  uint64_t looked_at = 0;
  const std::vector<ShadowSlot> found = FindLinks(id, looked_at);
  Charge(cpu, CostEvent::kXenPteRead, found.size() == 1 ? 1 : looked_at);
  return found;
}

VcpuContext& Shadow2008Paging::VcpuOn(Cpu& cpu) {
  VcpuContext* const current = cpu.current;
  const bool own = current != nullptr && current->domain == &domain();
  return own ? *current : domain().vcpu(0);
}

// A shadow that comes to be reachable must not be out of date, for the guest
// owes no flush for it (assumed).
void Shadow2008Paging::BeforeLink(VcpuContext& vcpu, ShadowId id) {
  const Gfn gfn = pages()[id].key.gfn;
  if (IsOutOfSync(gfn)) Resync(vcpu, *PlaceOf(gfn));
}

// A table that is used at another level as well has to be in sync.
void Shadow2008Paging::ShadowTaken(Cpu& cpu, ShadowId id) {
  Shadow2006Paging::ShadowTaken(cpu, id);
  const ShadowKey key = pages()[id].key;
  if (key.splinter || key.level == 1 || !IsOutOfSync(key.gfn)) return;
  Resync(VcpuOn(cpu), *PlaceOf(key.gfn));
}

// With its last shadow a page ceases to be a table. A table that keeps a shadow
// of its other part is made in sync (assumed: Xen has both parts or none).
void Shadow2008Paging::ShadowGoes(Cpu& cpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  if (key.splinter || !IsOutOfSync(key.gfn)) return;
  Place& place = *PlaceOf(key.gfn);
  if (pages().FindTable(key.gfn)->shadows.size() > 1) {
    return Resync(VcpuOn(cpu), place);
  }
  mutable_pages().SetOutOfSync(key.gfn, false);
  place.gfn = kInvalidGfn;
  place.fixups = {};
}

absl::Status Shadow2008Paging::AuditMore() const {
  const absl::Status status = Shadow2006Paging::AuditMore();
  if (!status.ok()) return status;
  size_t listed = 0;
  for (const auto& places : places_) {
    for (const Place& place : places) {
      if (place.free()) continue;
      ++listed;
      const bool right =
          IsOutOfSync(place.gfn) && WritableCount(place.gfn) <= kFixups;
      if (right) continue;
      return absl::InternalError(absl::StrFormat(
          "guest frame 0x%x, a table out of sync: it is none, or more can "
          "write to it than is known",
          place.gfn.value()));
    }
  }
  if (listed == pages().OutOfSyncCount()) return absl::OkStatus();
  return absl::InternalError("a table out of sync has no place, or two");
}

}  // namespace xmmu
