#ifndef XMMU_LIB_WORKLOAD_INSPECT_PAGE_SET_H_
#define XMMU_LIB_WORKLOAD_INSPECT_PAGE_SET_H_

// The pages of one address space that were touched, and how.
//
// It keeps 192 bytes for each 2 MiB of addresses in which anything was touched,
// so at most that for a page, and less than half a byte for one among others.
// Single-threaded.

#include <array>
#include <cstdint>

#include "absl/container/flat_hash_map.h"

namespace xmmu {

// How often each kind of touch has met a page for the first time.
struct PageCounts {
  uint64_t touched = 0;  // pages of 4 KiB
  uint64_t fetched = 0;
  uint64_t written = 0;
  uint64_t regions = 0;  // of 2 MiB, in which anything was touched
};

class PageSet {
 public:
  enum class Touch : uint8_t { kFetched, kRead, kWritten };

  // Adds the page with that number to the set, and to `counts` if it is new.
  void Add(uint64_t page, Touch touch, PageCounts& counts);

 private:
  static constexpr int kPageBits = 9;  // pages of a region
  using Bits = std::array<uint64_t, (1 << kPageBits) / 64>;
  struct Region {
    Bits touched{};
    Bits fetched{};
    Bits written{};
  };

  absl::flat_hash_map<uint64_t, Region> regions_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_PAGE_SET_H_
