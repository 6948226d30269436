#ifndef XMMU_XEN_SHADOW_SHADOW_SHAPE_H_
#define XMMU_XEN_SHADOW_SHADOW_SHAPE_H_

// How the tables of a guest's paging mode are shadowed by those of another: the
// processor walks tables of the shadow mode, the guest believes in its own.
//
//   guest     shadow    a guest table takes
//   2-level   2-level   one shadow of its level
//   2-level   PAE       L1: 2 shadow L1s; L2: 4 shadow L2s, two entries for one
//   PAE       PAE       one; the guest's L3 is in its PDPTE registers
//   4-level   4-level   one
//
// In PAE shadows the L3 is the hypervisor's own, four entries a vCPU, and no
// shadow of anything.
// Source: Xen 3.0.3, xen/arch/x86/mm/shadow/multi.c (GUEST_PAGING_LEVELS,
// SHADOW_PAGING_LEVELS) and types.h.
//
// Plain values; any thread.

#include <cstdint>

#include "xmmu/base/address.h"
#include "xmmu/machine/paging_mode.h"

namespace xmmu {

class ShadowShape {
 public:
  // REQUIRES: a pair of the table above.
  constexpr ShadowShape(PagingMode guest, PagingMode shadow)
      : guest_(guest), shadow_(shadow) {}

  constexpr PagingMode guest() const { return guest_; }
  constexpr PagingMode shadow() const { return shadow_; }

  // Highest level that there are shadows of.
  constexpr int top_level() const {
    return shadow_ == PagingMode::kPae ? 2 : LevelCount(shadow_);
  }
  // Whether an L3 of the hypervisor's own lies above the shadows.
  constexpr bool own_l3() const { return shadow_ == PagingMode::kPae; }

  // Entries of a shadow table.
  constexpr int entries() const { return EntryCount(shadow_, 1); }

  // Shadow tables that one guest table of `level` takes.
  constexpr int Parts(int level) const {
    return static_cast<int>(GuestSpan(level) / ShadowSpan(level));
  }

  // The one of them that `va` is in, and its slot there.
  constexpr int PartOf(int level, VirtAddr va) const {
    return static_cast<int>((va.value() & (GuestSpan(level) - 1)) /
                            ShadowSpan(level));
  }
  constexpr int IndexIn(int level, VirtAddr va) const {
    return IndexOf(shadow_, level, va);
  }

  // Slot of the guest entry that governs slot `index` of part `part`.
  constexpr int GuestIndex(int level, int part, int index) const {
    const auto slot = static_cast<uint64_t>(part * entries() + index);
    return static_cast<int>(slot << LevelShift(shadow_, level) >>
                            LevelShift(guest_, level));
  }

  // Frames of a large page of the shadow's.
  constexpr uint64_t large_frames() const {
    return uint64_t{1} << (LevelShift(shadow_, 2) - kPageShift);
  }

 private:
  // Bytes that a table of `level` maps.
  constexpr uint64_t GuestSpan(int level) const {
    return static_cast<uint64_t>(EntryCount(guest_, level))
           << LevelShift(guest_, level);
  }
  constexpr uint64_t ShadowSpan(int level) const {
    return static_cast<uint64_t>(EntryCount(shadow_, level))
           << LevelShift(shadow_, level);
  }

  PagingMode guest_;
  PagingMode shadow_;
};

static_assert(ShadowShape(PagingMode::k2Level, PagingMode::kPae).Parts(1) == 2);
static_assert(ShadowShape(PagingMode::k2Level, PagingMode::kPae).Parts(2) == 4);
static_assert(ShadowShape(PagingMode::kPae, PagingMode::kPae).Parts(2) == 1);
static_assert(ShadowShape(PagingMode::k4Level, PagingMode::k4Level).Parts(4) ==
              1);

}  // namespace xmmu

#endif  // XMMU_XEN_SHADOW_SHADOW_SHAPE_H_
