// Turns the registers into the rules of a walk: reserved bits by level.

#include <algorithm>

#include "xmmu/mmu/page_walker.h"

namespace xmmu {
namespace {

// Bits high:low of an entry, or none if high < low.
constexpr uint64_t Bits(int high, int low) {
  if (high < low) return 0;
  return (~uint64_t{0} >> (63 - high)) & (~uint64_t{0} << low);
}
static_assert(Bits(2, 1) == 6);
static_assert(Bits(63, 0) == ~uint64_t{0});
static_assert(Bits(20, 21) == 0);

// The frame bits that a large leaf of `level` does not use, which are reserved;
// bit 12 is PAT.
constexpr uint64_t LargeLeafHole(PagingMode mode, int level) {
  return level == 1 ? 0 : Bits(LevelShift(mode, level) - 1, 13);
}

// Source: SDM Vol. 3A, "32-Bit Paging": with PSE-36 the PDE of a 4 MiB page
// holds machine-address bits (M-1):32 in bits (M-20):13, M = min(40,
// MAXPHYADDR).
LevelRules Rules2Level(int level, bool pse, const CpuFeatures& features) {
  LevelRules rules;
  if (level == 1 || !pse) return rules;
  const int width = features.pse36 ? std::min(40, features.maxphyaddr) : 32;
  rules.ps_maps_page = true;
  rules.reserved_in_leaf = Bits(21, width - 19);
  return rules;
}

// Source: SDM Vol. 3A, "PAE Paging": bits 62:MAXPHYADDR are reserved, and bit
// 63 while EFER.NXE = 0.
LevelRules RulesPae(int level, uint64_t xd, const CpuFeatures& features) {
  LevelRules rules;
  const uint64_t reserved = Bits(62, features.maxphyaddr) | xd;
  rules.reserved_in_table = reserved;
  rules.reserved_in_leaf = reserved | LargeLeafHole(PagingMode::kPae, level);
  rules.ps_maps_page = level == 2;
  return rules;
}

// Source: SDM Vol. 3A, "4-Level Paging and 5-Level Paging": bits 51:MAXPHYADDR
// are reserved, and bit 63 while EFER.NXE = 0.
LevelRules RulesLong(PagingMode mode, int level, uint64_t xd,
                     const CpuFeatures& features) {
  LevelRules rules;
  const uint64_t reserved = Bits(51, features.maxphyaddr) | xd;
  rules.ps_maps_page = level == 2 || (level == 3 && features.pages_1g);
  rules.reserved_in_table = reserved;
  rules.reserved_in_leaf = reserved | LargeLeafHole(mode, level);
  if (level >= 3 && !rules.ps_maps_page) {
    rules.reserved_in_table |= pte::kPageSize;
  }
  // AMD's manual (APM Vol. 2, long-mode page translation) has bit 8 of a PML4E
  // and PML5E must-be-zero; Intel's ignores it.
  if (level >= 4 && features.vendor == Vendor::kAmd) {
    rules.reserved_in_table |= pte::kGlobal;
  }
  return rules;
}

}  // namespace

uint64_t PdpteReservedBits(const CpuFeatures& features) {
  return Bits(2, 1) | Bits(8, 5) | Bits(63, features.maxphyaddr);
}

PagingContext::PagingContext(const ControlRegisters& registers,
                             const CpuFeatures& features)
    : mode(registers.mode()),
      global_pages((registers.cr4 & cr4::kPge) != 0),
      rules(registers) {
  LoadRoot(registers);
  pdpte_reserved = PdpteReservedBits(features);
  const bool nxe = (registers.efer & efer::kNxe) != 0;
  const uint64_t xd = nxe ? 0 : pte::kNoExecute;
  for (int level = 1; level <= LevelCount(mode); ++level) {
    LevelRules& entry = levels[static_cast<size_t>(level)];
    switch (mode) {
      case PagingMode::k2Level:
        entry = Rules2Level(level, (registers.cr4 & cr4::kPse) != 0, features);
        break;
      case PagingMode::kPae:
        // The PDPTE registers were checked when they were loaded.
        if (level < 3) entry = RulesPae(level, xd, features);
        break;
      case PagingMode::k4Level:
      case PagingMode::k5Level:
        entry = RulesLong(mode, level, xd, features);
        break;
    }
    entry.leaf_test = pte::kPresent | pte::kAccessed | entry.reserved_in_leaf;
    entry.table_test = pte::kPresent | pte::kAccessed |
                       entry.reserved_in_table |
                       (entry.ps_maps_page ? pte::kPageSize : 0);
  }
}

void PagingContext::LoadRoot(const ControlRegisters& registers) {
  const bool pcide = (registers.cr4 & cr4::kPcide) != 0;
  pcid = pcide ? static_cast<uint16_t>(registers.cr3 & cr3::kPcidMask) : 0;
  // PAE's table of PDPTEs is aligned to 32 bytes, others to a page.
  const uint64_t offset = mode == PagingMode::kPae ? 0x1f : kPageOffsetMask;
  root = MachineAddr(registers.cr3 & ~offset);
}

}  // namespace xmmu
