#ifndef XMMU_XEN_INTERNAL_FRAME_TABLE_H_
#define XMMU_XEN_INTERNAL_FRAME_TABLE_H_

// Xen's frame_table: a PageInfo for each machine frame. The table is sparse: a
// range of frames that are alike is one record, whatever its length, and a
// frame takes host memory of its own once it is asked for to be changed. A stamp
// alone, which is all that shadows change, takes 4 bytes.
//
// It is only storage; the rules for counts and types are those of
// xmmu/xen/direct/direct_paging.h. Charges nothing. Single-threaded. References
// stay valid for the table's lifetime.

#include <algorithm>
#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

class FrameTable {
 public:
  // `frames` is the number of machine frames: Mfn 0 to frames - 1 are RAM
  // unless marked otherwise.
  explicit FrameTable(uint64_t frames) : frames_(frames) {}

  uint64_t size() const { return frames_; }
  // Lets the machine have `frames` frames. REQUIRES: no fewer than before.
  void Grow(uint64_t frames) { frames_ = std::max(frames_, frames); }

  // Whether `mfn` has a PageInfo (Xen: mfn_valid).
  bool Valid(Mfn mfn) const { return mfn.value() < frames_; }

  // Returns the PageInfo of `mfn` to be changed; the frame has host memory of
  // its own from then on. REQUIRES: Valid(mfn).
  PageInfo& operator[](Mfn mfn) {
    Slot& slot = own_.At(mfn.value());
    if (ABSL_PREDICT_FALSE(slot.owner == kNotOwn)) MakeOwn(mfn, slot);
    return slot;
  }
  // Returns the PageInfo of `mfn` as it is now. REQUIRES: Valid(mfn).
  PageInfo operator[](Mfn mfn) const {
    const Slot* const slot = own_.Find(mfn.value());
    if (ABSL_PREDICT_TRUE(slot != nullptr && slot->owner != kNotOwn)) {
      return *slot;
    }
    return ByRange(mfn);
  }

  // Returns the same if `mfn` has host memory of its own, or else nullptr.
  PageInfo* FindOwn(Mfn mfn) {
    const Slot* const slot = own_.Find(mfn.value());
    const bool own = slot != nullptr && slot->owner != kNotOwn;
    return ABSL_PREDICT_TRUE(own) ? const_cast<Slot*>(slot) : nullptr;
  }

  // Lets the TLB clock stand at `stamp` in the PageInfo of `mfn`. REQUIRES:
  // Valid(mfn).
  void SetStamp(Mfn mfn, uint32_t stamp) {
    const Slot* const slot = own_.Find(mfn.value());
    const bool own = slot != nullptr && slot->owner != kNotOwn;
    if (own || stamp == kNoStamp) {
      (*this)[mfn].tlbflush_timestamp = stamp;
    } else {
      stamps_.At(mfn.value()) = stamp;
    }
  }

  // Makes each frame of [first, first + count) what `page` says. Takes host
  // memory for one record. REQUIRES: all are valid; nobody holds a reference to
  // one of them.
  void SetRange(Mfn first, uint64_t count, const PageInfo& page);

  // Calls `visit(mfn, count, page)` for all frames of [first, first + count),
  // in pieces of frames that are alike. What it does to `page` it does to all
  // of the piece.
  //
  // In a piece of tables whose slots count up `page` has the first one's slot:
  // see SetSlots().
  void ForEachPiece(Mfn first, uint64_t count,
                    absl::FunctionRef<void(Mfn, uint64_t, PageInfo&)> visit);
  // Frames that are alike.
  struct Piece {
    uint64_t count = 0;
    PageInfo page;
    bool own = false;  // one frame, with host memory of its own or a stamp
  };
  // Returns the piece that begins at `mfn` and has at most `most` frames.
  Piece PieceFrom(Mfn mfn, uint64_t most) const;
  // Returns whether `accept` takes the frames of all such pieces.
  bool AllOf(Mfn first, uint64_t count,
             absl::FunctionRef<bool(const PageInfo&)> accept) const;

  // Lets l2_slot of the frames of [first, first + count) be `slot`, `slot` + 1
  // and so on. REQUIRES: kL2SlotMany is out of reach.
  void SetSlots(Mfn first, uint64_t count, uint16_t slot);

  // Host bytes in use.
  uint64_t host_bytes() const;

 private:
  // No frame belongs to this domain: its PageInfo is that of its range.
  static constexpr DomainId kNotOwn = 0xffff;
  // The stamp of a frame is that of its range.
  static constexpr uint32_t kNoStamp = 0;
  struct Slot : PageInfo {
    Slot() { owner = kNotOwn; }
  };
  // Frames that are alike, but for l2_slot, if it counts up from page.l2_slot.
  struct Range {
    uint64_t count = 0;
    PageInfo page;
    bool slots_count_up = false;

    PageInfo At(uint64_t offset) const {
      PageInfo at = page;
      if (slots_count_up) at.l2_slot = (at.l2_slot + offset) & kL2SlotMutable;
      return at;
    }
  };
  using Ranges = absl::btree_map<Mfn, Range>;  // by the first frame; disjoint

  PageInfo ByRange(Mfn mfn) const;
  void MakeOwn(Mfn mfn, Slot& slot);
  // Lets a range begin at `mfn`, if one goes across.
  void SplitAt(Mfn mfn);
  // The last range that begins at `mfn` or below; end() if there is none.
  Ranges::const_iterator AtOrBelow(Mfn mfn) const;
  // The first frame of [mfn, end) that has host memory of its own or a stamp;
  // `end` if none has.
  Mfn NextOwn(Mfn mfn, Mfn end) const;

  uint64_t frames_;
  SparseArray<Slot> own_;
  SparseArray<uint32_t> stamps_;  // of frames that are not there
  Ranges ranges_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_FRAME_TABLE_H_
