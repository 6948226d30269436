// Virtual machines: entry and exit, translation through nested tables, and the
// hypervisor's invalidations.
// Source: SDM Vol. 3C, "VMX Support for Address Translation", "Caching
// Translation Information"; AMD APM Vol. 2, "TLB Control", "Nested Paging".

#include <algorithm>

#include "xmmu/base/check.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

// Pages of the large class where nested tables may cut up 4 MiB ones.
constexpr int kNestedLargeShift = 21;

// Numbers of nested roots are 1 to 255.
constexpr size_t kMaxRoots = 255;

uint32_t NestedBitsOf(const Access& access) {
  if (access.is_write()) return nested::kWrite;
  return access.is_fetch() ? nested::kFetch : nested::kRead;
}

}  // namespace

std::optional<PageFault> Mmu::EnterVm(const VmControls& controls,
                                      const ControlRegisters& registers,
                                      const PdpteRegisters* pdptes) {
  if (HasReservedCr3Bits(registers, registers.cr3)) {
    return PageFault{VirtAddr(), 0, FaultVector::kGeneralProtection};
  }
  const VmControls last = vm_;
  if (last.tag == 0 || controls.tag == 0) DropUntagged();
  ApplyControls(controls);
  PdpteRegisters pdpte;
  if (pdptes != nullptr) {
    pdpte = *pdptes;
  } else if (const auto fault = ReadPdptes(registers, pdpte)) {
    ApplyControls(last);
    return fault;
  }
  Install(registers, pdpte);
  ShapeCaches();
  return std::nullopt;
}

void Mmu::ApplyControls(const VmControls& controls) {
  vm_ = controls;
  const VmTag tag = {controls.tag, NumberOf(controls)};
  tlb_.SetVm(tag);
  psc_.SetVm(tag);
  if (controls.nested) nested_.Enter(controls, tag);
  filter_.Arm();
  AttachNested();
}

void Mmu::AttachNested() {
  context_.nested = vm_.nested ? &nested_ : nullptr;
  context_.pdptes_in_memory =
      vm_.nested && model_.features.vendor == Vendor::kAmd;
  if (vm_.nested) context_.rules = AccessRules(registers_, /*nested=*/true);
}

void Mmu::ShapeCaches() {
  tlb_.SetLargeShift(vm_.nested ? kNestedLargeShift
                                : LevelShift(context_.mode, 2));
}

uint8_t Mmu::NumberOf(const VmControls& controls) {
  if (!controls.nested) return 0;
  if (model_.features.vendor == Vendor::kAmd) return 1;
  if (const std::optional<uint8_t> known = KnownRoot(controls.root)) {
    return *known;
  }
  // A processor may drop more than it must, at any time.
  if (nested_roots_.size() == kMaxRoots) {
    DropAllVms();
    nested_roots_.clear();
  }
  nested_roots_.push_back(controls.root);
  return static_cast<uint8_t>(nested_roots_.size());
}

std::optional<uint8_t> Mmu::KnownRoot(MachineAddr root) const {
  const auto it = std::find(nested_roots_.begin(), nested_roots_.end(), root);
  if (it == nested_roots_.end()) return std::nullopt;
  return static_cast<uint8_t>(it - nested_roots_.begin() + 1);
}

void Mmu::VmExit() {
  clock_.Charge(CostEvent::kVmExit);
  counters_.Add(Counter::kVmExits);
  if (vm_.tag == 0 && !vm_.keeps_entries) DropUntagged();
}

void Mmu::DropUntagged() {
  tlb_.DropVpid(0, /*globals=*/true);
  psc_.DropIf(
      [](const PagingStructureEntry& entry) { return entry.tag.vpid == 0; });
  if (model_.features.vendor == Vendor::kAmd) nested_.DropVpid(0);
}

void Mmu::DropAllVms() {
  tlb_.DropAllVms();
  psc_.DropIf([](const PagingStructureEntry&) { return true; });
  nested_.DropAll();
}

void Mmu::Invept(InveptType type, MachineAddr root) {
  clock_.Charge(CostEvent::kInvept);
  counters_.Add(Counter::kTlbFlushes);
  const bool all = type == InveptType::kGlobal;
  for (size_t i = 0; i < nested_roots_.size(); ++i) {
    if (!all && nested_roots_[i] != root) continue;
    const auto number = static_cast<uint8_t>(i + 1);
    tlb_.DropRoot(number);
    psc_.DropIf([number](const PagingStructureEntry& entry) {
      return entry.tag.root == number;
    });
    nested_.DropRoot(number);
  }
}

