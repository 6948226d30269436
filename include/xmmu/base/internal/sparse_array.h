#ifndef XMMU_BASE_INTERNAL_SPARSE_ARRAY_H_
#define XMMU_BASE_INTERNAL_SPARSE_ARRAY_H_

// An array of values by frame number, most of which have the value that T() has.
// It takes host memory for chunks of 2^kChunkBits neighbours in which one has
// been changed, and for a directory of them: two dependent loads, which the
// host's first cache holds, lead to a value. Small chunks suit values that few
// frames have, large ones those that most have.
//
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"

namespace xmmu {

namespace sparse_array {

inline constexpr int kMidBits = 12;
using Mid = std::array<void*, size_t{1} << kMidBits>;  // to chunks
// What stands where there are no chunks yet, so that a look-up need not ask.
inline constexpr Mid kNoChunks{};

}  // namespace sparse_array

template <typename T, int kChunkBits = 12>
class SparseArray {
 public:
  // Returns the value at `index`, or nullptr if none near it was ever changed.
  const T* Find(uint64_t index) const {
    if (ABSL_PREDICT_FALSE(index >= limit_)) return nullptr;
    const Mid& mid = *top_[index >> (kChunkBits + kMidBits)];
    const void* const chunk = mid[index >> kChunkBits & kMidMask];
    if (ABSL_PREDICT_FALSE(chunk == nullptr)) return nullptr;
    return &(*static_cast<const Chunk*>(chunk))[index & kChunkMask];
  }
  T Get(uint64_t index) const {
    const T* const found = Find(index);
    return ABSL_PREDICT_TRUE(found != nullptr) ? *found : T();
  }

  // Returns the value at `index` to be changed. The reference stays valid as
  // long as the array.
  T& At(uint64_t index) {
    const T* const found = Find(index);
    if (ABSL_PREDICT_TRUE(found != nullptr)) return const_cast<T&>(*found);
    return Make(index);
  }

  // Returns the first index behind those that take host memory together with
  // `index`: where to go on once Find() has told that none of them does.
  static constexpr uint64_t NextChunk(uint64_t index) {
    return ((index >> kChunkBits) + 1) << kChunkBits;
  }

  // Bytes of the chunks and their directory.
  uint64_t host_bytes() const { return host_bytes_; }

 private:
  static constexpr int kMidBits = sparse_array::kMidBits;
  static constexpr uint64_t kChunkMask = (uint64_t{1} << kChunkBits) - 1;
  static constexpr uint64_t kMidMask = (uint64_t{1} << kMidBits) - 1;

  using Chunk = std::array<T, size_t{1} << kChunkBits>;
  using Mid = sparse_array::Mid;

  // Out of line, so that At() is short.
  ABSL_ATTRIBUTE_NOINLINE T& Make(uint64_t index) {
    const uint64_t top = index >> (kChunkBits + kMidBits);
    if (top >= top_.size()) {
      top_.resize(top + 1, &sparse_array::kNoChunks);
      mids_.resize(top + 1);
      limit_ = (top + 1) << (kChunkBits + kMidBits);
    }
    std::unique_ptr<Mid>& mid = mids_[top];
    if (mid == nullptr) {
      mid = std::make_unique<Mid>();
      top_[top] = mid.get();
      host_bytes_ += sizeof(Mid);
    }
    void*& chunk = (*mid)[index >> kChunkBits & kMidMask];
    if (chunk == nullptr) {
      chunk = chunks_.emplace_back(std::make_unique<Chunk>()).get();
      host_bytes_ += sizeof(Chunk);
    }
    return (*static_cast<Chunk*>(chunk))[index & kChunkMask];
  }

  // Where a look-up begins: the directory's parts, and how far they reach.
  std::vector<const Mid*> top_;
  uint64_t limit_ = 0;
  // Those that there are, and the chunks.
  std::vector<std::unique_ptr<Mid>> mids_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  uint64_t host_bytes_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_BASE_INTERNAL_SPARSE_ARRAY_H_
