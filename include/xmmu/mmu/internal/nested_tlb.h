#ifndef XMMU_MMU_INTERNAL_NESTED_TLB_H_
#define XMMU_MMU_INTERNAL_NESTED_TLB_H_

// The nested TLB: guest-physical pages of all sizes and where they are in
// machine memory, each tagged as belonging to a guest. It is fully associative.
//
// Replacement is true LRU (assumed). Charges nothing. Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/optimization.h"
#include "xmmu/base/address.h"
#include "xmmu/base/internal/tag_sets.h"
#include "xmmu/mmu/vm_controls.h"

namespace xmmu {

// A guest-physical page and where it is in machine memory.
struct NestedPage {
  GuestAddr gpa;  // first address of the page
  MachineAddr base;
  uint8_t page_shift = kPageShift;  // 12, 21 or 30
  uint8_t rights = 0;               // namespace nested_rights
  VmTag tag;

  constexpr bool Contains(GuestAddr addr) const {
    return addr.value() >> page_shift == gpa.value() >> page_shift;
  }
  constexpr MachineAddr AddressOf(GuestAddr addr) const {
    return base + (addr - gpa);
  }
  bool operator==(const NestedPage&) const = default;
};

class NestedTlb {
 public:
  static constexpr size_t kNone = ~size_t{0};

  // A TLB of no pages never hits.
  explicit NestedTlb(size_t pages);

  // Returns the number of the entry that holds `gpa` of the guest `tag`, the
  // first if there are several, or kNone. Nothing changes.
  size_t Find(GuestAddr gpa, VmTag tag) const;
  const NestedPage& operator[](size_t entry) const { return pages_[entry]; }
  // Makes an entry the most recently used.
  void Use(size_t entry) { tags_[0].Renew(entry); }
  void Drop(size_t entry);
  // Adds a page, in place of the least recently used one if there is no room.
  void Fill(const NestedPage& page);
  // Drops every page for which `predicate(page)` holds.
  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (size_t i = 0; i < pages_.size(); ++i) {
      if (IsHeld(i) && predicate(pages_[i])) Drop(i);
    }
  }

  // All pages held, for tests and audits.
  std::vector<NestedPage> Entries() const;

 private:
  static constexpr size_t kSizes = 3;
  static constexpr size_t SizeOf(int page_shift) {
    return static_cast<size_t>(page_shift - kPageShift) / 9;
  }
  // Tells most pages apart, but not all.
  static uint32_t TagOf(GuestAddr gpa, int page_shift, VmTag tag) {
    const uint64_t number = gpa.value() >> page_shift;
    const uint32_t owner = uint32_t{tag.vpid} << 8 ^ tag.root;
    return TagSets::PartialTag(static_cast<uint32_t>(number) ^ owner << 8 ^
                               static_cast<uint32_t>(page_shift) << 27);
  }
  bool IsHeld(size_t entry) const { return !tags_[0].IsFree(entry); }
  bool IsAt(size_t entry, GuestAddr gpa, VmTag tag) const {
    const NestedPage& page = pages_[entry];
    return page.Contains(gpa) && page.tag == tag && IsHeld(entry);
  }

  std::vector<NestedPage> pages_;
  TagSets tags_;                         // one set
  std::array<uint32_t, kSizes> held_{};  // pages of each size
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_NESTED_TLB_H_
