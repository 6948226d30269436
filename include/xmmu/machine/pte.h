#ifndef XMMU_MACHINE_PTE_H_
#define XMMU_MACHINE_PTE_H_

// One paging-structure entry, of any level and mode. A 4-byte entry of 2-level
// paging is held in the low half.
// Source: SDM Vol. 3A, "32-Bit Paging", "PAE Paging", "4-Level Paging and
// 5-Level Paging" (the tables of entry formats).
//
//   bit       63  62:59  58:52  51:12  11:9   8  7     6  5  4    3    2   1   0
//   leaf      XD  pkey   AVAIL  frame  AVAIL  G  PAT*  D  A  PCD  PWT  US  RW  P
//   non-leaf  XD  AVAIL  AVAIL  frame  AVAIL  -  PS    -  A  PCD  PWT  US  RW  P
//
//   * PAT is bit 7 of an L1 entry; in a large leaf (L2, L3 with PS = 1) bit 7
//     is PS and PAT is bit 12.
//
// Plain values; any thread.

#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

namespace pte {
inline constexpr uint64_t kPresent = uint64_t{1} << 0;
inline constexpr uint64_t kWritable = uint64_t{1} << 1;
inline constexpr uint64_t kUser = uint64_t{1} << 2;
inline constexpr uint64_t kPwt = uint64_t{1} << 3;
inline constexpr uint64_t kPcd = uint64_t{1} << 4;
inline constexpr uint64_t kAccessed = uint64_t{1} << 5;
inline constexpr uint64_t kDirty = uint64_t{1} << 6;
inline constexpr uint64_t kPageSize = uint64_t{1} << 7;  // L2 and up
inline constexpr uint64_t kPat = uint64_t{1} << 7;       // L1
inline constexpr uint64_t kGlobal = uint64_t{1} << 8;
inline constexpr uint64_t kAvail = uint64_t{7} << 9;
inline constexpr uint64_t kLargePat = uint64_t{1} << 12;
inline constexpr uint64_t kFrameMask =
    ((uint64_t{1} << 52) - 1) & ~uint64_t{0xfff};
inline constexpr uint64_t kAvailHigh = uint64_t{0x7ff} << 52;  // 62:52
inline constexpr uint64_t kProtectionKey = uint64_t{0xf} << 59;
inline constexpr uint64_t kNoExecute = uint64_t{1} << 63;

static_assert((kFrameMask & (kAvailHigh | kNoExecute)) == 0);
static_assert((kAvailHigh & kProtectionKey) == kProtectionKey);
static_assert((kFrameMask | kAvailHigh | kNoExecute | 0xfff) == ~uint64_t{0});
}  // namespace pte

class Pte {
 public:
  constexpr Pte() = default;
  constexpr explicit Pte(uint64_t raw) : raw_(raw) {}
  constexpr Pte(Mfn frame, uint64_t flags)
      : raw_((frame.value() << kPageShift & pte::kFrameMask) | flags) {}

  constexpr uint64_t raw() const { return raw_; }
  constexpr bool operator==(const Pte&) const = default;

  constexpr bool present() const { return Has(pte::kPresent); }
  constexpr bool writable() const { return Has(pte::kWritable); }
  constexpr bool user() const { return Has(pte::kUser); }
  constexpr bool accessed() const { return Has(pte::kAccessed); }
  constexpr bool dirty() const { return Has(pte::kDirty); }
  constexpr bool page_size() const { return Has(pte::kPageSize); }
  constexpr bool global() const { return Has(pte::kGlobal); }
  constexpr bool no_execute() const { return Has(pte::kNoExecute); }

  // Frame field, bits 51:12. What it counts (Mfn, Gfn) depends on whose table
  // the entry is in; the machine's own tables hold Mfns.
  constexpr Mfn frame() const {
    return Mfn((raw_ & pte::kFrameMask) >> kPageShift);
  }
  // All bits but the frame's.
  constexpr uint64_t flags() const { return raw_ & ~pte::kFrameMask; }

  constexpr Pte With(uint64_t flags) const { return Pte(raw_ | flags); }
  constexpr Pte Without(uint64_t flags) const { return Pte(raw_ & ~flags); }

 private:
  constexpr bool Has(uint64_t flag) const { return (raw_ & flag) != 0; }

  uint64_t raw_ = 0;
};

// Machine address of slot `index` of the table at `table` (bits below the table
// alignment must be clear).
constexpr MachineAddr EntryAddress(PagingMode mode, MachineAddr table,
                                   int index) {
  return table +
         static_cast<uint64_t>(index) * static_cast<uint64_t>(EntryBytes(mode));
}

}  // namespace xmmu

#endif  // XMMU_MACHINE_PTE_H_
