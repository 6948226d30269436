#ifndef XMMU_TESTS_MMU_NAIVE_TLB_H_
#define XMMU_TESTS_MMU_NAIVE_TLB_H_

// A model of the TLBs that states the rules of mmu/internal/tlb.h and nothing
// else: plain arrays of ways with a time of last use, looked through from end
// to end. It has no hints, bitmaps, filter tags or stamps that run out.
//
// Single-threaded.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "xmmu/mmu/internal/tlb.h"

namespace xmmu {

class NaiveTlb {
 public:
  explicit NaiveTlb(const TlbGeometry& geometry)
      : unified_l2_(geometry.unified_l2),
        levels_{Level(geometry.instruction_l1), Level(geometry.data_l1),
                unified_l2_ ? Level() : Level(geometry.instruction_l2),
                Level(geometry.data_l2)} {}

  // Return the entry that a look-up finds and make it the most recently used.
  std::optional<TlbEntry> FindL1(TlbSide side, VirtAddr va, uint16_t pcid) {
    return Use(L1(side).Find(va, pcid, *this));
  }
  std::optional<TlbEntry> FindL2(TlbSide side, VirtAddr va, uint16_t pcid) {
    return Use(L2(side).Find(va, pcid, *this));
  }
  // The number of entries of L1 that would serve the access.
  size_t CountL1(TlbSide side, VirtAddr va, uint16_t pcid) {
    size_t count = 0;
    for (const Array& array : L1(side).arrays) {
      for (const Way& way : array.ways) count += Serves(way, va, pcid);
    }
    return count;
  }

  void Refill(TlbSide side, const TlbEntry& entry) {
    L1(side).Fill(entry, ++now_);
  }
  // As a walk does; the guest in force becomes the entry's.
  void Fill(TlbSide side, TlbEntry entry) {
    entry.vm = vm_;
    Refill(side, entry);
    L2(side).Fill(entry, ++now_);
  }
  void FillExecuteOnly(TlbEntry entry) {
    entry.vm = vm_;
    Refill(TlbSide::kInstruction, entry);
  }

  template <typename Predicate>
  void DropIf(Predicate predicate) {
    for (Level& level : levels_) {
      for (Array& array : level.arrays) {
        for (Way& way : array.ways) {
          if (way.used != 0 && predicate(way.entry)) way.used = 0;
        }
      }
    }
  }
  void SetVm(VmTag vm) { vm_ = vm; }
  VmTag vm() const { return vm_; }
  void SetLargeShift(int shift) {
    if (shift == large_shift_) return;
    large_shift_ = shift;
    DropIf([](const TlbEntry&) { return true; });
  }

  std::vector<TlbEntry> Entries() const {
    std::vector<TlbEntry> entries;
    for (const Level& level : levels_) {
      for (const Array& array : level.arrays) {
        for (const Way& way : array.ways) {
          if (way.used != 0) entries.push_back(way.entry);
        }
      }
    }
    return entries;
  }

  // Whether the page of an entry contains `va` and its PCID serves.
  static bool Matches(const TlbEntry& entry, VirtAddr va, uint16_t pcid) {
    return va.value() >> entry.page_shift == entry.vpn &&
           (entry.global || entry.pcid == pcid);
  }

 private:
  struct Way {
    uint64_t used = 0;  // 0: free
    TlbEntry entry;
  };
  struct Array {
    uint8_t sizes = 0;
    size_t associativity = 0;
    std::vector<Way> ways;

    Way* SetOf(uint64_t vpn) {
      const size_t sets = ways.size() / associativity;
      return &ways[vpn % sets * associativity];
    }
  };

  static int SizeOf(const TlbEntry& entry) {
    return entry.page_shift == kPageShift ? 0 : entry.page_shift == 30 ? 2 : 1;
  }

  struct Level {
    Level() = default;
    explicit Level(const std::array<TlbArrayGeometry, 3>& geometry) {
      for (const TlbArrayGeometry& shape : geometry) {
        if (shape.entries == 0) continue;
        Array array;
        array.sizes = shape.page_sizes;
        array.associativity = shape.ways == 0 ? shape.entries : shape.ways;
        array.ways.resize(shape.entries);
        arrays.push_back(array);
      }
    }
    Array* ArrayOf(int size) {
      for (Array& array : arrays) {
        if ((array.sizes >> size & 1) != 0) return &array;
      }
      return nullptr;
    }
    // The smallest page size with an entry that serves decides the set; in it
    // the first way that serves does, whatever its size.
    Way* Find(VirtAddr va, uint16_t pcid, const NaiveTlb& tlb) {
      for (int size = 0; size < 3; ++size) {
        Array* const array = ArrayOf(size);
        if (array == nullptr) continue;
        Way* const set = array->SetOf(va.value() >> tlb.ShiftOf(size));
        Way* first = nullptr;
        bool of_size = false;
        for (Way* way = set; way != set + array->associativity; ++way) {
          if (!tlb.Serves(*way, va, pcid)) continue;
          if (first == nullptr) first = way;
          of_size |= SizeOf(way->entry) == size;
        }
        if (of_size) return first;
      }
      return nullptr;
    }
    // A free way goes first, then the one that was not used for longest.
    void Fill(const TlbEntry& entry, uint64_t now) {
      Array* const array = ArrayOf(SizeOf(entry));
      if (array == nullptr) return;
      Way* const set = array->SetOf(entry.vpn);
      *std::min_element(set, set + array->associativity,
                        [](const Way& a, const Way& b) {
                          return a.used < b.used;
                        }) = {now, entry};
    }
    std::vector<Array> arrays;
  };

  int ShiftOf(int size) const {
    return size == 0 ? kPageShift : size == 2 ? 30 : large_shift_;
  }
  bool Serves(const Way& way, VirtAddr va, uint16_t pcid) const {
    return way.used != 0 && way.entry.vm == vm_ && Matches(way.entry, va, pcid);
  }
  std::optional<TlbEntry> Use(Way* way) {
    if (way == nullptr) return std::nullopt;
    way->used = ++now_;
    return way->entry;
  }
  Level& L1(TlbSide side) { return levels_[static_cast<size_t>(side)]; }
  Level& L2(TlbSide side) {
    return levels_[unified_l2_ ? 3 : 2 + static_cast<size_t>(side)];
  }

  bool unified_l2_;
  std::array<Level, 4> levels_;
  uint64_t now_ = 0;
  VmTag vm_;
  int large_shift_ = 21;
};

}  // namespace xmmu

#endif  // XMMU_TESTS_MMU_NAIVE_TLB_H_
