// XI with backlinks for page tables alone, and with snapshots for tables out of
// sync alone.

#include "policy/shadow/xi_variants.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

constexpr uint64_t kNodesAFrame = kPageSize / 16;
// One in so many shadows may be out of sync at a time (assumed: "a large number
// of gpts will not be modified frequently").
constexpr uint32_t kShadowsASnapshot = 4;

// A frame may be used as a table of every level, and be shadowed in parts.
uint64_t MostShadowsOfATable(const ShadowShape& shape) {
  int shadows = 0;
  for (int level = 1; level <= shape.top_level(); ++level) {
    shadows += shape.Parts(level);
  }
  return static_cast<uint64_t>(shadows);
}

}  // namespace

XiTableBacklinks::~XiTableBacklinks() {
  for (const Mfn frame : node_frames_) host().FreeXenFrame(frame);
}

std::vector<MemoryPart> XiTableBacklinks::MemoryParts() const {
  const uint64_t nodes = node_frames_.size() * kPageSize;
  return {PartOfPool("shadows", 1), PartOfPool("snapshots", 1),
          MemoryPart{"backlink nodes", nodes, nodes}};
}

std::optional<uint64_t> XiTableBacklinks::KeyOf(const ShadowSlot& slot,
                                                Pte entry) const {
  if (!entry.present()) return std::nullopt;
  if (IsLink(slot, entry)) return KeyOf(Child(entry));
  // No large page has a table in it.
  if (pages()[slot.page].key.level > 1) return std::nullopt;
  const Pfn pfn = domain().p2m().PfnOf(entry.frame());
  const uint64_t key = KeyOf(domain().GfnOf(pfn));
  return lists_.contains(key) ? std::optional(key) : std::nullopt;
}

// Takes a node off the free list, which a new frame may have to fill first, and
// writes it and the head.
void XiTableBacklinks::Add(Cpu& cpu, List& list, const ShadowSlot& slot) {
  if (nodes_ == node_frames_.size() * kNodesAFrame) {
    Charge(cpu, CostEvent::kLockedOp);  // the heap's lock
    Charge(cpu, CostEvent::kZeroPage);
    node_frames_.push_back(host().AllocXenFrame());
  }
  ++nodes_;
  Charge(cpu, CostEvent::kXenPteRead);
  Charge(cpu, CostEvent::kXenPteWrite, 2);
  list.push_back(slot);
}

void XiTableBacklinks::Remove(Cpu& cpu, List& list, const ShadowSlot& slot) {
  // The list is searched from its newest node on.
  const auto at =
      std::find_if(list.rbegin(), list.rend(), [&](const ShadowSlot& other) {
        return other.page == slot.page && other.index == slot.index;
      });
  XMMU_CHECK(at != list.rend());
  Charge(cpu, CostEvent::kXenPteRead,
         static_cast<uint64_t>(at - list.rbegin()) + 1);
  Charge(cpu, CostEvent::kXenPteWrite, 2);
  list.erase(std::next(at).base());
  --nodes_;
}

void XiTableBacklinks::EntryChanged(Cpu& cpu, const ShadowSlot& slot, Pte old,
                                    Pte now) {
  const bool same = old.present() && now.present() &&
                    old.frame() == now.frame() &&
                    IsLink(slot, old) == IsLink(slot, now);
  if (same) return;
  const std::optional<uint64_t> from = KeyOf(slot, old);
  const std::optional<uint64_t> to = KeyOf(slot, now);
  if (from.has_value()) Remove(cpu, lists_[*from], slot);
  if (to.has_value()) Add(cpu, lists_[*to], slot);
}

std::vector<ShadowSlot> XiTableBacklinks::MappingsOf(Cpu& cpu, Gfn gfn) {
  const auto known = lists_.find(KeyOf(gfn));
  if (known != lists_.end()) {
    Charge(cpu, CostEvent::kXenPteRead, known->second.size() + 1);
    return known->second;
  }
  const std::vector<ShadowSlot> found = XiPaging::MappingsOf(cpu, gfn);
  if (pages().FindTable(gfn) == nullptr) return found;
  // `gfn` has just become a table. Only L1 entries are recorded: large pages
  // that map it will be splintered, and recorded then.
  List& list = lists_[KeyOf(gfn)];
  for (const ShadowSlot& slot : found) {
    if (pages()[slot.page].key.level == 1) Add(cpu, list, slot);
  }
  return found;
}

