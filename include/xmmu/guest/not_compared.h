#ifndef XMMU_GUEST_NOT_COMPARED_H_
#define XMMU_GUEST_NOT_COMPARED_H_

#include <cstdint>

namespace xmmu {

// What a guest's digest leaves out on several vCPUs: `accesses` counts the
// loads from pages that another task may change, and `pages` those pages; what
// is given up of such pages is left out as well, loaded from or not. Which of
// two tasks comes first depends on the vCPUs' clocks. Such a page is one of
// a file or shared object that another process writes in place; or of an
// address space with several threads, which another thread stores to, maps,
// unmaps, discards or moves, or which a fork has copied from there.
// `threaded_spaces` counts the address spaces that have ever had several
// threads, and the copies that forks have made of those: in them, faults that
// are resolved and what is given up are left out as well, as one thread may
// fault in a page for another.
struct NotCompared {
  uint64_t accesses = 0;
  uint64_t pages = 0;
  uint64_t threaded_spaces = 0;
};

}  // namespace xmmu

#endif  // XMMU_GUEST_NOT_COMPARED_H_
