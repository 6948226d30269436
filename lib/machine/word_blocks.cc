#include "xmmu/machine/internal/word_blocks.h"

#include <sys/mman.h>

#include <new>

namespace xmmu {

WordBlocks::~WordBlocks() {
  for (size_t i = 0; i < slabs_.size(); ++i) {
    const size_t blocks = i == 0 ? kFirstSlabBlocks : kSlabBlocks;
    ::operator delete(slabs_[i], std::align_val_t(blocks * sizeof(Block)));
  }
}

// Slabs are aligned to their size, as the host's large pages are. Whether it has
// any is its own affair, so what madvise() returns does not matter.
void WordBlocks::AddSlab() {
  const size_t blocks = slabs_.empty() ? kFirstSlabBlocks : kSlabBlocks;
  const size_t bytes = blocks * sizeof(Block);
  next_ = static_cast<Block*>(::operator new(bytes, std::align_val_t(bytes)));
  end_ = next_ + blocks;
  slabs_.push_back(next_);
  if (blocks == kSlabBlocks) madvise(next_, bytes, MADV_HUGEPAGE);
}

WordBlocks::Block* WordBlocks::Alloc() {
  ++used_;
  if (!free_.empty()) {
    Block* const block = free_.back();
    free_.pop_back();
    return block;
  }
  if (next_ == end_) AddSlab();
  return next_++;
}

void WordBlocks::Free(Block* block) {
  free_.push_back(block);
  --used_;
}

}  // namespace xmmu
