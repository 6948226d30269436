#ifndef XMMU_MACHINE_INTERNAL_WORD_BLOCKS_H_
#define XMMU_MACHINE_INTERNAL_WORD_BLOCKS_H_

// The blocks of 4 KiB that PhysMemory keeps the words of frames in. They lie
// together, so that the page tables of a large guest take few of the host's own
// TLB entries.
//
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "xmmu/base/address.h"

namespace xmmu {

class WordBlocks {
 public:
  static constexpr size_t kWords = kPageSize / sizeof(uint64_t);
  struct alignas(kPageSize) Block : std::array<uint64_t, kWords> {};

  WordBlocks() = default;
  WordBlocks(const WordBlocks&) = delete;
  WordBlocks& operator=(const WordBlocks&) = delete;
  ~WordBlocks();

  // Returns a block, whose content is undefined. It stays where it is until
  // Free().
  Block* Alloc();
  void Free(Block* block);

  // Bytes of the blocks in use. The host may give memory to all of a slab at
  // once, as a large page, of which at most one is partly in use; what was freed
  // is used again.
  uint64_t host_bytes() const { return used_ * sizeof(Block); }

 private:
  // The first slab is small, as most machines of tests have few tables; the
  // others are as large as a large page of the host.
  static constexpr size_t kFirstSlabBlocks = 16;
  static constexpr size_t kSlabBlocks = 512;

  void AddSlab();

  std::vector<Block*> slabs_;
  Block* next_ = nullptr;  // [next_, end_) was never given out
  Block* end_ = nullptr;
  std::vector<Block*> free_;
  uint64_t used_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_INTERNAL_WORD_BLOCKS_H_
