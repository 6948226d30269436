// The moves to control registers: what they refuse, and what they invalidate.
// Source: SDM Vol. 2, "MOV - Move to/from Control Registers"; Vol. 3A,
// "Control Registers", "Operations that Invalidate TLBs and Paging-Structure
// Caches".

#include "xmmu/base/check.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

constexpr uint64_t kCdNw = uint64_t{3} << 29;  // CR0.CD and CR0.NW

// CR0 and CR4 bits whose change reloads the PDPTE registers.
// Source: SDM Vol. 3A, "PDPTE Registers".
constexpr uint64_t kCr0ReloadsPdptes = kCdNw | cr0::kPg;
constexpr uint64_t kCr4ReloadsPdptes =
    cr4::kPae | cr4::kPge | cr4::kPse | cr4::kSmep;

PageFault GeneralProtection() {
  return PageFault{VirtAddr(), 0, FaultVector::kGeneralProtection};
}

bool LongMode(const ControlRegisters& registers) {
  return (registers.efer & efer::kLma) != 0;
}

bool Paging(const ControlRegisters& registers) {
  return (registers.cr0 & cr0::kPg) != 0;
}

bool PaePaging(const ControlRegisters& registers) {
  return Paging(registers) && registers.mode() == PagingMode::kPae;
}

}  // namespace

bool Mmu::HasReservedCr3Bits(const ControlRegisters& registers,
                             uint64_t value) const {
  if (!LongMode(registers)) return value >> 32 != 0;
  return value >> model_.features.maxphyaddr != 0;
}

std::optional<PageFault> Mmu::ReadPdptes(const ControlRegisters& registers,
                                         PdpteRegisters& loaded) {
  loaded = PdpteRegisters{};
  if (!PaePaging(registers) || context_.pdptes_in_memory) return std::nullopt;
  MachineAddr table(registers.cr3 & ~uint64_t{0x1f});
  if (AppliesNested()) {
    const NestedAccess access = nested_.TableAccess(GuestAddr(table.value()));
    NestedPage page;
    uint32_t why = 0;
    if (!nested_.Translate(access, page, why)) {
      counters_.Add(Counter::kNestedViolations);
      return PageFault{VirtAddr(), why, FaultVector::kNestedViolation,
                       access.gpa};
    }
    table = page.AddressOf(access.gpa);
  }
  const uint64_t reserved = PdpteReservedBits(model_.features);
  for (size_t i = 0; i < loaded.size(); ++i) {
    loaded[i] = memory_.Read64(table + i * sizeof(uint64_t));
    const bool present = Pte(loaded[i]).present();
    if (present && (loaded[i] & reserved) != 0) return GeneralProtection();
  }
  return std::nullopt;
}

void Mmu::Install(const ControlRegisters& registers, PdpteRegisters pdpte) {
  const PagingMode old_mode = context_.mode;
  registers_ = registers;
  if (!Paging(registers)) return;
  context_ = PagingContext(registers, model_.features);
  context_.pdpte = pdpte;
  AttachNested();
  // What is cached was read under the old registers.
  filter_.Arm();
  if (filters()) context_.pcid = filter_.tag();
  if (context_.mode == old_mode) return;
  // Nothing is held that another mode made: what leads here (a change of
  // CR4.PAE, paging turned off before, Reset) has dropped it.
  psc_.SetMode(context_.mode);
  ShapeCaches();
}

std::optional<PageFault> Mmu::Reset(const ControlRegisters& registers) {
  if (HasReservedCr3Bits(registers, registers.cr3)) return GeneralProtection();
  PdpteRegisters pdpte;
  if (const auto fault = ReadPdptes(registers, pdpte)) return fault;
  DropEverything();
  DropAllVms();
  Install(registers, pdpte);
  return std::nullopt;
}

std::optional<PageFault> Mmu::LoadCr3(uint64_t value) {
  const bool pcide = (registers_.cr4 & cr4::kPcide) != 0;
  const bool flush = !pcide || (value & cr3::kNoFlush) == 0;
  ControlRegisters next = registers_;
  next.cr3 = pcide ? value & ~cr3::kNoFlush : value;
  if (HasReservedCr3Bits(next, next.cr3)) return GeneralProtection();
  PdpteRegisters pdpte;
  if (const auto fault = ReadPdptes(next, pdpte)) return fault;
  registers_.cr3 = next.cr3;
  context_.LoadRoot(next);
  context_.pdpte = pdpte;
  counters_.Add(Counter::kCr3Loads);
  if (!flush) {
    clock_.Charge(CostEvent::kMovCr3NoFlush);
    return std::nullopt;
  }
  if (!FlushThroughFilter()) return std::nullopt;
  clock_.Charge(CostEvent::kMovCr3);
  clock_.Charge(CostEvent::kCr3Refill);
  counters_.Add(Counter::kTlbFlushes);
  return std::nullopt;
}

bool Mmu::FlushThroughFilter() {
  if (!filters()) {
    DropPcid(context_.pcid, /*globals=*/false);
    return true;
  }
  const FlushFilter::Decision decision = filter_.LoadCr3(registers_.cr3);
  context_.pcid = decision.tag;
  // The PDPTE registers are what the line of their table said just now.
  if (context_.mode == PagingMode::kPae) {
    filter_.Watch(MachineAddr(registers_.cr3 & ~uint64_t{0x1f}));
  }
  if (decision.flush) {
    tlb_.DropNonGlobal();
    psc_.DropAll();
    return true;
  }
  if (decision.reused) DropPcid(decision.tag, /*globals=*/false);
  clock_.Charge(CostEvent::kMovCr3NoFlush);
  counters_.Add(Counter::kTlbFlushesFiltered);
  return false;
}

