// Implements translation and the explicit invalidations. The register moves are
// in mmu_registers.cc, virtual machines in mmu_vm.cc.

#include "xmmu/mmu/mmu.h"

#include "absl/base/optimization.h"
#include "tlb_search.h"
#include "xmmu/base/check.h"

namespace xmmu {
namespace {

PagingMode BestMode(const CpuFeatures& features) {
  if (!features.long_mode) return PagingMode::kPae;
  return features.la57 ? PagingMode::k5Level : PagingMode::k4Level;
}

TranslateResult GeneralProtection(VirtAddr va) {
  return TranslateResult(PageFault{va, 0, FaultVector::kGeneralProtection});
}

MachineAddr AddressIn(const TlbEntry& page, VirtAddr va) {
  return page.base + (va.value() & (page.page_bytes() - 1));
}

}  // namespace

Mmu::Mmu(const MachineModel& model, PhysMemory& memory,
         MemoryHierarchy* hierarchy, CycleClock& clock, Counters& counters)
    : model_(model),
      memory_(memory),
      clock_(clock),
      counters_(counters),
      walker_(memory, hierarchy, clock, counters),
      psc_(model.psc),
      filter_(model.flush_filter, memory),
      tlb_(model.tlb),
      nested_(model, memory, hierarchy, clock, counters) {
  Install(KernelControlRegisters(BestMode(model.features), model.features),
          PdpteRegisters{});
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void Mmu::TakeL2Hit(
    size_t hit, const Access& access, const Tlb::Probe& probe) {
  counters_.Add(Counter::kTlbL2Hits);
  clock_.Charge(CostEvent::kTlbL2Hit);
  tlb_.Refill(SideOf(access), hit, probe);
}

TranslateResult Mmu::TranslateBeyondL1(Access access) {
  if (ABSL_PREDICT_FALSE(clock_.does_more() || !paging() ||
                         !IsCanonicalNow(access.va))) {
    return TranslateBySearch(access);
  }
  if (ABSL_PREDICT_FALSE(walked_)) return TranslateAfterWalk(access);
  TlbSlot slot;
  const Tlb::Quick quick = tlb_.RefillQuickly(
      SideOf(access), access.va, context_.pcid, slot,
      [this, access](const TlbSlot& found) ABSL_ATTRIBUTE_ALWAYS_INLINE {
        return context_.rules.Serves(found.rights(), access);
      });
  if (quick == Tlb::Quick::kMissed) return WalkAfterMiss(access);
  if (quick == Tlb::Quick::kOther) return TranslateBySearch(access);
  counters_.Add(Counter::kTlbL2Hits);
  clock_.Charge(CostEvent::kTlbL2Hit);
  return TranslateResult(slot.Translate(access.va));
}

TranslateResult Mmu::TranslateBySearch(Access access) {
  if (ABSL_PREDICT_FALSE(!paging())) return TranslateWithoutPaging(access);
  if (ABSL_PREDICT_FALSE(!IsCanonicalNow(access.va))) {
    return GeneralProtection(access.va);
  }
  if (walked_) PrefetchUnlessAhead(access.va);
  const TlbSide side = SideOf(access);
  Tlb::Probe probe(access.va, context_.pcid);
  if (const size_t hit = tlb_.FindL1(side, probe)) {
    const TlbSlot slot = tlb_.slot(hit);
    if (ABSL_PREDICT_FALSE(!context_.rules.Serves(slot.rights(), access))) {
      return RefuseFromL1(slot.rights(), access);
    }
    counters_.Add(Counter::kTlbL1Hits);
    return TranslateResult(slot.Translate(access.va));
  }
  if (const size_t hit = tlb_.FindL2(side, probe)) {
    const TlbSlot slot = tlb_.slot(hit);
    if (ABSL_PREDICT_FALSE(!context_.rules.Serves(slot.rights(), access))) {
      return RefuseFromL2(hit, access, probe);
    }
    walked_ = false;
    TakeL2Hit(hit, access, probe);
    return TranslateResult(slot.Translate(access.va));
  }
  walked_ = true;
  return WalkFor(access);
}

// While the TLBs are searched, the host can fetch what a walk will read.
inline void Mmu::PrefetchUnlessAhead(VirtAddr va) {
  if (ahead_ != 0) {
    --ahead_;
  } else {
    walker_.PrefetchHost(context_, va);
  }
}

TranslateResult Mmu::RefuseFromL1(uint8_t rights, const Access& access) {
  const uint32_t why = context_.rules.Violation(rights, access);
  if (const auto walked = WalkInstead(access, why)) return *walked;
  counters_.Add(Counter::kTlbL1Hits);
  return RaisePageFault(access, why);
}

TranslateResult Mmu::RefuseFromL2(size_t hit, const Access& access,
                                  const Tlb::Probe& probe) {
  const uint8_t rights = tlb_.slot(hit).rights();
  const uint32_t why = context_.rules.Violation(rights, access);
  if (const auto walked = WalkInstead(access, why)) return *walked;
  TakeL2Hit(hit, access, probe);
  return RaisePageFault(access, why);
}

std::optional<TranslateResult> Mmu::WalkInstead(const Access& access,
                                                uint32_t why) {
  if (walks_anew_ && (AppliesNested() || why != 0)) {
    return WalkAnew(access, /*refused=*/why != 0);
  }
  if (why != 0) return std::nullopt;
  // A write has met a cached page with D = 0: the walker sets it, and the entry
  // is made anew.
  tlb_.DropPage(access.va, context_.pcid, /*globals=*/true);
  return WalkFor(access);
}

TranslateResult Mmu::WalkFor(const Access& access) {
  const uint16_t pcid = context_.pcid;
  bool from_root = false;
  // Member by member: a whole WalkStart would be copied with wider loads than
  // it was stored with, which stalls the host.
  WalkStart start;
  if (const PagingStructureEntry* hit = psc_.Lookup(access.va, pcid)) {
    counters_.Add(Counter::kPscHits);
    start.level = hit->level - 1;
    start.table = hit->table;
    start.rights = hit->rights;
    start.guest_table = hit->guest_table;
  } else {
    start.level = LevelCount(context_.mode);
    start.table = context_.root;
    from_root = true;
  }
  WalkResult walk;
  if (ABSL_PREDICT_TRUE(!clock_.does_more())) {
    walker_.Walk(context_, access, start, walk);
  } else {
    WalkAndMore(access, start, walk);
  }
  if (ABSL_PREDICT_FALSE(AppliesNested())) {
    if (walk.vector != FaultVector::kPageFault) {
      return RaiseViolation(access, walk);
    }
    if (walk.ok) FillFromNestedWalk(access.va, start.rights, walk);
  }
  if (!walk.ok) {
    if (from_root || vendor() == Vendor::kIntel) {
      return RaisePageFault(access, walk.error_code);
    }
    // AMD's processors report a fault only after a walk from the root.
    DropFaulting(access.va);
    return WalkFor(access);
  }
  if (psc_.exists() && !AppliesNested()) {
    FillStructureCaches(access.va, start.rights, walk);
  }
  if (ABSL_PREDICT_FALSE(filter_.active())) WatchEntries(walk);
  if (ABSL_PREDICT_FALSE(walk.execute_only)) {
    tlb_.FillExecuteOnly(access.va, walk.translation);
  } else {
    tlb_.Fill(SideOf(access), access.va, walk.translation);
  }
  return TranslateResult(AddressIn(walk.translation, access.va));
}

// A faulting walk caches nothing: it may cache its upper entries, but its page
// fault would drop them at once. PAE's PDPTEs have no rights to accumulate.
void Mmu::FillStructureCaches(VirtAddr va, uint8_t rights,
                              const WalkResult& walk) {
  const uint16_t pcid = context_.pcid;
  const bool pae = context_.mode == PagingMode::kPae;
  const WalkEntry* const leaf = walk.entries.end() - 1;
  for (const WalkEntry* used = walk.entries.begin(); used != leaf; ++used) {
    const bool pdpte = pae && used->level == 3;
    if (!pdpte) rights = AccumulateRights(rights, used->entry);
    psc_.FillMissed(used->level, va, pcid, AddressOf(used->entry.frame()),
                    rights);
  }
}

void Mmu::WatchEntries(const WalkResult& walk) {
  for (const WalkEntry& used : walk.entries) filter_.Watch(used.addr);
}

// Globals go, too: a fault must not recur because of a cached entry alone,
// whichever PCID made the entry.
void Mmu::DropFaulting(VirtAddr va) {
  tlb_.DropPage(va, context_.pcid, /*globals=*/true);
  psc_.DropAddress(va, context_.pcid);
}

// AMD's processors drop all that is cached for the address before they report a
// fault; otherwise only the entry that does not serve goes.
TranslateResult Mmu::WalkAnew(const Access& access, bool refused) {
  if (refused && vendor() == Vendor::kAmd) {
    DropFaulting(access.va);
  } else {
    tlb_.DropEntry(access.va, context_.pcid);
  }
  return WalkFor(access);
}

// What is translated next is most likely the same page, whose entry the host
// has just read: it need not fetch it ahead.
TranslateResult Mmu::RaisePageFault(const Access& access, uint32_t error_code) {
  walked_ = false;
  DropFaulting(access.va);
  return TranslateResult(PageFault{access.va, error_code});
}

// Linear and combined mappings go; guest-physical ones stay (SDM Vol. 3C,
// "Operations that Invalidate Cached Mappings").
void Mmu::DropEverything() {
  filter_.Arm();
  tlb_.DropAll();
  psc_.DropAll();
}

void Mmu::DropPcid(uint16_t pcid, bool globals) {
  tlb_.DropPcid(pcid, globals);
  psc_.DropPcid(pcid);
}

void Mmu::Invlpg(VirtAddr va) {
  clock_.Charge(CostEvent::kInvlpg);
  counters_.Add(Counter::kTlbPageFlushes);
  if (!IsCanonical(context_.mode, va)) return;
  tlb_.DropPage(va, context_.pcid, /*globals=*/true);
  if (vendor() == Vendor::kIntel) {
    psc_.DropPcid(context_.pcid);
  } else {
    DropUpperLevels(va, context_.pcid);
  }
}

// Source: APM Vol. 2, "Invalidation of Cached Upper-level Entries by INVLPG";
// "Extended Feature Enable Register (EFER)", TCE.
void Mmu::DropUpperLevels(VirtAddr va, uint16_t pcid) {
  if ((registers_.efer & efer::kTce) != 0) {
    psc_.DropAddress(va, pcid);
  } else {
    psc_.DropAll();
  }
}

// Source: SDM Vol. 2, "INVPCID"; APM Vol. 3, "INVPCID".
std::optional<PageFault> Mmu::RefuseInvpcid(InvpcidType type, uint16_t pcid,
                                            VirtAddr va) const {
  if (!model_.features.invpcid) {
    return PageFault{VirtAddr(), 0, FaultVector::kInvalidOpcode};
  }
  const bool by_address = type == InvpcidType::kAddress;
  const bool by_pcid = by_address || type == InvpcidType::kContext;
  const bool pcide = (registers_.cr4 & cr4::kPcide) != 0;
  if (type > InvpcidType::kAllWithoutGlobals || pcid > cr3::kPcidMask ||
      (by_pcid && pcid != 0 && !pcide) ||
      (by_address && !IsCanonical(context_.mode, va))) {
    return PageFault{VirtAddr(), 0, FaultVector::kGeneralProtection};
  }
  return std::nullopt;
}

std::optional<PageFault> Mmu::Invpcid(InvpcidType type, uint16_t pcid,
                                      VirtAddr va) {
  if (const auto fault = RefuseInvpcid(type, pcid, va)) return fault;
  clock_.Charge(CostEvent::kInvpcid);
  counters_.Add(type == InvpcidType::kAddress ? Counter::kTlbPageFlushes
                                              : Counter::kTlbFlushes);
  // Without PCIDs the current address space's entries have the filter's tag.
  if (filters()) pcid = context_.pcid;
  switch (type) {
    case InvpcidType::kAddress:
      tlb_.DropPage(va, pcid, /*globals=*/false);
      if (vendor() == Vendor::kIntel) {
        psc_.DropAddress(va, pcid);
      } else {
        DropUpperLevels(va, pcid);
      }
      break;
    case InvpcidType::kContext:
      DropPcid(pcid, /*globals=*/false);
      break;
    case InvpcidType::kAllWithGlobals:
      DropEverything();
      break;
    case InvpcidType::kAllWithoutGlobals:
      tlb_.DropNonGlobal();
      psc_.DropAll();
      break;
  }
  return std::nullopt;
}

WalkResult Mmu::ProbeWalk(const Access& access) const {
  XMMU_CHECK(IsCanonical(context_.mode, access.va));
  return walker_.Probe(context_, access);
}

TranslateResult Mmu::Probe(const Access& access) const {
  if (!paging()) return ProbeWithoutPaging(access);
  if (!IsCanonical(context_.mode, access.va)) {
    return GeneralProtection(access.va);
  }
  return ResultOf(access, ProbeWalk(access));
}

TranslateResult Mmu::ResultOf(const Access& access,
                              const WalkResult& walk) const {
  if (walk.ok) return TranslateResult(AddressIn(walk.translation, access.va));
  return TranslateResult(
      PageFault{access.va, walk.error_code, walk.vector, walk.gpa});
}

std::vector<TlbEntry> Mmu::TlbEntries() const { return tlb_.Entries(); }

std::vector<PagingStructureEntry> Mmu::PagingStructureEntries() const {
  return psc_.Entries();
}

}  // namespace xmmu