std::vector<ShadowSlot> XiTableBacklinks::LinksTo(Cpu& cpu, ShadowId id) {
  const auto known = lists_.find(KeyOf(id));
  if (known == lists_.end()) return {};
  Charge(cpu, CostEvent::kXenPteRead, known->second.size());
  return known->second;
}

// With its last shadow a page ceases to be a table.
void XiTableBacklinks::ShadowGoes(Cpu& cpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  if (key.splinter || pages().FindTable(key.gfn)->shadows.size() > 1) return;
  const auto known = lists_.find(KeyOf(key.gfn));
  if (known == lists_.end()) return;
  Charge(cpu, CostEvent::kXenPteWrite, known->second.size());
  nodes_ -= known->second.size();
  lists_.erase(known);
}

absl::Status XiTableBacklinks::AuditMore() const {
  uint64_t listed = 0;
  for (ShadowId id = 0; id < pages().made(); ++id) {
    if (!pages()[id].in_use) continue;
    const ShadowKey& key = pages()[id].key;
    if (!key.splinter && !lists_.contains(KeyOf(key.gfn))) {
      return absl::InternalError(absl::StrFormat(
          "guest frame 0x%x: a table without backlinks", key.gfn.value()));
    }
    for (int i = 0; i < shape().entries(); ++i) {
      const ShadowSlot slot{id, i};
      const std::optional<uint64_t> wanted = KeyOf(slot, pages().Read(slot));
      if (!wanted.has_value()) continue;
      const auto known = lists_.find(*wanted);
      const List list = known == lists_.end() ? List() : known->second;
      const auto times = std::count_if(
          list.begin(), list.end(),
          [&](const ShadowSlot& at) { return at.page == id && at.index == i; });
      if (times != 1) {
        return absl::InternalError(absl::StrFormat(
            "slot %d of shadow %d has %d backlinks", i, id, times));
      }
      ++listed;
    }
  }
  if (listed == nodes_) return absl::OkStatus();
  return absl::InternalError(absl::StrFormat(
      "%d backlinks, %d entries that should have one", nodes_, listed));
}

XiSnapshotPool::XiSnapshotPool(Host& host, Domain& domain,
                               const ShadowShape& shape,
                               const XiShadowOptions& options, uint32_t shadows)
    : XiPaging(host, domain, shape, options, shadows),
      count_(std::max<uint64_t>(shadows / kShadowsASnapshot,
                                MostShadowsOfATable(shape))),
      most_a_table_(MostShadowsOfATable(shape)) {
  free_ = host.AllocXenPool(count_);
}

XiSnapshotPool::~XiSnapshotPool() { host().FreeXenFrames(free_); }

std::vector<MemoryPart> XiSnapshotPool::MemoryParts() const {
  std::vector<MemoryPart> parts = XiPaging::MemoryParts();
  for (MemoryPart& part : parts) {
    if (part.name != "snapshots") continue;
    part = {"snapshots", count_ * kPageSize, peak_ * kPageSize};
  }
  return parts;
}

void XiSnapshotPool::TakeSnapshot(ShadowId id) {
  XMMU_CHECK(!free_.empty() && !HasSnapshot(id));
  set_snapshot(id, free_.Pop());
  peak_ = std::max<uint64_t>(peak_, count_ - free_.size());
}

void XiSnapshotPool::GiveSnapshot(ShadowId id) {
  if (!HasSnapshot(id)) return;
  free_.Push(snapshot(id));
  set_snapshot(id, kInvalidMfn);
}

// While a table is in sync, the guest's entry is what the shadow's was made
// from.
Pte XiSnapshotPool::SourceOf(const ShadowSlot& slot) const {
  if (HasSnapshot(slot.page)) return XiPaging::SourceOf(slot);
  return pages().Read(slot).raw() == 0 ? Pte() : GuestEntry(slot);
}

