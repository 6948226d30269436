#ifndef XMMU_MMU_INTERNAL_FLUSH_FILTER_H_
#define XMMU_MMU_INTERNAL_FLUSH_FILTER_H_

// AMD K8's TLB flush filter: hardware that watches the lines of the page tables
// which the TLBs and paging-structure caches of one CPU were filled from, and
// keeps a MOV to CR3 from flushing them while none of these lines has been
// stored to, by any CPU. What was cached under another value of CR3 stays, with
// the number of its address space as its tag.
//
//   quiet --a watched line is stored to--> armed
//         --a line more than can be watched--> armed
//         --a control register but CR3 changes, everything is dropped--> armed
//   quiet --MOV CR3: nothing is flushed--> quiet
//   armed --MOV CR3: flush of all address spaces, nothing watched--> quiet
//
// Software cannot tell that the filter is there: a translation that a MOV to
// CR3 must flush is flushed, unless the entries it was made from are unchanged.
// The updates of A and D by page walkers, which change no translation, do not
// count as stores (assumed). Source: see FlushFilterGeometry.
//
// The filter asks machine memory for its stores; the Mmu does the dropping.
// Charges nothing. Single-threaded.

#include <cstdint>
#include <vector>

#include "xmmu/machine/machine_model.h"
#include "xmmu/machine/phys_memory.h"

namespace xmmu {

class FlushFilter {
 public:
  // `memory` outlives the filter.
  FlushFilter(const FlushFilterGeometry& geometry, PhysMemory& memory)
      : geometry_(geometry), memory_(memory) {}

  bool active() const { return geometry_.active(); }

  // Call this when something has been cached from the entry at `addr`.
  // REQUIRES: active().
  void Watch(MachineAddr addr);

  struct Decision {
    bool flush = false;  // drop all that is not global
    // The tag was another address space's; what is cached under it must be
    // dropped.
    bool reused = false;
    uint16_t tag = 0;
  };
  // Decides a MOV to CR3 with `cr3`. If no tag is free, a new address space
  // gets the one that was used least recently. REQUIRES: active().
  Decision LoadCr3(uint64_t cr3);

  // Makes the next MOV to CR3 flush.
  void Arm() { armed_ = true; }

  // The tag under which translations are cached from now on; 0 without a
  // filter.
  uint16_t tag() const { return tag_; }

 private:
  struct Line {
    uint64_t number = 0;
    uint64_t stores = 0;  // count of stores when it was first watched
  };
  struct AddressSpace {
    uint64_t cr3 = 0;
    uint64_t last_use = 0;
  };

  bool MustFlush() const;

  const FlushFilterGeometry geometry_;
  PhysMemory& memory_;
  // The filter starts armed, as it has not watched what was cached before.
  bool armed_ = true;
  std::vector<Line> lines_;
  std::vector<AddressSpace> spaces_;  // by tag
  uint16_t tag_ = 0;
  uint64_t use_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_MMU_INTERNAL_FLUSH_FILTER_H_
