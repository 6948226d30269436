#ifndef XMMU_MACHINE_PAGING_MODE_H_
#define XMMU_MACHINE_PAGING_MODE_H_

// The paging modes of the x86 and the shape of their table trees.
// Source: SDM Vol. 3A, "Paging Modes and Control Bits", "Hierarchical Paging
// Structures: an Overview".
//
// Levels are counted Xen's way: L1 is the leaf table. The SDM's names:
//
//   level   2-level (32-bit)   PAE              4-level   5-level
//   L1      page table         page table       PT        PT
//   L2      page directory     page directory   PD        PD
//   L3      -                  PDPTE registers  PDPT      PDPT
//   L4      -                  -                PML4      PML4
//   L5      -                  -                -         PML5
//
// Constants only; any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "xmmu/base/address.h"

namespace xmmu {

enum class PagingMode : uint8_t { k2Level, kPae, k4Level, k5Level };

inline constexpr std::array kAllPagingModes = {
    PagingMode::k2Level, PagingMode::kPae, PagingMode::k4Level,
    PagingMode::k5Level};

// Number of levels of the tree: 2, 3, 4 or 5. A cold walk loads as many
// entries, but for PAE, which holds its L3 in registers.
constexpr int LevelCount(PagingMode mode) { return static_cast<int>(mode) + 2; }

// Bytes of an entry.
constexpr int EntryBytes(PagingMode mode) {
  return mode == PagingMode::k2Level ? 4 : 8;
}

// log2 of the entries of a table of `level`: PAE's L3 has four.
constexpr int IndexBits(PagingMode mode, int level) {
  if (mode == PagingMode::k2Level) return 10;
  return mode == PagingMode::kPae && level == 3 ? 2 : 9;
}

// Entries of a table of `level`.
constexpr int EntryCount(PagingMode mode, int level) {
  return 1 << IndexBits(mode, level);
}

// log2 of the bytes that one entry of a table of `level` maps.
constexpr int LevelShift(PagingMode mode, int level) {
  return kPageShift + (level - 1) * (mode == PagingMode::k2Level ? 10 : 9);
}

// Slot of `va` in its table of `level`.
constexpr int IndexOf(PagingMode mode, int level, VirtAddr va) {
  return static_cast<int>((va.value() >> LevelShift(mode, level)) &
                          static_cast<uint64_t>(EntryCount(mode, level) - 1));
}

// Bits of a linear address: 32, 48 or 57.
constexpr int LinearAddressBits(PagingMode mode) {
  switch (mode) {
    case PagingMode::k2Level:
    case PagingMode::kPae:
      return 32;
    case PagingMode::k4Level:
      return 48;
    case PagingMode::k5Level:
      return 57;
  }
  return 0;
}

// Whether `va` can be translated at all: in 64-bit modes the bits above the
// linear address must be its sign extension (SDM Vol. 1, "Canonical
// Addressing"); in 32-bit modes they must be zero.
constexpr bool IsCanonical(PagingMode mode, VirtAddr va) {
  const int bits = LinearAddressBits(mode);
  if (bits == 32) return va.value() >> 32 == 0;
  const auto top = static_cast<int64_t>(va.value()) >> (bits - 1);
  return top == 0 || top == -1;
}

// The mode as a word: "2-level", "pae", "4-level" or "5-level".
std::string_view PagingModeName(PagingMode mode);

// The mode with `levels` levels, or nothing unless that is 2 to 5.
std::optional<PagingMode> PagingModeOfLevels(int levels);

}  // namespace xmmu

#endif  // XMMU_MACHINE_PAGING_MODE_H_
