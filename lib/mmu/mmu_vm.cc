// Implements virtual machines: entry and exit, translation through nested
// tables, and the hypervisor's invalidations.
// Source: SDM Vol. 3C, "VMX Support for Address Translation", "Caching
// Translation Information"; AMD APM Vol. 2, "TLB Control", "Nested Paging".

#include <algorithm>

#include "mmu/register_rules.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

// In a virtual machine the TLB's large pages are of 2 MiB, as nested tables cut
// up the guest's 4 MiB pages.
constexpr int kNestedLargeShift = 21;

// Nested roots are numbered from 1 to 255: VmTag::root has 8 bits.
constexpr size_t kMaxRoots = 255;

uint32_t NestedBitsOf(const Access& access) {
  if (access.is_write()) return nested::kWrite;
  return access.is_fetch() ? nested::kFetch : nested::kRead;
}

}  // namespace

std::optional<PageFault> Mmu::EnterVm(const VmControls& controls,
                                      const ControlRegisters& registers,
                                      const PdpteRegisters* pdptes) {
  if (!AllowsEntry(model_, registers, controls) ||
      (pdptes != nullptr && UsesPdptes(registers, controls) &&
       HasReservedBits(*pdptes))) {
    return PageFault{VirtAddr(), 0, FaultVector::kFailedEntry};
  }
  const VmControls last = vm_;
  if (last.tag == 0 || controls.tag == 0) DropUntagged();
  ApplyControls(controls);
  PdpteRegisters pdpte{};
  if (pdptes != nullptr) {
    if (!WalksPdptes()) pdpte = *pdptes;
  } else if (auto fault = ReadPdptes(registers, pdpte)) {
    ApplyControls(last);
    // PDPTEs that would stop a MOV to CR3 stop an entry that loads them.
    if (!fault->is_violation()) fault->vector = FaultVector::kFailedEntry;
    return fault;
  }
  Install(registers, pdpte);
  ShapeCaches();
  return std::nullopt;
}

// A root's number tags what is cached under it, so that entering the same root
// again finds its entries.
void Mmu::ApplyControls(const VmControls& controls) {
  vm_ = controls;
  const VmTag tag = {controls.tag, NumberOf(controls)};
  tlb_.SetVm(tag);
  psc_.SetVm(tag);
  if (controls.nested) nested_.Enter(controls, tag);
  filter_.Arm();
  AttachNested();
}

bool Mmu::UsesPdptes(const ControlRegisters& registers,
                     const VmControls& controls) const {
  const bool pae =
      (registers.cr0 & cr0::kPg) != 0 && registers.mode() == PagingMode::kPae;
  return pae && controls.nested && vendor() == Vendor::kIntel;
}

// Nested paging decides how PDPTEs are read, which faults a cached entry may
// report, and whether kNoExecute counts without EFER.NXE.
void Mmu::AttachNested() {
  context_.nested = vm_.nested ? &nested_ : nullptr;
  context_.pdptes_in_memory = WalksPdptes();
  walks_anew_ = vm_.nested || vendor() == Vendor::kAmd;
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
  // The numbers are used up: drop all entries, as a processor may at any time,
  // and start again.
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

// EPT's guest-physical mappings have no VPID and stay (SDM Vol. 3C, "Operations
// that Invalidate Cached Mappings"); AMD's are tagged by ASID and go.
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

VmOutcome Mmu::Invept(InveptType type, MachineAddr root) {
  if (vendor() == Vendor::kAmd) return VmOutcome::kInvalidOpcode;
  const bool single = type == InveptType::kSingleContext;
  if ((!single && type != InveptType::kGlobal) ||
      (single && !AllowsNestedRoot(model_.features, root))) {
    return VmOutcome::kFails;
  }
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
  return VmOutcome::kSucceeds;
}

VmOutcome Mmu::Invvpid(InvvpidType type, uint16_t vpid, VirtAddr va) {
  if (vendor() == Vendor::kAmd || !model_.nested.tags) {
    return VmOutcome::kInvalidOpcode;
  }
  const bool all = type == InvvpidType::kAllContexts;
  const PagingMode widest =
      model_.features.la57 ? PagingMode::k5Level : PagingMode::k4Level;
  // Whether the hypervisor runs with CR4.LA57 = 1 is not known here: on a
  // processor that can, it is assumed to.
  if (type > InvvpidType::kSingleContextRetainingGlobals ||
      (vpid == 0 && !all) ||
      (type == InvvpidType::kAddress && !IsCanonical(widest, va))) {
    return VmOutcome::kFails;
  }
  clock_.Charge(CostEvent::kInvvpid);
  counters_.Add(type == InvvpidType::kAddress ? Counter::kTlbPageFlushes
                                              : Counter::kTlbFlushes);
  // The paging-structure caches hold nothing global, and do not tell which
  // addresses an entry of another paging mode serves, so all entries of the
  // VPID go.
  psc_.DropIf([=](const PagingStructureEntry& entry) {
    return all ? entry.tag.vpid != 0 : entry.tag.vpid == vpid;
  });
  switch (type) {
    case InvvpidType::kAddress:
      tlb_.DropVpidPage(vpid, va);
      break;
    case InvvpidType::kSingleContext:
      tlb_.DropVpid(vpid, /*globals=*/true);
      break;
    case InvvpidType::kSingleContextRetainingGlobals:
      tlb_.DropVpid(vpid, /*globals=*/false);
      break;
    case InvvpidType::kAllContexts:
      tlb_.DropTagged();
      break;
  }
  return VmOutcome::kSucceeds;
}

VmOutcome Mmu::Invlpga(VirtAddr va, uint16_t asid) {
  if (vendor() == Vendor::kIntel) return VmOutcome::kInvalidOpcode;
  clock_.Charge(CostEvent::kInvvpid);
  counters_.Add(Counter::kTlbPageFlushes);
  tlb_.DropVpidPage(asid, va);
  psc_.DropIf([asid](const PagingStructureEntry& entry) {
    return entry.tag.vpid == asid;
  });
  return VmOutcome::kSucceeds;
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

// The machine address of a table is taken from the entry that the walk read in
// it: the guest's entries hold guest-physical frames.
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
  // Without paging all addresses are user-mode ones for EPT (SDM Vol. 3C,
  // "EPT Violations").
  const NestedAccess wanted = {walk.gpa, NestedBitsOf(access), true};
  if (nested_.Translate(wanted, page, walk.error_code)) {
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
  if (nested_.Probe({gpa, NestedBitsOf(access), true}, page, why)) {
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
