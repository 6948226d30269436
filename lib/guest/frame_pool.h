#ifndef XMMU_LIB_GUEST_FRAME_POOL_H_
#define XMMU_LIB_GUEST_FRAME_POOL_H_

// The guest kernel's page allocator: free pseudo-physical frames, last freed
// first, and how many mappings refer to each (Linux: struct page, _count).
// Allocation itself is not charged; whoever asks for a frame charges zeroing
// and copying.

#include <cstdint>
#include <optional>
#include <vector>

#include "xmmu/base/address.h"
#include "xmmu/base/check.h"

namespace xmmu {

class FramePool {
 public:
  // At first the frames [first, end) are free.
  FramePool(Pfn first, Pfn end) : next_(first), end_(end) {
    references_.resize(end.value());
    exclusive_.resize(end.value());
  }

  // Returns a frame with one reference, or nothing when memory is used up.
  std::optional<Pfn> Alloc() {
    Pfn pfn;
    if (!free_.empty()) {
      pfn = free_.back();
      free_.pop_back();
    } else if (next_ < end_) {
      pfn = next_;
      ++next_;
    } else {
      return std::nullopt;
    }
    references_[pfn.value()] = 1;
    exclusive_[pfn.value()] = false;
    return pfn;
  }

  void Get(Pfn pfn) { ++references_[pfn.value()]; }
  // Drops a reference. Returns whether it was the last, so that the frame is
  // free.
  bool Put(Pfn pfn) {
    XMMU_CHECK(references_[pfn.value()] > 0);
    if (--references_[pfn.value()] > 0) return false;
    free_.push_back(pfn);
    return true;
  }
  uint32_t references(Pfn pfn) const { return references_[pfn.value()]; }

  // Whether a page is known to belong to one process alone. A fork loses that
  // knowledge, even if the other process gives the page up (Linux:
  // PageAnonExclusive).
  bool exclusive(Pfn pfn) const { return exclusive_[pfn.value()]; }
  void SetExclusive(Pfn pfn, bool exclusive) {
    exclusive_[pfn.value()] = exclusive;
  }

  uint64_t free_frames() const { return free_.size() + (end_ - next_); }

 private:
  Pfn next_;
  Pfn end_;
  std::vector<Pfn> free_;
  std::vector<uint32_t> references_;
  std::vector<bool> exclusive_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_FRAME_POOL_H_
