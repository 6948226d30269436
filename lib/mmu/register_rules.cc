#include "mmu/register_rules.h"

namespace xmmu {
namespace {

// The defined bits of CR0: PE, MP, EM, TS, ET, NE, WP, AM, NW, CD, PG.
constexpr uint64_t kCr0Bits = 0xe005003f;

// Bits of CR4 that every machine has: VME, PVI, TSD, DE, PSE, PAE, MCE, PCE,
// OSFXSR and OSXMMEXCPT.
constexpr uint64_t kCr4BitsOfAll = 0x77f;

bool Has(uint64_t value, uint64_t bit) { return (value & bit) != 0; }
uint64_t If(bool present, uint64_t bit) { return present ? bit : 0; }

// Returns the bits of CR4 that the machine does not reserve.
uint64_t Cr4Bits(const MachineModel& model) {
  const CpuFeatures& f = model.features;
  const bool intel = f.vendor == Vendor::kIntel;
  return kCr4BitsOfAll | If(f.pge, cr4::kPge) | If(f.umip, cr4::kUmip) |
         If(f.la57, cr4::kLa57) |
         If(intel && model.nested.vm_extension, cr4::kVmxe) |
         If(intel && f.smx, cr4::kSmxe) | If(f.fsgsbase, cr4::kFsgsbase) |
         If(f.pcid, cr4::kPcide) | If(f.xsave, cr4::kOsxsave) |
         If(f.smep, cr4::kSmep) | If(f.smap, cr4::kSmap) |
         If(f.pke, cr4::kPke) | If(f.cet, cr4::kCet) | If(f.pks, cr4::kPks);
}

// Without long mode and NX an Intel processor has no EFER at all.
bool HasEfer(const CpuFeatures& f) {
  return f.vendor == Vendor::kAmd || f.long_mode || f.nx;
}

// Returns the bits of EFER that the machine does not reserve.
uint64_t EferBits(const MachineModel& model) {
  const CpuFeatures& f = model.features;
  const bool amd = f.vendor == Vendor::kAmd;
  uint64_t bits = If(f.long_mode, efer::kLme | efer::kLma) |
                  If(f.nx, efer::kNxe) | If(amd || f.long_mode, efer::kSce);
  if (!amd) return bits;
  bits |= If(model.nested.vm_extension, efer::kSvme) |
          If(f.lmsle, efer::kLmsle) | If(f.ffxsr, efer::kFfxsr) |
          If(f.tce, efer::kTce) | If(f.mcommit, efer::kMcommit) |
          If(f.intwb, efer::kIntwb) | If(f.auto_ibrs, efer::kAibrse);
  return bits;
}

// EFER[7:1] read as zero on AMD's processors, which ignore writes to them (APM
// Vol. 2, "Extended Feature Enable Register (EFER)"); on Intel's they are
// reserved.
constexpr uint64_t kEferReadsAsZero = 0xfe;
uint64_t IgnoredEferBits(const CpuFeatures& f) {
  return f.vendor == Vendor::kAmd ? kEferReadsAsZero : 0;
}

// A machine may be simulated in a paging mode that it lacks, once Reset() or a
// VM entry has put it there. The bits of the mode are then as on a machine that
// has it.
constexpr uint64_t kCr4ModeBits = cr4::kLa57;
constexpr uint64_t kEferModeBits = efer::kLme | efer::kLma;

bool LongMode(const ControlRegisters& registers) {
  return Has(registers.efer, efer::kLma);
}

}  // namespace

uint64_t KeptOfCr0(uint64_t value) { return value & kCr0Bits; }

uint64_t KeptOfEfer(uint64_t value) {
  return value & ~(kEferReadsAsZero | efer::kLma);
}

bool AllowsCr0(const ControlRegisters& now, uint64_t value) {
  if (value >> 32 != 0) return false;
  const bool pg = Has(value, cr0::kPg);
  if (pg && !Has(value, cr0::kPe)) return false;
  if (Has(value, cr0::kNw) && !Has(value, cr0::kCd)) return false;
  if (!pg && Has(now.cr4, cr4::kPcide)) return false;
  if (!Has(value, cr0::kWp) && Has(now.cr4, cr4::kCet)) return false;
  // Long mode begins when paging is turned on, and only with CR4.PAE = 1.
  const bool starts_long_mode =
      pg && !Has(now.cr0, cr0::kPg) && Has(now.efer, efer::kLme);
  return !starts_long_mode || Has(now.cr4, cr4::kPae);
}

bool AllowsCr4(const MachineModel& model, const ControlRegisters& now,
               uint64_t value) {
  const uint64_t mode = now.cr4 & kCr4ModeBits;
  if (Has(value, ~(Cr4Bits(model) | mode))) return false;
  const uint64_t changed = value ^ now.cr4;
  if (LongMode(now)) {
    if (!Has(value, cr4::kPae) || Has(changed, cr4::kLa57)) return false;
  }
  if (Has(value, cr4::kCet) && !Has(now.cr0, cr0::kWp)) return false;
  if (!Has(value, cr4::kPcide)) return true;
  if (!LongMode(now)) return false;
  return !Has(changed, cr4::kPcide) || (now.cr3 & cr3::kPcidMask) == 0;
}

bool AllowsEfer(const MachineModel& model, const ControlRegisters& now,
                uint64_t value) {
  const CpuFeatures& features = model.features;
  const uint64_t mode = now.efer & kEferModeBits;
  if (!HasEfer(features) && mode == 0) return false;
  const uint64_t bits = EferBits(model) | IgnoredEferBits(features) | mode;
  if (Has(value, ~bits)) return false;
  const uint64_t changed = value ^ now.efer;
  // LMA cannot be written: Intel ignores what is given, AMD refuses another
  // value than the present one.
  if (features.vendor == Vendor::kAmd && Has(changed, efer::kLma)) return false;
  return !Has(now.cr0, cr0::kPg) || !Has(changed, efer::kLme);
}

bool AllowsCr3(const CpuFeatures& features, const ControlRegisters& registers,
               uint64_t value) {
  const int bits = LongMode(registers) ? features.maxphyaddr : 32;
  return value >> bits == 0;
}

bool AllowsAll(const MachineModel& model, const ControlRegisters& registers) {
  const uint64_t cr0 = registers.cr0;
  const uint64_t cr4 = registers.cr4;
  const uint64_t efer = registers.efer;
  const bool pg = Has(cr0, cr0::kPg);
  if (cr0 >> 32 != 0) return false;
  if (Has(cr4, ~(Cr4Bits(model) | kCr4ModeBits))) return false;
  if (Has(efer, ~(EferBits(model) | kEferModeBits))) return false;
  if (pg && !Has(cr0, cr0::kPe)) return false;
  if (Has(cr0, cr0::kNw) && !Has(cr0, cr0::kCd)) return false;
  if (Has(cr4, cr4::kCet) && !Has(cr0, cr0::kWp)) return false;
  const bool lma = pg && Has(efer, efer::kLme);
  if (LongMode(registers) != lma) return false;
  if (lma && !Has(cr4, cr4::kPae)) return false;
  if (Has(cr4, cr4::kPcide) && !lma) return false;
  return AllowsCr3(model.features, registers, registers.cr3);
}

bool AllowsNestedRoot(const CpuFeatures& features, MachineAddr root) {
  return PageOffset(root) == 0 && root.value() >> features.maxphyaddr == 0;
}

// Source: SDM Vol. 3C, "VM-Execution Control Fields" among the checks on VMX
// controls; APM Vol. 2, "Enabling Nested Paging".
bool AllowsEntry(const MachineModel& model, const ControlRegisters& registers,
                 const VmControls& controls) {
  const bool intel = model.features.vendor == Vendor::kIntel;
  ControlRegisters guest = registers;
  // VM entry loads neither CD nor NW, and does not look at them; VMRUN does.
  if (intel) guest.cr0 &= ~(cr0::kCd | cr0::kNw);
  if (!AllowsAll(model, guest)) return false;
  if (controls.tag != 0 && !model.nested.tags) return false;
  if (!controls.nested) return true;
  if (!AllowsNestedRoot(model.features, controls.root)) return false;
  const bool five = controls.nested_mode == PagingMode::k5Level;
  if (!five && controls.nested_mode != PagingMode::k4Level) return false;
  if (!intel) {
    // AMD's nested tables have the paging mode of the hypervisor's own.
    return !five || model.features.la57;
  }
  if (five && !model.nested.five_level) return false;
  if (controls.accessed_dirty && !model.nested.accessed_dirty) return false;
  return !controls.mode_based_execute || model.nested.mode_based_execute;
}

}  // namespace xmmu
