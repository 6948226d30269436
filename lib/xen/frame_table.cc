#include "xmmu/xen/internal/frame_table.h"

#include "xmmu/base/check.h"

namespace xmmu {

PageInfo& FrameTable::MakeChunk(uint64_t index, uint64_t slot) {
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  chunks_[index] = std::make_unique<Chunk>();
  return (*chunks_[index])[slot];
}

const PageInfo& FrameTable::operator[](Mfn mfn) const {
  static constexpr PageInfo kUntouched;
  XMMU_DCHECK(Valid(mfn));
  const uint64_t index = mfn.value() >> kChunkBits;
  if (index >= chunks_.size() || chunks_[index] == nullptr) return kUntouched;
  return (*chunks_[index])[mfn.value() & kSlotMask];
}

}  // namespace xmmu
