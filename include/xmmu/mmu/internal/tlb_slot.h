#ifndef XMMU_MMU_INTERNAL_TLB_SLOT_H_
#define XMMU_MMU_INTERNAL_TLB_SLOT_H_

// One cached translation: what it says, and the two pieces in which a Tlb keeps
// it, the 16 bytes that a look-up needs and what few entries have.
//
// Plain values; any thread.

#include <array>
#include <cstddef>
#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/mmu/internal/access_rules.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// One cached translation.
struct TlbEntry {
  uint64_t vpn = 0;  // linear address >> page_shift
  MachineAddr base;  // machine address of the page
  uint16_t pcid = 0;
  uint8_t page_shift = kPageShift;  // 12, 21, 22 or 30
  uint8_t rights = 0;               // namespace rights, key included
  bool global = false;              // matches under any PCID
  // The size of the guest's page where nested tables cut it up ("fractured"); 0
  // if it is as large as the entry.
  uint8_t guest_shift = 0;
  VmTag vm = {};  // a fill takes the Tlb's own

  constexpr bool writable() const { return (rights & rights::kWritable) != 0; }
  constexpr bool user() const { return (rights & rights::kUser) != 0; }
  constexpr bool no_execute() const {
    return (rights & rights::kNoExecute) != 0;
  }
  constexpr bool dirty() const { return (rights & rights::kDirty) != 0; }
  constexpr int protection_key() const { return rights >> rights::kKeyShift; }

  constexpr VirtAddr va() const { return VirtAddr(vpn << page_shift); }
  constexpr uint64_t page_bytes() const { return uint64_t{1} << page_shift; }
  bool operator==(const TlbEntry&) const = default;
};

// An entry as the arrays keep it, without what few entries have (TlbExtras). One
// comparison decides a match: the tag is the linear page address with the PCID
// in its low bits, less what the mask of the entry's kind leaves out.
class TlbSlot {
 public:
  constexpr TlbSlot() = default;  // matches nothing
  constexpr explicit TlbSlot(const TlbEntry& entry)
      : word_((entry.base.value() - entry.va().value()) | KindOf(entry) |
              entry.rights) {
    tag_ = Key(entry.va(), entry.pcid) & mask();
  }

  // A page of 4 KiB around `va`.
  static constexpr TlbSlot Small(VirtAddr va, MachineAddr base, uint16_t pcid,
                                 uint8_t rights, bool global) {
    TlbSlot slot;
    const uint64_t page = va.value() & ~kPageOffsetMask;
    slot.word_ =
        (base.value() - page) | kValid | (global ? kGlobal : 0) | rights;
    slot.tag_ = page | (global ? 0 : pcid);
    return slot;
  }

  static constexpr uint64_t Key(VirtAddr va, uint16_t pcid) {
    return (va.value() & ~kPageOffsetMask) | pcid;
  }
  constexpr bool Matches(uint64_t key) const { return (key & mask()) == tag_; }
  // The same in fewer instructions. REQUIRES: a valid entry of 4 KiB.
  constexpr bool MatchesSmall(uint64_t key) const {
    return key == tag_ || (global() && (key & ~kPageOffsetMask) == tag_);
  }
  constexpr MachineAddr Translate(VirtAddr va) const {
    return MachineAddr(va.value() + (word_ & ~kPageOffsetMask));
  }

  constexpr bool valid() const { return (word_ & kValid) != 0; }
  constexpr bool global() const { return (word_ & kGlobal) != 0; }
  constexpr int page_shift() const {
    return kShifts[word_ >> kSizeShift & (kShifts.size() - 1)];
  }
  // 0 for 4 KiB, 1 for 2 or 4 MiB, 2 for 1 GiB.
  constexpr size_t size_class() const {
    return ((word_ >> kSizeShift & (kShifts.size() - 1)) + 1) >> 1;
  }
  constexpr uint8_t rights() const { return static_cast<uint8_t>(word_); }
  // The page's first linear address.
  constexpr VirtAddr va() const { return VirtAddr(tag_ & ~kPageOffsetMask); }
  // The PCID of an entry that is not global.
  constexpr uint16_t pcid() const {
    return static_cast<uint16_t>(tag_ & kPageOffsetMask);
  }
  // Whether both are valid or not, global or not, and of one page size.
  constexpr bool IsOfKind(const TlbSlot& other) const {
    return ((word_ ^ other.word_) & kKindMask) == 0;
  }

