#ifndef XMMU_LIB_GUEST_FRAME_POOL_H_
#define XMMU_LIB_GUEST_FRAME_POOL_H_

// The guest kernel's page allocator: free pseudo-physical frames, last freed
// first, and how many mappings refer to each (Linux: struct page, _refcount);
// and blocks of them for large pages (compound pages).
// Allocation itself is not charged; whoever asks for a frame charges zeroing
// and copying.
//
// A block is mapped as a whole, by large entries, or frame by frame. Its
// mappings are counted together, as Linux counts those of a compound page in
// its head: a large entry is one reference, each entry of a frame one. Frames
// that neither kind of entry maps are free at once (simplified: Linux keeps
// those of a split page until memory runs short, deferred_split_scan).

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "guest/free_units.h"
#include "xmmu/base/address.h"
#include "xmmu/base/check.h"
#include "xmmu/base/internal/sparse_array.h"

namespace xmmu {

class FramePool {
 public:
  // At first the frames [first, end) are free. Blocks have a multiple of `unit`
  // frames; they are aligned as the guest's tables number frames, in which
  // frame 0 has the number `number_of_0`.
  FramePool(Pfn first, Pfn end, uint64_t number_of_0 = 0, uint64_t unit = 512)
      : next_(first), end_(end), number_of_0_(number_of_0), unit_(unit) {}

  // Returns a frame with one reference, or nothing when memory is used up.
  std::optional<Pfn> Alloc() {
    Pfn pfn;
    if (free_count_ > 0) {
      pfn = PopFree();
    } else if (next_ < end_ || OpenUnit()) {
      pfn = next_;
      ++next_;
    } else {
      return std::nullopt;
    }
    if (keeps_units_) CountFree(pfn, -1);
    frames_.At(pfn.value()) = Frame{.references = 1};
    return pfn;
  }

  void Get(Pfn pfn) {
    Frame& frame = frames_.At(pfn.value());
    ++frame.references;
    if (frame.in_block) ++BlockOf(pfn).references;
  }
  // Drops a reference. Returns whether it was the last, so that the frame is
  // free.
  bool Put(Pfn pfn) {
    Frame& frame = frames_.At(pfn.value());
    XMMU_CHECK(!frame.free && frame.references > 0);
    --frame.references;
    if (frame.in_block) return PutOfBlock(pfn, frame);
    if (frame.references > 0) return false;
    Free(pfn);
    return true;
  }
  // Returns the references to a frame, or to the whole block that it is part of
  // (Linux: page_count).
  uint64_t references(Pfn pfn) const {
    const Frame frame = frames_.Get(pfn.value());
    if (frame.free) return 0;
    if (!frame.in_block) return frame.references;
    return const_cast<FramePool*>(this)->BlockOf(pfn).references;
  }

  // Whether a page is known to belong to one process alone. A fork loses that
  // knowledge, even if the other process gives the page up (Linux:
  // PageAnonExclusive). A block mapped as a whole has it in its first frame.
  bool exclusive(Pfn pfn) const { return frames_.Get(pfn.value()).exclusive; }
  void SetExclusive(Pfn pfn, bool exclusive) {
    frames_.At(pfn.value()).exclusive = exclusive;
  }

  // Returns the first of `frames` frames in one piece and aligned to their
  // number, mapped as a whole once; or nothing if there are none. Free frames
  // are joined to blocks when there are no other blocks. REQUIRES: `frames` is
  // a power of two, and no less than `unit`.
  std::optional<Pfn> AllocBlock(uint64_t frames);
  // Adds a mapping of the whole block at `head`.
  void GetBlock(Pfn head);
  // Drops one.
  void PutBlock(Pfn head);
  // Turns a mapping of the whole block into one of each of its frames
  // (__split_huge_pmd_locked). What is known of the owner holds for each.
  void SplitBlock(Pfn head);

  uint64_t free_frames() const {
    return free_count_ + (end_ - next_) + free_units_.size() * unit_ +
           (spare_end_ - spare_);
  }

