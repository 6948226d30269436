#ifndef XMMU_GUEST_NOT_COMPARED_H_
#define XMMU_GUEST_NOT_COMPARED_H_

#include <cstdint>

namespace xmmu {

// What a guest's digest leaves out on several vCPUs: `accesses` counts the
// loads from pages that another process writes in place, and `pages` those
// pages. Which of two processes comes first depends on the vCPUs' clocks.
struct NotCompared {
  uint64_t accesses = 0;
  uint64_t pages = 0;
};

}  // namespace xmmu

#endif  // XMMU_GUEST_NOT_COMPARED_H_
