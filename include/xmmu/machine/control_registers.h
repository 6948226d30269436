#ifndef XMMU_MACHINE_CONTROL_REGISTERS_H_
#define XMMU_MACHINE_CONTROL_REGISTERS_H_

// The architectural state that paging depends on, and what a CPU model offers.
// Source: SDM Vol. 3A, "Control Registers", "Paging Modes and Control Bits".
// Plain values; any thread.

#include <cstdint>

#include "xmmu/machine/paging_mode.h"

namespace xmmu {

namespace cr0 {
inline constexpr uint64_t kPe = uint64_t{1} << 0;
inline constexpr uint64_t kWp = uint64_t{1} << 16;
inline constexpr uint64_t kNw = uint64_t{1} << 29;
inline constexpr uint64_t kCd = uint64_t{1} << 30;
inline constexpr uint64_t kPg = uint64_t{1} << 31;
}  // namespace cr0

namespace cr3 {
inline constexpr uint64_t kPcidMask = 0xfff;
inline constexpr uint64_t kNoFlush = uint64_t{1} << 63;
}  // namespace cr3

namespace cr4 {
inline constexpr uint64_t kPse = uint64_t{1} << 4;
inline constexpr uint64_t kPae = uint64_t{1} << 5;
inline constexpr uint64_t kPge = uint64_t{1} << 7;
inline constexpr uint64_t kUmip = uint64_t{1} << 11;
inline constexpr uint64_t kLa57 = uint64_t{1} << 12;
inline constexpr uint64_t kVmxe = uint64_t{1} << 13;
inline constexpr uint64_t kSmxe = uint64_t{1} << 14;
inline constexpr uint64_t kFsgsbase = uint64_t{1} << 16;
inline constexpr uint64_t kPcide = uint64_t{1} << 17;
inline constexpr uint64_t kOsxsave = uint64_t{1} << 18;
inline constexpr uint64_t kSmep = uint64_t{1} << 20;
inline constexpr uint64_t kSmap = uint64_t{1} << 21;
inline constexpr uint64_t kPke = uint64_t{1} << 22;
inline constexpr uint64_t kCet = uint64_t{1} << 23;
inline constexpr uint64_t kPks = uint64_t{1} << 24;
}  // namespace cr4

namespace efer {
inline constexpr uint64_t kSce = uint64_t{1} << 0;
inline constexpr uint64_t kLme = uint64_t{1} << 8;
inline constexpr uint64_t kLma = uint64_t{1} << 10;
inline constexpr uint64_t kNxe = uint64_t{1} << 11;
// Only AMD's CPUs have these bits. Source: APM Vol. 2, "Extended Feature Enable
// Register (EFER)".
inline constexpr uint64_t kSvme = uint64_t{1} << 12;
inline constexpr uint64_t kLmsle = uint64_t{1} << 13;
inline constexpr uint64_t kFfxsr = uint64_t{1} << 14;
inline constexpr uint64_t kTce = uint64_t{1} << 15;
inline constexpr uint64_t kMcommit = uint64_t{1} << 17;
inline constexpr uint64_t kIntwb = uint64_t{1} << 18;
inline constexpr uint64_t kAibrse = uint64_t{1} << 21;
}  // namespace efer

enum class Vendor : uint8_t { kIntel, kAmd };

// The features that CPUID reports, as far as paging depends on them or the CPU
// accepts a bit of CR4 or EFER only with them. Whether CR4.VMXE and EFER.SVME
// are there is NestedPagingModel::vm_extension. Features that came with the P6
// or before (CR4.VME to OSXMMEXCPT) are on every machine, PGE excepted.
struct CpuFeatures {
  Vendor vendor = Vendor::kIntel;
  int maxphyaddr = 40;    // bits of a machine address, 32 to 52
  bool long_mode = true;  // 4-level paging
  bool la57 = false;      // 5-level paging
  bool pages_1g = true;
  bool pse36 = true;
  bool nx = true;
  bool pcid = false;
  bool invpcid = false;
  bool pge = true;  // global pages
  bool smep = false;
  bool smap = false;
  bool pke = false;  // protection keys of user pages
  bool pks = false;  // protection keys of supervisor pages
  bool umip = false;
  bool fsgsbase = false;
  bool xsave = false;
  bool cet = false;  // shadow stacks, which are not simulated
  bool smx = false;
  // AMD's translation cache extension (EFER.TCE): INVLPG may spare upper-level
  // entries of other addresses.
  bool tce = false;
  bool lmsle = false;
  bool ffxsr = false;
  bool mcommit = false;
  bool intwb = false;
  bool auto_ibrs = false;
  // Page walks read PAE's PDPTEs like other entries, and check and cache them
  // then; without this MOV to CR3 checks them and loads them into registers.
  // Source: APM Vol. 2, "Handling of PDPT Entries in PAE Mode": modern AMD
  // processors walk them, older ones load them; Intel's load them.
  bool walks_pdptes = false;

  bool operator==(const CpuFeatures&) const = default;
};

// The registers' values as software sees them. CR3 bit 63 is never stored.
struct ControlRegisters {
  uint64_t cr0 = cr0::kPe | cr0::kPg | cr0::kWp;
  uint64_t cr3 = 0;
  uint64_t cr4 = 0;
  uint64_t efer = 0;
  uint32_t pkru = 0;
  uint32_t pkrs = 0;
  bool ac = false;  // EFLAGS.AC

  // The paging mode in force. REQUIRES: CR0.PG = 1.
  constexpr PagingMode mode() const {
    if ((cr4 & cr4::kPae) == 0) return PagingMode::k2Level;
    if ((efer & efer::kLma) == 0) return PagingMode::kPae;
    return (cr4 & cr4::kLa57) != 0 ? PagingMode::k5Level : PagingMode::k4Level;
  }

  bool operator==(const ControlRegisters&) const = default;
};

// The registers a kernel of `mode` runs with on `features`: WP on, PGE and NX
// where there are such, CR3 zero. PCID, SMEP, SMAP and PKE are off.
ControlRegisters KernelControlRegisters(PagingMode mode,
                                        const CpuFeatures& features);

}  // namespace xmmu

#endif  // XMMU_MACHINE_CONTROL_REGISTERS_H_