void Mmu::Invvpid(InvvpidType type, uint16_t vpid, VirtAddr va) {
  const bool all = type == InvvpidType::kAllContexts;
  XMMU_CHECK(vpid != 0 || all);
  clock_.Charge(CostEvent::kInvvpid);
  counters_.Add(type == InvvpidType::kAddress ? Counter::kTlbPageFlushes
                                              : Counter::kTlbFlushes);
  // The paging-structure caches hold nothing global, nor do they tell whose
  // address an entry of another paging mode would serve: all of the VPID go.
  psc_.DropIf([=](const PagingStructureEntry& entry) {
    return all ? entry.tag.vpid != 0 : entry.tag.vpid == vpid;
  });
  switch (type) {
    case InvvpidType::kAddress:
      return tlb_.DropVpidPage(vpid, va);
    case InvvpidType::kSingleContext:
      return tlb_.DropVpid(vpid, /*globals=*/true);
    case InvvpidType::kSingleContextRetainingGlobals:
      return tlb_.DropVpid(vpid, /*globals=*/false);
    case InvvpidType::kAllContexts:
      return tlb_.DropTagged();
  }
}

void Mmu::Invlpga(VirtAddr va, uint16_t asid) {
  clock_.Charge(CostEvent::kInvvpid);
  counters_.Add(Counter::kTlbPageFlushes);
  tlb_.DropVpidPage(asid, va);
  psc_.DropIf([asid](const PagingStructureEntry& entry) {
    return entry.tag.vpid == asid;
  });
}

void Mmu::FlushAsid(uint16_t asid) {
  clock_.Charge(CostEvent::kInvept);
  counters_.Add(Counter::kTlbFlushes);
  tlb_.DropVpid(asid, /*globals=*/true);
  psc_.DropIf([asid](const PagingStructureEntry& entry) {
    return entry.tag.vpid == asid;
  });
  nested_.DropVpid(asid);
}

void Mmu::FlushTag(uint16_t tag) {
  if (model_.features.vendor == Vendor::kAmd) {
    FlushAsid(tag);
  } else {
    Invvpid(InvvpidType::kSingleContext, tag, VirtAddr());
  }
}

void Mmu::FlushNested(const VmControls& controls) {
  if (model_.features.vendor == Vendor::kAmd) {
    FlushAsid(controls.tag);
  } else {
    Invept(InveptType::kSingleContext, controls.root);
  }
}

TranslateResult Mmu::WalkAnew(const Access& access) {
  tlb_.DropEntry(access.va, context_.pcid);
  return WalkFor(access);
}

// The machine address of the next table is where the walk read its entry.
void Mmu::FillFromNestedWalk(VirtAddr va, uint8_t rights,
                             const WalkResult& walk) {
  for (size_t i = 0; i + 1 < walk.entries.size(); ++i) {
    const WalkEntry& used = walk.entries[i];
    const bool pdpte = context_.mode == PagingMode::kPae && used.level == 3;
    if (!pdpte) rights = AccumulateRights(rights, used.entry);
    psc_.Fill(used.level, va, context_.pcid,
              AddressOf(FrameOf(walk.entries[i + 1].addr)), rights,
              Gfn(used.entry.frame().value()));
  }
}

TranslateResult Mmu::RaiseViolation(const Access& access,
                                    const WalkResult& walk) {
  counters_.Add(Counter::kNestedViolations);
  tlb_.DropPage(access.va, context_.pcid, /*globals=*/true);
  psc_.DropAddress(access.va, context_.pcid);
  nested_.DropAddress(walk.gpa);
  return ResultOf(access, walk);
}

TranslateResult Mmu::TranslateWithoutPaging(const Access& access) {
  if (!AppliesNested()) return TranslateResult(MachineAddr(access.va.value()));
  WalkResult walk;
  walk.vector = FaultVector::kNestedViolation;
  walk.gpa = GuestAddr(access.va.value());
  NestedPage page;
  if (nested_.Translate({walk.gpa, NestedBitsOf(access)}, page,
                        walk.error_code)) {
    return TranslateResult(page.AddressOf(walk.gpa));
  }
  walk.error_code |= nested::kLinearAddressValid | nested::kFinalAddress;
  return RaiseViolation(access, walk);
}

TranslateResult Mmu::ProbeWithoutPaging(const Access& access) const {
  if (!AppliesNested()) return TranslateResult(MachineAddr(access.va.value()));
  const GuestAddr gpa(access.va.value());
  NestedPage page;
  uint32_t why = 0;
  if (nested_.Probe({gpa, NestedBitsOf(access)}, page, why)) {
    return TranslateResult(page.AddressOf(gpa));
  }
  why |= nested::kLinearAddressValid | nested::kFinalAddress;
  return TranslateResult(
      PageFault{access.va, why, FaultVector::kNestedViolation, gpa});
}

std::optional<NestedPage> Mmu::ProbeNested(const NestedAccess& access) const {
  NestedPage page;
  uint32_t why = 0;
  if (!nested_.Probe(access, page, why)) return std::nullopt;
  return page;
}

}  // namespace xmmu
