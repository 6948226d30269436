#ifndef XMMU_TESTING_CONFORMANCE_GUEST_VIEW_H_
#define XMMU_TESTING_CONFORMANCE_GUEST_VIEW_H_

// A guest's memory as the guest itself means it to be, read from its tables by
// hand: every page of every live process with its rights, flags, frame and
// content. And whether the processors, as they stand, agree with it.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "testing/conformance/world.h"

namespace xmmu::conformance {

// One leaf entry of a process that is not empty.
struct GuestPage {
  VirtAddr va;
  int shift = kPageShift;  // log2 of the page's bytes
  // As the walk accumulates them: P, RW, US, XD; and the entry's own A and D.
  // Without P those of the entry alone (PROT_NONE keeps the page).
  uint64_t flags = 0;
  Pfn pfn;               // of its first frame
  uint64_t content = 0;  // of the frames: all their words, and their tokens

  uint64_t bytes() const { return uint64_t{1} << shift; }
  bool Allows(AccessKind kind) const;
};

// The pages of a process, by address.
using GuestPages = std::vector<GuestPage>;

// The processes of a guest, by number.
struct GuestView {
  std::map<TaskId, GuestPages> processes;
  // What no kernel would have in its tables; "" if nothing.
  std::string wrong;
};

// Reads the tables of `tasks`, which live.
GuestView ViewOf(World& world, std::span<const TaskId> tasks);

// The first difference between two views in words, "" if there is none. Frames
// may have other numbers in the one than in the other, but pages that share one
// in the one do in the other.
std::string FirstDifference(const GuestView& expected, const GuestView& got);

// How a processor could now do in user mode what `view` does not allow the
// process whose tables are loaded there, or reach another frame: by the tables
// that it walks, or by its TLBs. Where nothing may be kept from the processor
// (no table is open for writing, tables are not shadowed), also what it could
// not do though allowed. "" if it is right.
std::string FirstStale(World& world, const GuestView& view);

}  // namespace xmmu::conformance

#endif  // XMMU_TESTING_CONFORMANCE_GUEST_VIEW_H_