bool Mmu::AllowsCr0(uint64_t value) const {
  const bool pg = (value & cr0::kPg) != 0;
  if (value >> 32 != 0) return false;
  if (pg && (value & cr0::kPe) == 0) return false;
  if (!pg && (registers_.cr4 & cr4::kPcide) != 0) return false;
  // Long mode begins with paging, and only on top of PAE.
  const bool starts_long_mode =
      pg && !paging() && (registers_.efer & efer::kLme) != 0;
  return !starts_long_mode || (registers_.cr4 & cr4::kPae) != 0;
}

std::optional<PageFault> Mmu::LoadCr0(uint64_t value) {
  if (!AllowsCr0(value)) return GeneralProtection();
  ControlRegisters next = registers_;
  next.cr0 = value;
  const bool lme = (next.efer & efer::kLme) != 0;
  next.efer &= ~efer::kLma;
  if (lme && Paging(next)) next.efer |= efer::kLma;
  const uint64_t changed = value ^ registers_.cr0;
  PdpteRegisters pdpte = context_.pdpte;
  if ((changed & kCr0ReloadsPdptes) != 0) {
    if (const auto fault = ReadPdptes(next, pdpte)) return fault;
  }
  if (paging() && !Paging(next)) {
    DropEverything();
    counters_.Add(Counter::kTlbFlushes);
  }
  Install(next, pdpte);
  clock_.Charge(CostEvent::kMovCr4);
  return std::nullopt;
}

bool Mmu::AllowsCr4(uint64_t value) const {
  const CpuFeatures& features = model_.features;
  const uint64_t changed = value ^ registers_.cr4;
  if (LongMode(registers_)) {
    if ((value & cr4::kPae) == 0) return false;
    if ((changed & cr4::kLa57) != 0) return false;
  }
  if ((value & cr4::kLa57) != 0 && !features.la57) return false;
  if ((value & cr4::kPcide) == 0) return true;
  if (!features.pcid || !LongMode(registers_)) return false;
  const bool sets_pcide = (changed & cr4::kPcide) != 0;
  return !sets_pcide || (registers_.cr3 & cr3::kPcidMask) == 0;
}

std::optional<PageFault> Mmu::LoadCr4(uint64_t value) {
  if (!AllowsCr4(value)) return GeneralProtection();
  ControlRegisters next = registers_;
  next.cr4 = value;
  const uint64_t changed = value ^ registers_.cr4;
  const uint64_t set = changed & value;
  const uint64_t cleared = changed & ~value;
  PdpteRegisters pdpte = context_.pdpte;
  if ((changed & kCr4ReloadsPdptes) != 0) {
    if (const auto fault = ReadPdptes(next, pdpte)) return fault;
  }
  // A flush filter's tags are no PCIDs, and mean other registers.
  const bool retags = filter_.active() &&
                      (changed & (cr4::kPae | cr4::kSmep | cr4::kPcide)) != 0;
  const bool flush_all =
      (changed & cr4::kPge) != 0 || (cleared & cr4::kPcide) != 0 || retags;
  const bool flush_pcid = (changed & cr4::kPae) != 0 || (set & cr4::kSmep) != 0;
  if (flush_all) {
    DropEverything();
  } else if (flush_pcid) {
    DropPcid(context_.pcid, /*globals=*/true);
  }
  if (flush_all || flush_pcid) counters_.Add(Counter::kTlbFlushes);
  Install(next, pdpte);
  clock_.Charge(CostEvent::kMovCr4);
  return std::nullopt;
}

std::optional<PageFault> Mmu::LoadEfer(uint64_t value) {
  const CpuFeatures& features = model_.features;
  const uint64_t changed = value ^ registers_.efer;
  if ((value & efer::kNxe) != 0 && !features.nx) return GeneralProtection();
  if ((value & efer::kLme) != 0 && !features.long_mode) {
    return GeneralProtection();
  }
  if (paging() && (changed & efer::kLme) != 0) return GeneralProtection();
  ControlRegisters next = registers_;
  // LMA is read-only.
  next.efer = (value & ~efer::kLma) | (registers_.efer & efer::kLma);
  Install(next, context_.pdpte);
  return std::nullopt;
}

void Mmu::set_ac(bool ac) {
  registers_.ac = ac;
  context_.rules = AccessRules(registers_, AppliesNested());
}

void Mmu::SetKeyRights(uint32_t pkru, uint32_t pkrs) {
  registers_.pkru = pkru;
  registers_.pkrs = pkrs;
  context_.rules = AccessRules(registers_, AppliesNested());
}

std::optional<PageFault> Mmu::FlushNonGlobal() {
  return LoadCr3(registers_.cr3);
}

std::optional<PageFault> Mmu::FlushAll() {
  PdpteRegisters pdpte;
  if (const auto fault = ReadPdptes(registers_, pdpte)) return fault;
  context_.pdpte = pdpte;
  DropEverything();
  clock_.Charge(CostEvent::kMovCr4, 2);
  counters_.Add(Counter::kTlbFlushes);
  return std::nullopt;
}

}  // namespace xmmu
