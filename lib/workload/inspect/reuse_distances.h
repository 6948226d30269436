#ifndef XMMU_LIB_WORKLOAD_INSPECT_REUSE_DISTANCES_H_
#define XMMU_LIB_WORKLOAD_INSPECT_REUSE_DISTANCES_H_

// Reuse distances, exactly: how many other pages were touched between two
// touches of one page. They say at once how often an LRU cache of any size
// misses, since it misses what has a distance of at least its size (Mattson,
// Gecsei, Slutz, Traiger, "Evaluation techniques for storage hierarchies", IBM
// Systems Journal 9(2), 1970).
//
// A touch takes O(log n) for n pages, and next to nothing if the page is among
// the last few. It keeps about 60 bytes a page (27 to 55 in the hash table, 8 in
// the counts, 1 in the tree), and nothing for a touch. Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace xmmu {

class ReuseDistances {
 public:
  // A page of one address space. Plain numbers.
  struct Page {
    uint64_t space = 0;
    uint64_t number = 0;
    bool operator==(const Page&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const Page& page) {
      return H::combine(std::move(state), page.space, page.number);
    }
  };

  // Counts a touch of `page`.
  void Touch(const Page& page) {
    if (recent_count_ > 0 && recent_[0] == page) {
      ++by_distance_[0];
      return;
    }
    TouchOther(page);
  }

  // Touches so far.
  uint64_t touches() const;
  // Pages so far; each of them was touched once for the first time.
  uint64_t pages() const { return pages_; }
  // Touches that miss a fully associative LRU cache of that many pages, the
  // first ones of each page included.
  uint64_t MissesOf(uint64_t entries) const;

 private:
  // The pages touched last stand in an array, the latest first; any other page
  // has a slot, a higher one the later it left the array.
  static constexpr size_t kRecent = 8;
  static constexpr uint32_t kFirstSlots = 1024;

  void TouchOther(const Page& page);
  // Puts `page` before the others in the array; of kRecent + 1 the last one
  // gets a slot.
  void PutFirst(const Page& page);
  void Count(uint64_t distance);
  // Slots that are taken below `slot`.
  uint32_t Rank(uint32_t slot) const;
  void SetSlot(uint32_t slot, bool taken);
  // Gives the pages the slots 0, 1, ... in their order, and makes room.
  void Renumber();

  std::array<Page, kRecent> recent_;
  size_t recent_count_ = 0;
  absl::flat_hash_map<Page, uint32_t> slots_;
  // A bit for each slot, and a Fenwick tree over the words of them.
  std::vector<uint64_t> taken_;
  std::vector<uint32_t> tree_;
  uint32_t next_slot_ = 0;
  std::vector<uint64_t> by_distance_{0};
  uint64_t pages_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_REUSE_DISTANCES_H_
