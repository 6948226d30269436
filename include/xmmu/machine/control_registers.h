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
inline constexpr uint64_t kLa57 = uint64_t{1} << 12;
inline constexpr uint64_t kPcide = uint64_t{1} << 17;
inline constexpr uint64_t kSmep = uint64_t{1} << 20;
inline constexpr uint64_t kSmap = uint64_t{1} << 21;
inline constexpr uint64_t kPke = uint64_t{1} << 22;
inline constexpr uint64_t kPks = uint64_t{1} << 24;
}  // namespace cr4

namespace efer {
inline constexpr uint64_t kLme = uint64_t{1} << 8;
inline constexpr uint64_t kLma = uint64_t{1} << 10;
inline constexpr uint64_t kNxe = uint64_t{1} << 11;
}  // namespace efer

enum class Vendor : uint8_t { kIntel, kAmd };

// What CPUID says of the CPU, as far as paging depends on it.
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

  bool operator==(const CpuFeatures&) const = default;
};

// Values as software sees them. CR3 bit 63 is never stored.
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

// The registers a kernel of `mode` runs with on `features`: WP on, PGE on, NX
// where there is NX, CR3 zero. PCID, SMEP, SMAP and PKE are off.
ControlRegisters KernelControlRegisters(PagingMode mode,
                                        const CpuFeatures& features);

}  // namespace xmmu

#endif  // XMMU_MACHINE_CONTROL_REGISTERS_H_
