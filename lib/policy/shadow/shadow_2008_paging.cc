// How faults are answered, and which entries are made ahead of them. Tables out
// of sync are in shadow_2008_sync.cc.

#include "policy/shadow/shadow_2008_paging.h"

#include <algorithm>

#include "xmmu/machine/control_registers.h"
#include "xmmu/xen/emulator.h"

namespace xmmu {
namespace {

// Xen: SH_L1E_MAGIC with the "guest not present" flags.
constexpr Pte kNotPresentMark{0xffffffff00000001};

// Whether a processor faults on the mark as an entry of `mode`: it must have
// bits that are reserved there.
bool HasReservedBits(const Host& host, PagingMode mode) {
  const CpuFeatures& features = host.model().features;
  const PagingContext context(KernelControlRegisters(mode, features), features);
  return (context.levels[1].reserved_in_leaf & kNotPresentMark.raw()) != 0;
}

Shadow2006Options InheritedOptions(const Shadow2008Options& options) {
  return {.name = options.name, .pool = options.pool};
}

}  // namespace

Shadow2008Paging::Shadow2008Paging(Host& host, Domain& domain,
                                   const ShadowShape& shape,
                                   const Shadow2008Options& options,
                                   uint32_t shadows)
    : Shadow2006Paging(host, domain, shape, InheritedOptions(options), shadows),
      options_(options),
      marks_(options.fast_faults && HasReservedBits(host, shape.shadow())),
      places_(domain.vcpu_count()),
      last_(domain.vcpu_count()) {
  if (!options_.out_of_sync) return;
  for (auto& places : places_) {
    for (Place& place : places) place.snapshot = host.AllocXenFrame();
  }
}

Shadow2008Paging::~Shadow2008Paging() {
  if (!options_.out_of_sync) return;
  for (auto& places : places_) {
    for (Place& place : places) host().FreeXenFrame(place.snapshot);
  }
}

std::vector<MemoryPart> Shadow2008Paging::MemoryParts() const {
  const uint64_t bytes =
      options_.out_of_sync ? places_.size() * kPlaces * kPageSize : 0;
  return {PartOfPool("shadows", 1), MemoryPart{"snapshots", bytes, bytes}};
}

bool Shadow2008Paging::IsMark(Pte entry) const {
  return entry == kNotPresentMark;
}

void Shadow2008Paging::BeforeFlush(VcpuContext&, CpuMask vcpus,
                                   const TlbFlush&) {
  for (uint32_t id = 0; id < last_.size(); ++id) {
    if ((vcpus & MaskOf(id)) != 0) last_[id].valid = false;
  }
}

FaultOutcome Shadow2008Paging::AnswerFault(VcpuContext& vcpu,
                                           const PageFault& fault,
                                           const Access& access,
                                           MemoryOperand& operand) {
  const std::optional<FaultOutcome> fast =
      AnswerFast(vcpu, fault, access, operand);
  if (fast.has_value()) return *fast;
  LastStore& last = last_[vcpu.id];
  last.valid = false;
  const uint64_t before = vcpu.cpu->counters[Counter::kShadowEmulations];
  // The first walk takes no lock; Map() does.
  const FaultOutcome outcome = AnswerByWalk(vcpu, access, operand);
  if (vcpu.cpu->counters[Counter::kShadowEmulations] == before) return outcome;
  if (!access.user) last.valid = true;
  last.page = PageBase(access.va);
  GoOn(vcpu, access);
  return outcome;
}

// Where the shadow is marked, the guest has no page, and the fault is handed to
// it; another store to the page of the last one is emulated.
std::optional<FaultOutcome> Shadow2008Paging::AnswerFast(
    VcpuContext& vcpu, const PageFault& fault, const Access& access,
    MemoryOperand& operand) {
  Cpu& cpu = *vcpu.cpu;
  if ((fault.error_code & pf::kReserved) != 0) {
    const std::optional<ShadowSlot> slot = SlotFor(vcpu, access.va);
    Charge(cpu, CostEvent::kXenPteRead);
    const bool marked = slot.has_value() && IsMark(pages().Read(*slot)) &&
                        !IsOutOfSync(pages()[slot->page].key.gfn);
    if (!marked) return std::nullopt;
    Step(cpu.clock, Actor::kXen, "fast path: entry marked not present");
    cpu.counters.Add(Counter::kShadowFastNotPresent);
    ForgetZeros(vcpu);
    Inject(vcpu);
    // P and RSVD in the error code are about the shadow's entry; I/D is there
    // only for a guest with NX.
    const uint32_t error_code = RootOf(vcpu).guest.rules.ErrorBitsOf(access);
    return FaultOutcome{FaultAction::kReflect, {access.va, error_code}};
  }
  const LastStore& last = last_[vcpu.id];
  const bool again = options_.fast_emulation && last.valid && !access.user &&
                     access.is_write() && operand.writes() &&
                     (fault.error_code & pf::kProtection) != 0 &&
                     PageBase(access.va) == last.page &&
                     IsTableInSync(last.gfn);
  if (!again) return std::nullopt;
  Step(cpu.clock, Actor::kXen, "fast path: table of the last store");
  cpu.counters.Add(Counter::kShadowFastEmulations);
  Lock(cpu);
  Charge(cpu, CostEvent::kXenPteRead);  // the virtual TLB has the destination
  GuestWalk walk;
  walk.ok = true;
  walk.write = true;
  walk.gfn = last.gfn;
  EmulateStore(vcpu, walk, access, operand);
  GoOn(vcpu, access);
  return FaultOutcome{FaultAction::kEmulated, {}};
}

// Only for a PAE guest, whose entries are written in halves.
void Shadow2008Paging::GoOn(VcpuContext& vcpu, const Access& last) {
  if (shape().guest() != PagingMode::kPae) return;
  EmulateFollowing(host(), vcpu, last,
                   [&](const Access& access, MemoryOperand& operand) {
                     const GuestWalk walk = Walk(vcpu, access);
                     if (!walk.ok || !IsTableInSync(walk.gfn)) return false;
                     EmulateStore(vcpu, walk, access, operand);
                     return true;
                   });
}

// A zero counts in the half of an entry that has P (Xen 3.1: is_lo_pte).
void Shadow2008Paging::Emulated(VcpuContext& vcpu, Gfn gfn, MachineAddr addr,
                                int size) {
  last_[vcpu.id].gfn = gfn;
  const auto bytes = static_cast<uint64_t>(EntryBytes(shape().guest()));
  if (size < 4 || addr.value() % bytes != 0) return;
  if (host().memory().Read32(addr) == 0) CountZero(vcpu, gfn);
}

// Gives up shadows only where no search is needed for that, and never a root
// (Xen 3.1: "fast, can fail").
void Shadow2008Paging::UnshadowEarly(VcpuContext& vcpu, Gfn gfn) {
  if (IsTop(gfn)) return;
  const Span span = XenSpan(*vcpu.cpu, "check_for_early_unshadow");
  Cpu& cpu = *vcpu.cpu;
  cpu.counters.Add(Counter::kShadowEarlyUnshadow);
  const std::vector<ShadowId> shadows = pages().FindTable(gfn)->shadows;
  for (const ShadowId id : shadows) {
    if (pages()[id].refs <= 1) Evict(cpu, id);
  }
}

void Shadow2008Paging::Propagate(VcpuContext& vcpu, const ShadowSlot& slot,
                                 Pte guest) {
  const bool leaf = pages()[slot.page].key.level == 1;
  if (leaf && marks_ && !guest.present()) {
    SetEntry(*vcpu.cpu, slot, kNotPresentMark);
  } else {
    Shadow2006Paging::Propagate(vcpu, slot, guest);
  }
  if (leaf) SetSource(*vcpu.cpu, slot, guest);
}

void Shadow2008Paging::Map(VcpuContext& vcpu, const GuestWalk& walk,
                           VirtAddr va) {
  Lock(*vcpu.cpu);
  // A version number tells that nothing has changed since the walk.
  Charge(*vcpu.cpu, CostEvent::kXenPteRead);
  Shadow2006Paging::Map(vcpu, walk, va);
  if (options_.prefetch) Prefetch(vcpu, walk, va);
}

// Xen: sh_prefetch, which goes no further than the end of the shadow.
void Shadow2008Paging::Prefetch(VcpuContext& vcpu, const GuestWalk& walk,
                                VirtAddr va) {
  const Span span = XenSpan(*vcpu.cpu, "sh_prefetch");
  ShadowId page = TopOf(vcpu, va);
  for (int level = shape().top_level(); level > 1; --level) {
    page = Child(pages().Read({page, shape().IndexIn(level, va)}));
  }
  const int index = shape().IndexIn(1, va);
  const int end = std::min(index + kPrefetchDistance, shape().entries());
  for (int i = index + 1; i < end; ++i) {
    if (!PrefetchOne(vcpu, walk, {page, i}, i - index)) break;
    vcpu.cpu->counters.Add(Counter::kShadowPrefetched);
  }
}

// Ends at an entry that is there already, and at one that would fault for A or
// D all the same.
bool Shadow2008Paging::PrefetchOne(VcpuContext& vcpu, const GuestWalk& walk,
                                   const ShadowSlot& slot, int distance) {
  Cpu& cpu = *vcpu.cpu;
  Charge(cpu, CostEvent::kXenPteRead);
  if (pages().Read(slot).raw() != 0) return false;
  if (pages()[slot.page].key.splinter) {
    MapInSplinter(cpu, slot, walk.gfn + static_cast<uint64_t>(distance));
    return true;
  }
  Charge(cpu, CostEvent::kXenPteRead);
  const Pte guest = GuestEntry(slot);
  const bool will_fault =
      guest.present() &&
      (!guest.accessed() || (guest.writable() && !guest.dirty()));
  if (will_fault) return false;
  Propagate(vcpu, slot, guest);
  return true;
}

}  // namespace xmmu
