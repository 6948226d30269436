#ifndef XMMU_XEN_INTERNAL_PAGE_INFO_H_
#define XMMU_XEN_INTERNAL_PAGE_INFO_H_

// What Xen knows of one machine frame: who owns it, how often it is referred to
// at all (ref_count), and as what (type, type_count).
// Source: Xen 4.17, xen/arch/x86/include/asm/mm.h, struct page_info; the count
// rules are in the head comment of xen/arch/x86/mm.c.
//
// Plain values; single-threaded.

#include <array>
#include <cstddef>
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

// "l1", "writable": a literal.
constexpr const char* PageTypeName(PageType type) {
  constexpr const char* kNames[] = {"none", "l1",       "l2",       "l3",
                                    "l4",   "seg_desc", "writable", "shared"};
  return kNames[static_cast<size_t>(type)];
}

constexpr bool IsPageTable(PageType type) {
  return type >= PageType::kL1 && type <= PageType::kL4;
}
// 1 to 4. REQUIRES: IsPageTable(type).
constexpr int LevelOf(PageType type) { return static_cast<int>(type); }
// REQUIRES: 1 <= level <= 4.
constexpr PageType TableType(int level) { return static_cast<PageType>(level); }

// A slot of a table, up to 1,023, in kL2SlotBits bits. PageInfo::l2_slot of a
// table that is hooked nowhere yet, only pinned, and of one that is hooked at
// several slots (Xen 3.0: PGT_va_mutable, PGT_va_unknown).
inline constexpr int kL2SlotBits = 11;
inline constexpr uint16_t kL2SlotMutable = 0x7ff;
inline constexpr uint16_t kL2SlotMany = 0x7fe;

// A frame number in 5 bytes: machine addresses have at most 52 bits.
class PackedMfn {
 public:
  constexpr PackedMfn() = default;  // kInvalidMfn
  constexpr PackedMfn& operator=(Mfn mfn) {
    for (size_t i = 0; i < bytes_.size(); ++i) {
      bytes_[i] = static_cast<uint8_t>(mfn.value() >> 8 * i);
    }
    return *this;
  }
  constexpr operator Mfn() const {  // NOLINT(google-explicit-constructor)
    uint64_t value = 0;
    for (size_t i = 0; i < bytes_.size(); ++i) {
      value |= static_cast<uint64_t>(bytes_[i]) << 8 * i;
    }
    return value == kAllOnes ? kInvalidMfn : Mfn(value);
  }
  constexpr bool operator==(const PackedMfn&) const = default;

 private:
  static constexpr uint64_t kAllOnes = (uint64_t{1} << 40) - 1;
  std::array<uint8_t, 5> bytes_ = {0xff, 0xff, 0xff, 0xff, 0xff};
};

// Takes 24 bytes of host memory; see FrameTable.
struct PageInfo {
  // Xen 3.0's PGT_va. For a table in use, the one slot of the level above at
  // which it is hooked, in whichever tables; or one of the two values above.
  uint16_t l2_slot : kL2SlotBits = kL2SlotMutable;
  // count_info
  bool allocated : 1 =
      false;                  // PGC_allocated: the allocation reference is held
  bool xen_heap : 1 = false;  // PGC_xen_heap: e.g. the shared-info page
  bool is_ram : 1 = true;     // false: a device or a hole in the memory map

  // type_info
  bool validated : 1 = false;  // PGT_validated
  bool pinned : 1 = false;     // PGT_pinned
  PageType type : 3 = PageType::kNone;
  bool pae_xen_l2 : 1 = false;  // PGT_pae_xen_l2: kernel-slot L2 of a PAE guest
  // PGT_non_coherent: had a writable write-combining mapping (on CPUs without
  // self-snooping; xmmu always keeps it, nothing depends on it).
  bool non_coherent : 1 = false;

  // With a known l2_slot, the one table in which this one is hooked;
  // kInvalidMfn if there have been several. Slot and table together are the
  // machine address of the only entry that can refer to it. Xen 3.0 for x86-64
  // kept a virtual address instead, which tells no longer where a table is once
  // the table above it has been hooked elsewhere.
  PackedMfn hooked_in;

  // The counts have 32 bits here, more than a machine has entries: so many
  // would take tables of 32 GiB.
  uint32_t ref_count = 0;   // PGC_count: general references, incl. allocation
  uint32_t type_count = 0;  // PGT_count
  // The TLB clock when type_count last fell to zero; for a table in use, when
  // it was last unhooked from one above.
  uint32_t tlbflush_timestamp = 0;
  DomainId owner = kDomInvalid;
  // Valid while the frame is a page table in use: > 0, entries that refer to
  // other tables of its own level; < 0, such entries of others that refer to
  // it.
  int16_t linear_pt_count = 0;

  bool operator==(const PageInfo&) const = default;
};
static_assert(sizeof(PageInfo) == 24);

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_PAGE_INFO_H_
