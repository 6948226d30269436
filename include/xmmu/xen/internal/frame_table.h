#ifndef XMMU_XEN_INTERNAL_FRAME_TABLE_H_
#define XMMU_XEN_INTERNAL_FRAME_TABLE_H_

// Xen's frame_table: a PageInfo for each machine frame. The table is sparse:
// frames that were never given to anybody take no host memory.
//
// It is only storage; the rules for counts and types are those of
// xmmu/xen/direct/direct_paging.h. Charges nothing. Single-threaded. References
// stay valid for the table's lifetime.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "xmmu/xen/internal/page_info.h"

namespace xmmu {

class FrameTable {
 public:
  // `frames` is the number of machine frames: Mfn 0 to frames - 1 are RAM
  // unless marked otherwise.
  explicit FrameTable(uint64_t frames) : frames_(frames) {}

  uint64_t size() const { return frames_; }

  // Whether `mfn` has a PageInfo (Xen: mfn_valid).
  bool Valid(Mfn mfn) const { return mfn.value() < frames_; }

  // REQUIRES: Valid(mfn). The const form gives a default PageInfo for a frame
  // that was never touched.
  PageInfo& operator[](Mfn mfn) {
    const uint64_t index = mfn.value() >> kChunkBits;
    const uint64_t slot = mfn.value() & kSlotMask;
    if (index < chunks_.size() && chunks_[index] != nullptr) {
      return (*chunks_[index])[slot];
    }
    return MakeChunk(index, slot);
  }
  const PageInfo& operator[](Mfn mfn) const;

 private:
  static constexpr int kChunkBits = 9;
  static constexpr uint64_t kSlotMask = (uint64_t{1} << kChunkBits) - 1;
  using Chunk = std::array<PageInfo, size_t{1} << kChunkBits>;

  // Makes the chunk `index` if there is none; returns `slot` of it.
  PageInfo& MakeChunk(uint64_t index, uint64_t slot);

  uint64_t frames_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
};

}  // namespace xmmu

#endif  // XMMU_XEN_INTERNAL_FRAME_TABLE_H_
