// What shadow1 does at the guest's faults and flushes.
//
//   event                            what is done
//   -------------------------------  ----------------------------------------
//   fault, INVLPG, and an entry on   makes all tables in sync, first
//     the way has changed
//   fault of the guest's own         hands it on
//   read, or write of data           makes the path; if an L1 was not shadowed,
//                                      all of it that is contiguous
//   write to a table                 as a write of data; then takes a snapshot
//                                      and makes the entry writable
//   INVLPG                           makes that page's entry anew
//   MOV CR3                          makes all tables in sync

#include "policy/shadow/shadow_2005_paging.h"

#include "xmmu/base/check.h"

namespace xmmu {
namespace {

// The hash has 256 buckets, and each shadow an entry (Xen: shadow_ht_buckets,
// struct shadow_status; 16 bytes are assumed).
constexpr uint64_t kHashBuckets = 256;
constexpr uint64_t kHashEntryBytes = 16;

}  // namespace

Shadow2005Paging::Shadow2005Paging(Host& host, Domain& domain,
                                   const ShadowShape& shape,
                                   const Shadow2005Options& options,
                                   uint32_t shadows)
    : ShadowStrategy(host, domain, shape, shadows, DoorOf(options)),
      options_(options) {
  XMMU_CHECK(shape.guest() == shape.shadow());
}

Shadow2005Paging::~Shadow2005Paging() {
  for (const OpenTable& open : open_) host().FreeXenFrame(open.snapshot);
  for (const Extra& extra : extras_) {
    if (extra.hl2 != kInvalidMfn) host().FreeXenFrame(extra.hl2);
  }
}

bool Shadow2005Paging::HasHl2(ShadowId id) const {
  return door().hypervisor_in_shadows() && pages()[id].key.level == 2;
}

GuestWalk Shadow2005Paging::Look(VcpuContext& vcpu, const Access& access) {
  const Span span = XenSpan(*vcpu.cpu, &ShadowWords::walk);
  return WalkGuest(host(), domain(), *vcpu.cpu, RootOf(vcpu).guest, access,
                   /*mapped=*/door().hypervisor_in_shadows());
}

uint64_t Shadow2005Paging::BookkeepingBytes() const {
  return (kHashBuckets + pages().count() + predictions_.size()) *
         kHashEntryBytes;
}

bool Shadow2005Paging::MayWrite(Gfn gfn) const {
  return pages().FindTable(gfn) == nullptr;
}

bool Shadow2005Paging::IsCurrent(Cpu& cpu, const ShadowSlot& slot, Pte) {
  Charge(cpu, CostEvent::kXenPteRead);
  return pages().Read(slot).present();
}

// A frame that was an L1 shadow is kept for L1 shadows and need not be zeroed:
// its last entry has gone. Others are zeroed (Xen: alloc_shadow_page,
// free_shadow_frames). As there is one pool here, a frame that was kept may
// become another shadow, and is zeroed then.
void Shadow2005Paging::ShadowTaken(Cpu& cpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  const bool l1 = key.level == 1 && !key.splinter;
  if (id >= extras_.size()) extras_.resize(id + size_t{1});
  if (!l1 || !extras_[id].was_l1) Charge(cpu, CostEvent::kZeroPage);
  extras_[id] = {{}, l1, extras_[id].hl2};
  if (HasHl2(id) && extras_[id].hl2 == kInvalidMfn) {
    Charge(cpu, CostEvent::kZeroPage);
    extras_[id].hl2 = host().AllocXenFrame();
  }
  if (l1) new_l1_ = id;
}

// Xen links a shadow as it is. But the guest owes no flush for what was not
// reachable, so here the shadow must say what its table says by now.
void Shadow2005Paging::BeforeLink(VcpuContext& vcpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  if (key.level > 1 || !IsTableInSync(key.gfn)) SyncAll(vcpu);
  Recheck(*vcpu.cpu, id);
}

void Shadow2005Paging::BeforeCr3(VcpuContext& vcpu) {
  Cpu& cpu = *vcpu.cpu;
  cpu.clock.Charge(CostEvent::kLockedOp);  // the domain's lock
  // The linear slots of the new root are written (assumed: into L2s of the
  // vCPU's own).
  if (door().hypervisor_in_shadows() && shape().own_l3()) {
    Charge(cpu, CostEvent::kXenPteWrite, 4);
  }
  SyncAll(vcpu);
}

ShadowStrategy::FlushReach Shadow2005Paging::FollowFlush(
    VcpuContext& vcpu, const TlbFlush& flush) {
  vcpu.cpu->clock.Charge(CostEvent::kLockedOp);
  if (flush.scope != FlushScope::kPage) {
    SyncAll(vcpu);
    ReloadPdptes(vcpu);
    return FlushReach::kAll;
  }
  const VirtAddr va = flush.va;
  if (!IsCanonical(shape().guest(), va)) return FlushReach::kPage;
  GuestWalk walk = SyncVa(vcpu, {va});
  // A processor forgets all non-leaf entries as well (SDM Vol. 3A, "Operations
  // that Invalidate TLBs and Paging-Structure Caches"); Xen does not.
  if (pages().AnyOutOfSync(/*lowest=*/2)) SyncAll(vcpu);
  const bool in_pieces = Freshen(vcpu, walk, va);
  const std::optional<ShadowSlot> slot = LeafSlot(vcpu, va);
  // "Not strictly necessary, but it might save a fault later."
  if (slot.has_value() && !pages()[slot->page].key.splinter) {
    Remake(vcpu, *slot, walk.entries.back().entry);
  }
  return in_pieces ? FlushReach::kAll : FlushReach::kPage;
}

void Shadow2005Paging::AfterFollow(VcpuContext& vcpu, const TlbFlush&) {
  Reap(*vcpu.cpu);
}

FaultOutcome Shadow2005Paging::Answer(VcpuContext& vcpu, const PageFault& fault,
                                      const Access& access,
                                      MemoryOperand& operand) {
  Cpu& cpu = *vcpu.cpu;
  cpu.clock.Charge(CostEvent::kLockedOp);
  GuestWalk walk = SyncVa(vcpu, access);
  if (!walk.ok) {
    // Real hardware drops the TLB entry of a faulting address. Do so too, and
    // owe the flush.
    if (Freshen(vcpu, walk, access.va)) Owe(MaskOf(cpu.id));
    Inject(vcpu);
    return {FaultAction::kReflect, {fault.va, walk.error_code}};
  }
  if (domain().MfnOf(walk.gfn) == kInvalidMfn) {
    Emulate(cpu, walk, access, operand);
    return {FaultAction::kEmulated, {}};
  }
  Map(vcpu, access, walk);
  return {FaultAction::kRetry, {}};
}

void Shadow2005Paging::Map(VcpuContext& vcpu, const Access& access,
                           GuestWalk& walk) {
  Cpu& cpu = *vcpu.cpu;
  // A snapshot may not be recent enough for a shadow that is new (Xen:
  // shadow_promote).
  if (WouldShadowOpenTable(walk)) SyncAll(vcpu);
  SetAccessedAndDirty(host(), cpu, shape().guest(), access, walk);
  NoteFlags(cpu, walk);
  new_l1_ = kNoShadow;
  Fill(vcpu, walk, access.va);
  const std::optional<ShadowSlot> slot = LeafSlot(vcpu, access.va);
  XMMU_CHECK(slot.has_value());
  if (new_l1_ == slot->page) Prefetch(vcpu, slot->page, slot->index);
  if (!access.is_write()) return;
  if (pages()[slot->page].key.splinter) return OpenLargePage(cpu, slot->page);
  if (pages().FindTable(walk.gfn) != nullptr) Open(cpu, walk.gfn, *slot);
}

bool Shadow2005Paging::WouldShadowOpenTable(const GuestWalk& walk) const {
  for (const GuestWalkEntry& used : walk.entries) {
    const ShadowKey key{used.table, static_cast<uint8_t>(used.level)};
    if (FindOpen(used.table) != nullptr && pages().Find(key) == kNoShadow) {
      return true;
    }
  }
  return false;
}

// Fills a new L1 shadow: from entry 0 on, until the first that cannot be made,
// then from the faulting one on, until the next that cannot (Xen:
// shadow_map_l1_into_current_l2).
void Shadow2005Paging::Prefetch(VcpuContext& vcpu, ShadowId id, int index) {
  const Span span = XenSpan(*vcpu.cpu, "shadow_prefetch");
  for (int i = 0; i < shape().entries(); ++i) {
    const ShadowSlot slot{id, i};
    const Pte guest = GuestEntry(slot);
    Charge(*vcpu.cpu, CostEvent::kXenPteRead);
    const bool usable =
        guest.present() && guest.accessed() &&
        domain().MfnOf(Gfn(guest.frame().value())) != kInvalidMfn;
    if (usable) {
      if (i != index) Remake(vcpu, slot, guest);
    } else if (i < index) {
      i = index - 1;
    } else {
      break;
    }
  }
}

// A write fault on a large page of the guest's goes through all its pieces and
// opens each table among them (Xen 3.0.2: l2e_rw_fault).
void Shadow2005Paging::OpenLargePage(Cpu& cpu, ShadowId splinter) {
  const Gfn first = pages()[splinter].key.gfn;
  const auto entries = static_cast<uint64_t>(shape().entries());
  Charge(cpu, CostEvent::kXenPteRead, 2 * entries);  // the P2M, and the entry
  for (uint64_t i = 0; i < entries; ++i) {
    const ShadowSlot slot{splinter, static_cast<int>(i)};
    const Pte entry = pages().Read(slot);
    if (!entry.present() || entry.writable()) continue;
    if (pages().FindTable(first + i) != nullptr) Open(cpu, first + i, slot);
  }
}

std::optional<ShadowSlot> Shadow2005Paging::LeafSlot(const VcpuContext& vcpu,
                                                     VirtAddr va) const {
  ShadowId id = TopOf(vcpu, va);
  while (id != kNoShadow) {
    const ShadowSlot slot{id, shape().IndexIn(pages()[id].key.level, va)};
    if (pages()[id].key.level == 1) return slot;
    const Pte entry = pages().Read(slot);
    id = IsLink(slot, entry) ? Child(entry) : kNoShadow;
  }
  return std::nullopt;
}

// Xen frees a shadow with its last reference; a root's pin is one.
void Shadow2005Paging::Reap(Cpu& cpu) {
  const auto give_up = [&](ShadowId id, bool root) {
    const ShadowPage& page = pages()[id];
    const bool is_root = page.key.level == shape().top_level();
    if (!page.in_use || page.refs != 0 || is_root != root) return;
    Evict(cpu, id);
    cpu.counters.Add(Counter::kShadowDropped);
  };
  for (const ShadowId id : dead_) give_up(id, true);
  dead_.clear();
  while (!unlinked_.empty()) {
    const ShadowId id = unlinked_.back();
    unlinked_.pop_back();
    give_up(id, false);
  }
}

void Shadow2005Paging::Finish(Cpu& cpu, CpuMask flushed) {
  Reap(cpu);
  FlushOwed(cpu, flushed);
}

}  // namespace xmmu