  // Host bytes in use: 4 for each frame near one that was ever taken; whole free
  // units take next to none.
  uint64_t host_bytes() const;

 private:
  struct Frame {
    // Of a frame that is free singly: the one that was freed before it, or
    // kFarLink.
    uint32_t references : 29 = 0;
    bool exclusive : 1 = false;
    bool in_block : 1 = false;
    bool free : 1 = false;
  };
  static_assert(sizeof(Frame) == 4);
  struct Block {
    uint64_t frames = 0;
    uint64_t left = 0;        // frames that are not free
    uint64_t references = 0;  // of both kinds
    uint64_t whole = 0;       // mappings of the whole
  };

  // Returns the block that `pfn` is part of. REQUIRES: it is part of one.
  Block& BlockOf(Pfn pfn) { return blocks_.find(HeadOf(pfn))->second; }
  Pfn HeadOf(Pfn pfn) const { return Pfn(head_of_unit_.Get(UnitOf(pfn))); }
  void Free(Pfn pfn) {
    PushFree(pfn);
    if (keeps_units_) CountFree(pfn, +1);
  }

  // --- Single frames that are free, the last freed first: each frame's word
  // names the next, so that they take no memory of their own.
  static constexpr uint32_t kFarLink = (1u << 29) - 1;
  void PushFree(Pfn pfn) {
    const bool far = last_free_.value() >= kFarLink;
    if (far) far_links_.push_back(last_free_);
    const auto link =
        far ? kFarLink : static_cast<uint32_t>(last_free_.value());
    frames_.At(pfn.value()) = {.references = link & kFarLink, .free = true};
    last_free_ = pfn;
    ++free_count_;
  }
  // Takes the last one from the list; its word is to be written. REQUIRES:
  // there is one.
  Pfn PopFree() {
    const Pfn pfn = last_free_;
    const uint32_t link = frames_.Get(pfn.value()).references;
    last_free_ = Pfn(link);
    if (link == kFarLink) {
      last_free_ = far_links_.back();
      far_links_.pop_back();
    }
    --free_count_;
    return pfn;
  }
  // Goes on with Put() of a frame of a block.
  bool PutOfBlock(Pfn pfn, const Frame& frame);
  // Takes a frame that nobody maps out of its block and frees it.
  void FreeOfBlock(Pfn pfn, Pfn head, Block& block);

  // --- Units are what blocks are made of: aligned runs of `unit` frames.
  uint64_t UnitOf(Pfn pfn) const {
    return (pfn.value() + number_of_0_) / unit_ - number_of_0_ / unit_;
  }
  Pfn StartOf(uint64_t unit) const {
    return Pfn((unit + number_of_0_ / unit_) * unit_ - number_of_0_);
  }
  // Empties the list of single free frames. Returns them, first freed first.
  std::vector<Pfn> TakeAllFree();
  void CountFree(Pfn pfn, int change);
  // Begins to keep units, when the first block is asked for.
  void BeginUnits();
  // Lets single frames be taken from the lowest free unit. Returns whether
  // there is one.
  bool OpenUnit();
  // Makes units of the single frames that are free.
  void JoinFrames();

  // Frames that were never given out, or those of an opened unit.
  Pfn next_;
  Pfn end_;
  uint64_t number_of_0_;
  uint64_t unit_;
  Pfn last_free_;
  uint64_t free_count_ = 0;
  std::vector<Pfn> far_links_;  // links that name frames from 2 TiB on
  SparseArray<Frame> frames_;

  // These are empty until the first block is asked for.
  bool keeps_units_ = false;
  SparseArray<uint32_t> free_in_unit_;  // single frames, by unit
  uint64_t full_units_ = 0;             // all of whose frames are free singly
  FreeUnits free_units_;
  SparseArray<uint64_t> head_of_unit_;  // the block that frames of it are in
  absl::flat_hash_map<Pfn, Block> blocks_;  // by head; never iterated
  Pfn spare_;  // [spare_, spare_end_) is the unaligned end of memory
  Pfn spare_end_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_FRAME_POOL_H_
