#ifndef XMMU_XEN_INTERNAL_PAGE_INFO_H_
#define XMMU_XEN_INTERNAL_PAGE_INFO_H_

// What Xen knows of one machine frame: who owns it, how often it is referred to
// at all (ref_count), and as what (type, type_count).
// Source: Xen 4.17, xen/arch/x86/include/asm/mm.h, struct page_info; the count
// rules are in the head comment of xen/arch/x86/mm.c.
//
// Plain values; single-threaded.

#include <cstdint>

#include "xmmu/base/address.h"

namespace xmmu {

// Xen: domid_t and the DOMID_ constants of xen/include/public/xen.h.
using DomainId = uint16_t;
inline constexpr DomainId kDomSelf = 0x7ff0;
inline constexpr DomainId kDomIo = 0x7ff1;
inline constexpr DomainId kDomXen = 0x7ff2;
inline constexpr DomainId kDomCow = 0x7ff3;
inline constexpr DomainId kDomInvalid = 0x7ff4;  // no owner

// PGT_type_mask. Exclusive: a frame is used as one of these at a time.
enum class PageType : uint8_t {
  kNone,
  kL1,
  kL2,
  kL3,
  kL4,
  kSegDesc,  // GDT or LDT
  kWritable,
  kShared,  // shared copy-on-write, owned by kDomCow
};

constexpr bool IsPageTable(PageType type) {
  return type >= PageType::kL1 && type <= PageType::kL4;
}
// 1 to 4. REQUIRES: IsPageTable(type).
constexpr int LevelOf(PageType type) { return static_cast<int>(type); }
// REQUIRES: 1 <= level <= 4.
constexpr PageType TableType(int level) { return static_cast<PageType>(level); }

// PageInfo::l2_slot of a table that is hooked nowhere yet, only pinned, and of
// one that is hooked at several slots (Xen 3.0: PGT_va_mutable,
// PGT_va_unknown).
inline constexpr uint16_t kL2SlotMutable = 0xffff;
inline constexpr uint16_t kL2SlotMany = 0xfffe;

// Takes 48 bytes of host memory for each frame of a chunk that was touched; see
// FrameTable.
struct PageInfo {
  // count_info
  uint64_t ref_count = 0;  // PGC_count: general references, incl. allocation
  DomainId owner = kDomInvalid;
  bool allocated = false;  // PGC_allocated: the allocation reference is held
  bool xen_heap = false;   // PGC_xen_heap: e.g. the shared-info page
  bool is_ram = true;      // false: a device or a hole in the memory map

  // type_info
  PageType type = PageType::kNone;
  bool validated = false;   // PGT_validated
  bool pinned = false;      // PGT_pinned
  bool pae_xen_l2 = false;  // PGT_pae_xen_l2: kernel-slot L2 of a PAE guest
  // PGT_non_coherent: had a writable write-combining mapping (on CPUs without
  // self-snooping; xmmu always keeps it, nothing depends on it).
  bool non_coherent = false;
  uint64_t type_count = 0;  // PGT_count

  // Valid while the frame is a page table in use: > 0, entries that refer to
  // other tables of its own level; < 0, such entries of others that refer to
  // it.
  int16_t linear_pt_count = 0;
  // Xen 3.0's PGT_va. For a table in use, the one slot of the level above at
  // which it is hooked, in whichever tables; or one of the two values above.
  uint16_t l2_slot = kL2SlotMutable;
  // The TLB clock when type_count last fell to zero; for a table in use, when
  // it was last unhooked from one above.
  uint32_t tlbflush_timestamp = 0;
  // With a known l2_slot, the one table in which this one is hooked;
  // kInvalidMfn if there have been several. Slot and table together are the
  // machine address of the only entry that can refer to it. Xen 3.0 for x86-64
  // kept a virtual address instead, which tells no longer where a table is once
  // the table above it has been hooked elsewhere.
  Mfn hooked_in = kInvalidMfn;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_PAGE_INFO_H_
