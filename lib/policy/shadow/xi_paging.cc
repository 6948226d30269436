// When XI's shadows follow the guest: at its faults and flushes.
//
// An entry on the way of an access, at each level (reconstructed: the thread
// has spti_make_shadow and resync_spte, not their text):
//
//   guest's entry       | shadow known | does
//   --------------------+--------------+------------------------------------
//   as in the snapshot  | linked       | goes on to the next level
//   another, or never   | none         | takes an SPTI, protects the guest's
//     seen              |              |   table; it starts empty: in sync
//                       |              |   entry by entry, as needed
//   same                | in sync      | links it
//   same                | out of sync, | makes all tables in sync first: the
//                       | or above L1  |   guest owes no flush for what was
//                       |              |   not reachable; then links it
//   same, a large page  |              | maps it large, or links its splinter
//   same, of a page     |              | maps the page
//   (pool empty)        |              | tears down the least recently used
//                       |              |   shadow that is not on the way

#include "policy/shadow/xi_paging.h"

#include <algorithm>

#include "policy/shadow/xi_decision.h"

namespace xmmu {

void XiPaging::BeforeCr3(VcpuContext& vcpu) { SyncTables(vcpu, 1); }

void XiPaging::BeforeFlush(VcpuContext& vcpu, CpuMask, const TlbFlush& flush) {
  if (flush.scope != FlushScope::kPage) SyncTables(vcpu, 1);
}

ShadowStrategy::FlushReach XiPaging::FollowFlush(VcpuContext& vcpu,
                                                 const TlbFlush& flush) {
  if (flush.scope != FlushScope::kPage) {
    ReloadPdptes(vcpu);
    return FlushReach::kAll;
  }
  const bool in_pieces = IsCanonical(shape().guest(), flush.va) &&
                         Freshen(vcpu, Walk(vcpu, {flush.va}), flush.va);
  return in_pieces ? FlushReach::kAll : FlushReach::kPage;
}

// INVLPG makes a processor forget all non-leaf entries (SDM Vol. 3A,
// "Operations that Invalidate TLBs and Paging-Structure Caches").
void XiPaging::AfterFollow(VcpuContext& vcpu, const TlbFlush& flush) {
  if (flush.scope == FlushScope::kPage) SyncTables(vcpu, 2);
}

FaultOutcome XiPaging::Answer(VcpuContext& vcpu, const PageFault& fault,
                              const Access& access, MemoryOperand& operand) {
  Cpu& cpu = *vcpu.cpu;
  GuestWalk walk = Walk(vcpu, access);
  switch (Decide(pages(), domain(), walk, access)) {
    case XiAction::kInject:
      // Real hardware drops the TLB entry of a faulting address. Do so too, and
      // owe the flush.
      if (Freshen(vcpu, walk, access.va)) Owe(MaskOf(cpu.id));
      Inject(vcpu);
      return {FaultAction::kReflect, {fault.va, walk.error_code}};
    case XiAction::kNothingThere:
      Emulate(cpu, walk, access, operand);
      return {FaultAction::kEmulated, {}};
    case XiAction::kOpen:
      OpenTable(vcpu, walk.gfn);
      break;
    case XiAction::kMap:
      break;
  }
  SetAccessedAndDirty(host(), cpu, shape().guest(), access, walk);
  Fill(vcpu, walk, access.va);
  return {FaultAction::kRetry, {}};
}

void XiPaging::OpenTable(VcpuContext& vcpu, Gfn gfn) {
  Step(vcpu.cpu->clock, Actor::kXen, "table goes out of sync");
  mutable_pages().SetOutOfSync(gfn, true);
  vcpu.cpu->counters.Add(Counter::kShadowOpened);
}

bool XiPaging::Unused(Gfn gfn) const {
  const std::vector<ShadowId>& shadows = pages().FindTable(gfn)->shadows;
  return std::all_of(shadows.begin(), shadows.end(),
                     [&](ShadowId id) { return pages()[id].refs == 0; });
}

// From the top down, so that a table which loses its last link by that is not
// compared.
void XiPaging::SyncTables(VcpuContext& vcpu, int lowest) {
  for (const Gfn gfn : pages().OutOfSyncFrom(lowest)) SyncTable(vcpu, gfn);
}

// A table that nothing uses ceases to be one until it is used again; so a frame
// that the guest has freed and writes to as data is left alone.
void XiPaging::SyncTable(VcpuContext& vcpu, Gfn gfn) {
  Cpu& cpu = *vcpu.cpu;
  Span span = XenSpan(cpu, "resync");
  span.Hex("table", gfn.value());
  if (Unused(gfn)) {
    cpu.counters.Add(Counter::kShadowDropped);
    return EvictTable(cpu, gfn);
  }
  mutable_pages().SetOutOfSync(gfn, false);
  Protect(cpu, gfn);
  cpu.counters.Add(Counter::kShadowResyncs);
  for (const ShadowId id : pages().FindTable(gfn)->shadows) {
    Charge(cpu, CostEvent::kSnapshotCompare,
           static_cast<uint64_t>(shape().entries()));
    for (int i = 0; i < shape().entries(); ++i) {
      const ShadowSlot slot{id, i};
      const Pte source = SourceOf(slot);
      if (source.raw() == 0) continue;
      const Pte guest = GuestEntry(slot);
      if (guest == source) continue;
      cpu.counters.Add(Counter::kShadowResynced);
      Remake(vcpu, slot, guest);
    }
  }
  TableSynced(gfn);
}

void XiPaging::BeforeLink(VcpuContext& vcpu, ShadowId id) {
  const ShadowKey& key = pages()[id].key;
  const bool in_sync = !pages().FindTable(key.gfn)->out_of_sync;
  if (key.level == 1 && in_sync) return;
  SyncTables(vcpu, 1);
}

}  // namespace xmmu
