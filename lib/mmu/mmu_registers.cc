// Implements the moves to control registers: what they refuse, and what they
// invalidate.
// Source: SDM Vol. 2, "MOV - Move to/from Control Registers"; Vol. 3A,
// "Control Registers", "Operations that Invalidate TLBs and Paging-Structure
// Caches"; AMD APM Vol. 2, "TLB Management".

#include "mmu/register_rules.h"
#include "xmmu/base/check.h"
#include "xmmu/base/span_log.h"
#include "xmmu/mmu/mmu.h"

namespace xmmu {
namespace {

// CR0 and CR4 bits whose change reloads the PDPTE registers.
// Source: SDM Vol. 3A, "PDPTE Registers". An AMD processor that has such
// registers loads them with CR3; it is assumed to do so as well when PAE paging
// begins and when it drops the whole TLB, which they are part of (APM Vol. 2,
// "Caching of Upper Level Translation Table Entries").
uint64_t Cr0ReloadsPdptes(Vendor vendor) {
  return vendor == Vendor::kAmd ? cr0::kPg : cr0::kPg | cr0::kCd | cr0::kNw;
}
uint64_t Cr4ReloadsPdptes(Vendor vendor) {
  const uint64_t both = cr4::kPae | cr4::kPge | cr4::kPse;
  return vendor == Vendor::kAmd ? both : both | cr4::kSmep;
}

PageFault GeneralProtection() {
  return PageFault{VirtAddr(), 0, FaultVector::kGeneralProtection};
}

bool Paging(const ControlRegisters& registers) {
  return (registers.cr0 & cr0::kPg) != 0;
}

bool PaePaging(const ControlRegisters& registers) {
  return Paging(registers) && registers.mode() == PagingMode::kPae;
}

}  // namespace

// PAE paging checks the PDPTEs when it loads them: reserved bits in a present
// one are a #GP (SDM Vol. 3A, "PDPTE Registers").
std::optional<PageFault> Mmu::ReadPdptes(const ControlRegisters& registers,
                                         PdpteRegisters& loaded) {
  loaded = PdpteRegisters{};
  if (!PaePaging(registers) || WalksPdptes()) return std::nullopt;
  MachineAddr table(registers.cr3 & ~uint64_t{0x1f});
  if (AppliesNested()) {
    // This is a read even where a walk's access to a table counts as a write:
    // no dirty flag is set (SDM Vol. 3C, "Accessed and Dirty Flags for EPT").
    const NestedAccess access = {GuestAddr(table.value()), nested::kRead};
    NestedPage page;
    uint32_t why = 0;
    if (!nested_.Translate(access, page, why)) {
      counters_.Add(Counter::kNestedViolations);
      return PageFault{VirtAddr(), why, FaultVector::kNestedViolation,
                       access.gpa};
    }
    table = page.AddressOf(access.gpa);
  }
  for (size_t i = 0; i < loaded.size(); ++i) {
    loaded[i] = memory_.Read64(table + i * sizeof(uint64_t));
  }
  if (HasReservedBits(loaded)) return GeneralProtection();
  return std::nullopt;
}

bool Mmu::HasReservedBits(const PdpteRegisters& pdptes) const {
  const uint64_t reserved = PdpteReservedBits(model_.features);
  for (const uint64_t pdpte : pdptes) {
    if (Pte(pdpte).present() && (pdpte & reserved) != 0) return true;
  }
  return false;
}

// The context is worked out anew from all registers, as most rules depend on
// several of them.
void Mmu::Install(const ControlRegisters& registers, PdpteRegisters pdpte) {
  const PagingMode old_mode = context_.mode;
  registers_ = registers;
  if (!Paging(registers)) return;
  context_ = PagingContext(registers, model_.features);
  context_.pdpte = pdpte;
  linear_bits_ = LinearAddressBits(context_.mode);
  linear_half_ = linear_bits_ > 32 ? uint64_t{1} << (linear_bits_ - 1) : 0;
  AttachNested();
  // The filter knows entries by CR3 alone, and those cached so far were made
  // under the old registers.
  filter_.Arm();
  if (filters()) context_.pcid = filter_.tag();
  if (context_.mode == old_mode) return;
  // No entry is held that another mode made: every way to change the mode
  // (CR4.PAE, turning paging off first, Reset) has dropped them all.
  psc_.SetMode(context_.mode);
  ShapeCaches();
}

std::optional<PageFault> Mmu::Reset(const ControlRegisters& registers) {
  if (!AllowsAll(model_, registers)) return GeneralProtection();
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
  if (!AllowsCr3(model_.features, next, next.cr3)) return GeneralProtection();
  PdpteRegisters pdpte;
  if (const auto fault = ReadPdptes(next, pdpte)) return fault;
  Span span(clock_, Actor::kProcessor, "MOV to CR3");
  span.Hex("value", value);
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
  // In PAE mode the CPU has just loaded the PDPTEs from this cache line; the
  // filter must notice writes to it.
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

std::optional<PageFault> Mmu::LoadCr0(uint64_t value) {
  if (!AllowsCr0(registers_, value)) return GeneralProtection();
  ControlRegisters next = registers_;
  next.cr0 = KeptOfCr0(value);
  const bool lme = (next.efer & efer::kLme) != 0;
  next.efer &= ~efer::kLma;
  if (lme && Paging(next)) next.efer |= efer::kLma;
  const uint64_t changed = next.cr0 ^ registers_.cr0;
  PdpteRegisters pdpte = context_.pdpte;
  if ((changed & Cr0ReloadsPdptes(vendor())) != 0) {
    if (const auto fault = ReadPdptes(next, pdpte)) return fault;
  }
  // AMD's list says that turning paging on flushes, too. There is nothing to
  // flush, since nothing is cached without paging.
  if (paging() && !Paging(next)) {
    DropEverything();
    counters_.Add(Counter::kTlbFlushes);
  }
  Install(next, pdpte);
  clock_.Charge(CostEvent::kMovCr4);
  return std::nullopt;
}

// Source: SDM Vol. 3A, "Operations that Invalidate TLBs and Paging-Structure
// Caches"; APM Vol. 2, "TLB Management" (implicit invalidations). AMD's list
// adds PSE and PKE, flushes all for PAE, and does not name SMEP.
Mmu::Cr4Flush Mmu::FlushOfCr4(uint64_t value) const {
  const uint64_t changed = value ^ registers_.cr4;
  const uint64_t set = changed & value;
  const uint64_t cleared = changed & ~value;
  // A flush filter's tags are no PCIDs: they stand for CR3 under the registers
  // of then, so a change of these bits drops everything.
  const bool retags = filter_.active() &&
                      (changed & (cr4::kPae | cr4::kSmep | cr4::kPcide)) != 0;
  if (retags || (changed & cr4::kPge) != 0 || (cleared & cr4::kPcide) != 0) {
    return Cr4Flush::kAll;
  }
  if (vendor() == Vendor::kAmd) {
    const bool all =
        (changed & (cr4::kPae | cr4::kPse)) != 0 || (set & cr4::kPke) != 0;
    return all ? Cr4Flush::kAll : Cr4Flush::kNothing;
  }
  const bool pcid = (changed & cr4::kPae) != 0 || (set & cr4::kSmep) != 0;
  return pcid ? Cr4Flush::kPcid : Cr4Flush::kNothing;
}

std::optional<PageFault> Mmu::LoadCr4(uint64_t value) {
  if (!AllowsCr4(model_, registers_, value)) return GeneralProtection();
  ControlRegisters next = registers_;
  next.cr4 = value;
  const uint64_t changed = value ^ registers_.cr4;
  PdpteRegisters pdpte = context_.pdpte;
  if ((changed & Cr4ReloadsPdptes(vendor())) != 0) {
    if (const auto fault = ReadPdptes(next, pdpte)) return fault;
  }
  const Cr4Flush flush = FlushOfCr4(value);
  if (flush == Cr4Flush::kAll) {
    DropEverything();
  } else if (flush == Cr4Flush::kPcid) {
    DropPcid(context_.pcid, /*globals=*/true);
  }
  if (flush != Cr4Flush::kNothing) counters_.Add(Counter::kTlbFlushes);
  Install(next, pdpte);
  clock_.Charge(CostEvent::kMovCr4);
  return std::nullopt;
}

std::optional<PageFault> Mmu::LoadEfer(uint64_t value) {
  if (!AllowsEfer(model_, registers_, value)) return GeneralProtection();
  ControlRegisters next = registers_;
  next.efer = KeptOfEfer(value) | (registers_.efer & efer::kLma);
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
