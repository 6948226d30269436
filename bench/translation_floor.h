#ifndef XMMU_BENCH_TRANSLATION_FLOOR_H_
#define XMMU_BENCH_TRANSLATION_FLOOR_H_

// The floor under any simulation of translation: a direct-mapped array of 1,024
// translations, and behind it a walk of real 4-level tables that lie one after
// the other in the host's memory. It has one counter, and nothing of a
// processor's: no sets, no replacement, no rights, no cycles.

#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "address_stream.h"
#include "xmmu/base/check.h"
#include "xmmu/machine/pte.h"

namespace xmmu {

class TranslationFloor {
 public:
  explicit TranslationFloor(const Footprint& footprint)
      : page_shift_(footprint.page_shift),
        page_mask_((uint64_t{1} << page_shift_) - 1) {
    const uint64_t span = footprint.pages * footprint.stride;
    // Leaf tables, one more if they begin in the middle, and those above.
    const uint64_t most = (span >> (page_shift_ + 9)) + (span >> 30) + 8;
    bytes_ = most * kPageSize;
    void* const memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    XMMU_CHECK(memory != MAP_FAILED);
    // Large pages of the host make the floor lower.
    madvise(memory, bytes_, MADV_HUGEPAGE);
    tables_ = static_cast<char*>(memory);
  }
  TranslationFloor(const TranslationFloor&) = delete;
  TranslationFloor& operator=(const TranslationFloor&) = delete;
  ~TranslationFloor() { munmap(tables_, bytes_); }

  // Maps the page at `va` to the one at `frame`.
  void Map(VirtAddr va, Mfn frame) {
    *LeafOf(va, /*make=*/true) = LeafEntry(frame);
  }
  void Unmap(VirtAddr va) {
    *LeafOf(va, /*make=*/false) = 0;
    slots_[SlotOf(va.value() >> page_shift_)].page = ~uint64_t{0};
  }

  uint64_t hits = 0;

  // Returns where `va` is mapped to, or 0.
  uint64_t Translate(VirtAddr va) {
    const uint64_t page = va.value() >> page_shift_;
    Slot& slot = slots_[SlotOf(page)];
    if (slot.page == page) {
      ++hits;
    } else {
      const uint64_t leaf = Walk(va.value());
      if ((leaf & pte::kPresent) == 0) return 0;
      slot = {page, leaf & kFrameMask};
    }
    return slot.frame | (va.value() & page_mask_);
  }

 private:
  static constexpr uint64_t kFrameMask =
      ((uint64_t{1} << 52) - 1) & ~kPageOffsetMask;
  static constexpr uint64_t kSlots = 1024;

  struct Slot {
    uint64_t page = ~uint64_t{0};
    uint64_t frame = 0;
  };

  static uint64_t SlotOf(uint64_t page) { return page % kSlots; }
  uint64_t LeafEntry(Mfn frame) const {
    return AddressOf(frame).value() | pte::kPresent |
           (page_shift_ > kPageShift ? pte::kPageSize : 0);
  }
  // The entry of `table`, a byte offset, for `va` at the level whose entries
  // map 1 << shift bytes.
  uint64_t& Entry(uint64_t table, uint64_t va, int shift) const {
    return *reinterpret_cast<uint64_t*>(tables_ + table +
                                        ((va >> shift) & 511) * 8);
  }
  uint64_t Walk(uint64_t va) const {
    uint64_t entry = Entry(0, va, 39);
    for (int shift = 30; shift >= kPageShift; shift -= 9) {
      if ((entry & pte::kPresent) == 0) return 0;
      entry = Entry(entry & kFrameMask, va, shift);
      if (shift > kPageShift && (entry & pte::kPageSize) != 0) return entry;
    }
    return entry;
  }
  uint64_t* LeafOf(VirtAddr va, bool make) {
    uint64_t table = 0;
    for (int shift = 39; shift > page_shift_; shift -= 9) {
      uint64_t& entry = Entry(table, va.value(), shift);
      if (entry == 0) {
        XMMU_CHECK(make && (used_ + 1) * kPageSize <= bytes_);
        entry = used_++ * kPageSize | pte::kPresent;
      }
      table = entry & kFrameMask;
    }
    return &Entry(table, va.value(), page_shift_);
  }

  const int page_shift_;
  const uint64_t page_mask_;
  char* tables_ = nullptr;
  std::array<Slot, kSlots> slots_;
  uint64_t used_ = 1;  // tables, the root among them
  uint64_t bytes_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_BENCH_TRANSLATION_FLOOR_H_
