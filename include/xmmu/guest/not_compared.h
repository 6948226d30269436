#ifndef XMMU_GUEST_NOT_COMPARED_H_
#define XMMU_GUEST_NOT_COMPARED_H_

#include <cstdint>

namespace xmmu {

// What a guest's digest leaves out on several vCPUs: `accesses` counts the
// loads from pages that another task may change, and `pages` those pages. Which
// of two tasks comes first depends on the vCPUs' clocks. Such a page is one of
// a file or shared object that another process writes in place; or of an
// address space with several threads, which another thread stores to, maps,
// unmaps or moves. In such an address space, faults and what is given up at its
// end are left out as well, and not counted here.
struct NotCompared {
  uint64_t accesses = 0;
  uint64_t pages = 0;
};

}  // namespace xmmu

#endif  // XMMU_GUEST_NOT_COMPARED_H_