 private:
  // In word_ the machine address minus the linear address is above bit 11, and
  // the rights are in bits 7:0.
  static constexpr uint64_t kValid = 1u << 8;
  static constexpr uint64_t kGlobal = 1u << 9;
  static constexpr int kSizeShift = 10;
  static constexpr uint64_t kKindMask = 0xf00;
  static constexpr std::array<uint8_t, 4> kShifts = {kPageShift, 21, 22, 30};

  // By page shift, the size in its place.
  static constexpr std::array<uint16_t, 32> kSizes = [] {
    std::array<uint16_t, 32> sizes{};
    for (size_t size = 0; size < kShifts.size(); ++size) {
      sizes[kShifts[size]] = static_cast<uint16_t>(size << kSizeShift);
    }
    return sizes;
  }();
  static constexpr uint64_t KindOf(const TlbEntry& entry) {
    return kSizes[entry.page_shift & 31] | kValid |
           (entry.global ? kGlobal : 0);
  }
  // By kind, what of a key its entries compare: neither the page offset nor,
  // if they are global, the PCID. A slot that is not valid compares nothing.
  static constexpr std::array<uint64_t, 16> kMasks = [] {
    std::array<uint64_t, 16> masks{};
    for (size_t size = 0; size < kShifts.size(); ++size) {
      const uint64_t page = ~uint64_t{0} << kShifts[size];
      masks[size << 2 | 1] = page | kPageOffsetMask;
      masks[size << 2 | 3] = page;
    }
    return masks;
  }();
  constexpr uint64_t mask() const { return kMasks[word_ >> 8 & 15]; }

  // This tag matches nothing under the mask of a slot that is not valid.
  uint64_t tag_ = 1;
  uint64_t word_ = 0;
};
static_assert(sizeof(TlbSlot) == 16);

// What else an entry may have, which most have not: a guest whose it is, the
// PCID that a global entry was made under, and the size of the guest's page. As
// one number it is compared and copied at once; 0 is nothing.
class TlbExtras {
 public:
  constexpr TlbExtras() = default;
  constexpr TlbExtras(VmTag vm, const TlbEntry& entry)
      : TlbExtras(vm, entry.guest_shift, entry.global, entry.pcid) {}
  constexpr TlbExtras(VmTag vm, uint8_t guest_shift, bool global, uint16_t pcid)
      : bits_(vm.vpid | uint64_t{vm.root} << 16 | uint64_t{guest_shift} << 24 |
              (global ? uint64_t{pcid} << 32 : 0)) {}

  constexpr uint16_t vpid() const { return static_cast<uint16_t>(bits_); }
  constexpr uint8_t root() const { return static_cast<uint8_t>(bits_ >> 16); }
  constexpr uint8_t guest_shift() const {
    return static_cast<uint8_t>(bits_ >> 24);
  }
  constexpr uint16_t global_pcid() const {
    return static_cast<uint16_t>(bits_ >> 32);
  }
  constexpr bool any() const { return bits_ != 0; }
  constexpr bool BelongsTo(VmTag vm) const {
    return vpid() == vm.vpid && root() == vm.root;
  }

 private:
  uint64_t bits_ = 0;
};

// Whether the guest's page contains `va`, whatever the PCID.
constexpr bool IsOfPage(const TlbSlot& slot, const TlbExtras& extras,
                        VirtAddr va) {
  const int shift =
      extras.guest_shift() != 0 ? extras.guest_shift() : slot.page_shift();
  return ((va.value() ^ slot.va().value()) >> shift) == 0;
}

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_TLB_SLOT_H_