bool XiSnapshotPool::IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte guest) {
  if (HasSnapshot(slot.page)) return XiPaging::IsCurrent(cpu, slot, guest);
  Charge(cpu, CostEvent::kXenPteRead);
  return pages().Read(slot).present();
}

void XiSnapshotPool::SetSource(Cpu& cpu, const ShadowSlot& slot, Pte guest) {
  if (HasSnapshot(slot.page)) XiPaging::SetSource(cpu, slot, guest);
}

void XiSnapshotPool::ShadowTaken(Cpu& cpu, ShadowId id) {
  XiPaging::ShadowTaken(cpu, id);
  const ShadowKey& key = pages()[id].key;
  if (key.splinter) return;
  if (pages().FindTable(key.gfn)->out_of_sync) {
    TakeSnapshot(id);
    host().memory().ZeroFrame(snapshot(id));
    Charge(cpu, CostEvent::kZeroPage);
  } else if (key.level == 1) {
    FillAll(cpu, id);
  }
}

void XiSnapshotPool::FillAll(Cpu& cpu, ShadowId id) {
  const LevelRules& rules = roots().front().guest.levels[1];
  Charge(cpu, CostEvent::kXenPteRead, static_cast<uint64_t>(shape().entries()));
  for (int i = 0; i < shape().entries(); ++i) {
    const ShadowSlot slot{id, i};
    const Pte guest = GuestEntry(slot);
    const bool page = guest.present() && guest.accessed() &&
                      (guest.raw() & rules.reserved_in_leaf) == 0;
    if (page) MapPage(cpu, slot, guest, Gfn(guest.frame().value()));
  }
}

void XiSnapshotPool::ShadowGoes(Cpu&, ShadowId id) { GiveSnapshot(id); }

void XiSnapshotPool::FrameLeaves(Cpu& cpu, Gfn gfn) {
  XiPaging::FrameLeaves(cpu, gfn);
  TableSynced(gfn);
}

void XiSnapshotPool::TableSynced(Gfn gfn) {
  const GuestTable* const table = pages().FindTable(gfn);
  if (table == nullptr) return;
  for (const ShadowId id : table->shadows) GiveSnapshot(id);
}

// Each table out of sync may come to have more shadows, so snapshots are kept
// free for all that it can have.
void XiSnapshotPool::OpenTable(VcpuContext& vcpu, Gfn gfn) {
  while ((pages().OutOfSyncCount() + 1) * most_a_table_ > count_) {
    SyncTable(vcpu, pages().FirstOutOfSync());
  }
  const GuestTable* const table = pages().FindTable(gfn);
  if (table == nullptr) return;
  for (const ShadowId id : table->shadows) {
    std::vector<Pte> sources;
    for (int i = 0; i < shape().entries(); ++i) {
      sources.push_back(SourceOf({id, i}));
    }
    TakeSnapshot(id);
    Charge(*vcpu.cpu, CostEvent::kCopyPage);
    for (int i = 0; i < shape().entries(); ++i) {
      host().memory().Write64(SnapshotAt({id, i}),
                              sources[static_cast<size_t>(i)].raw());
    }
  }
  XiPaging::OpenTable(vcpu, gfn);
}

absl::Status XiSnapshotPool::AuditMore() const {
  uint64_t taken = 0;
  for (ShadowId id = 0; id < pages().made(); ++id) {
    const ShadowPage& page = pages()[id];
    const bool wanted = page.in_use && !page.key.splinter &&
                        pages().FindTable(page.key.gfn)->out_of_sync;
    if (HasSnapshot(id) != wanted) {
      return absl::InternalError(absl::StrFormat(
          "shadow %d: a snapshot in sync, or none out of sync", id));
    }
    taken += wanted ? 1 : 0;
  }
  if (taken + free_.size() != count_) {
    return absl::InternalError("a snapshot is lost");
  }
  return XiPaging::AuditMore();
}

}  // namespace xmmu
