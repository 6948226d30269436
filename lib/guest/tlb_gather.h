#ifndef XMMU_LIB_GUEST_TLB_GATHER_H_
#define XMMU_LIB_GUEST_TLB_GATHER_H_

// What must be flushed after a change of mappings: a range, and the smallest
// step that visits all of it (Linux: struct mmu_gather, mm/mmu_gather.c). A
// plain value.

#include <algorithm>

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

struct TlbGather {
  VirtAddr start{~uint64_t{0}};
  VirtAddr end;
  int lowest_level = 0;  // of the entries changed; 0: none yet
  bool large = false;    // whether a leaf of a large page is among them

  bool empty() const { return lowest_level == 0; }

  // Adds a changed entry of `level` that maps `va` and what follows. Flushing
  // one page is enough to make the processor forget a whole table.
  void Add(VirtAddr va, int level) {
    start = std::min(start, va);
    end = std::max(end, va + kPageSize);
    lowest_level = empty() ? level : std::min(lowest_level, level);
  }
  // Adds a changed leaf, of a large page if `level` is more than 1.
  void AddLeaf(VirtAddr va, int level) {
    Add(va, level);
    large |= level > 1;
  }
  // Whether nothing smaller than large pages is among them.
  bool only_large() const { return large && lowest_level > 1; }
  uint64_t step(PagingMode mode) const {
    return uint64_t{1} << LevelShift(mode, lowest_level);
  }
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_TLB_GATHER_H_
