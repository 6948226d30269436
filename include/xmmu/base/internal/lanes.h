#ifndef XMMU_BASE_INTERNAL_LANES_H_
#define XMMU_BASE_INTERNAL_LANES_H_

// Searches of short arrays of 32-bit words, several at a time: the ways of a
// set by tag, or for the one that was not used for longest. They do the same
// work whatever they find, because a branch that depends on random data costs
// the host more than a few words too many.
//
// The vectors are the compiler's own (GCC's "Vector Extensions", which clang
// has too): SSE2 on x86-64, NEON on AArch64, elsewhere what the compiler makes
// of them.
//
// Pure functions; any thread.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/base/attributes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace xmmu::lanes {

// A vector has so many words.
inline constexpr uint32_t kLanes = 4;
// Searches may read so many words behind the last that counts.
inline constexpr size_t kReadOn = 15;

using Lanes [[gnu::vector_size(4 * kLanes)]] = int32_t;

// Not aligned, as a set may begin anywhere.
inline Lanes Load(const uint32_t* words) {
  Lanes lanes;
  std::memcpy(&lanes, words, sizeof(lanes));
  return lanes;
}

inline Lanes Broadcast(uint32_t word) {
  const auto lane = static_cast<int32_t>(word);
  return Lanes{lane, lane, lane, lane};
}

// Returns bit i set for each lane i that is all ones. REQUIRES: the others are
// zero.
inline uint32_t MaskOf(Lanes lanes) {
#if defined(__SSE2__)
  return static_cast<uint32_t>(
      _mm_movemask_ps(_mm_castsi128_ps(std::bit_cast<__m128i>(lanes))));
#else
  const Lanes bits = lanes & Lanes{1, 2, 4, 8};
  return static_cast<uint32_t>(bits[0] | bits[1] | bits[2] | bits[3]);
#endif
}

// The same for 16 lanes.
inline uint32_t MaskOf(Lanes a, Lanes b, Lanes c, Lanes d) {
#if defined(__SSE2__)
  const __m128i low =
      _mm_packs_epi32(std::bit_cast<__m128i>(a), std::bit_cast<__m128i>(b));
  const __m128i high =
      _mm_packs_epi32(std::bit_cast<__m128i>(c), std::bit_cast<__m128i>(d));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
#else
  return MaskOf(a) | MaskOf(b) << 4 | MaskOf(c) << 8 | MaskOf(d) << 12;
#endif
}

// Return bit i set for each i < 4, or 16, with words[i] equal to the word that
// all lanes of `wanted` have.
inline uint32_t MarkEqual4(const uint32_t* words, Lanes wanted) {
  return MaskOf(Load(words) == wanted);
}
inline uint32_t MarkEqual16(const uint32_t* words, Lanes wanted) {
  return MaskOf(Load(words) == wanted, Load(words + 4) == wanted,
                Load(words + 8) == wanted, Load(words + 12) == wanted);
}

// The bits of the first `count` ways.
constexpr uint32_t FirstBits(uint32_t count) {
  return count >= 16 ? 0xffff : (1u << count) - 1;
}

// Returns the index of the smallest of four words, the first of several. With
// the index in the low bits the smallest value names it, and compilers make no
// branches of that.
inline uint32_t IndexOfSmallest4(const uint32_t* words) {
  const auto with_index = [words](uint32_t i) {
    return uint64_t{words[i]} << 2 | i;
  };
  return static_cast<uint32_t>(
      std::min(std::min(with_index(0), with_index(1)),
               std::min(with_index(2), with_index(3))) &
      3);
}

inline Lanes Lesser(Lanes a, Lanes b) { return a < b ? a : b; }

// Returns the smallest of the lanes in all of them.
inline Lanes SmallestInAll(Lanes lanes) {
  const Lanes pairs =
      Lesser(lanes, Lanes{lanes[2], lanes[3], lanes[0], lanes[1]});
  return Lesser(pairs, Lanes{pairs[1], pairs[0], pairs[3], pairs[2]});
}

// Returns the index of the smallest of `count` words, the first of several.
// REQUIRES: 4 < count <= 16, and each word is below 2^31.
inline uint32_t IndexOfSmallest16(const uint32_t* words, uint32_t count) {
  // Where a vector would end behind the last word it overlaps another.
  const uint32_t last = count - kLanes;
  const Lanes low = Lesser(Load(words), Load(words + std::min(4u, last)));
  const Lanes high =
      Lesser(Load(words + std::min(8u, last)), Load(words + last));
  const Lanes least = SmallestInAll(Lesser(low, high));
  return static_cast<uint32_t>(std::countr_zero(MarkEqual16(words, least)));
}

// The same for any number of words above 4.
inline uint32_t IndexOfSmallestOfMany(const uint32_t* words, uint32_t count) {
  const uint32_t last = count - kLanes;
  Lanes least = Load(words + last);
  for (uint32_t i = 0; i < last; i += kLanes) {
    least = Lesser(least, Load(words + i));
  }
  least = SmallestInAll(least);
  for (uint32_t i = 0;; i += 16) {
    const uint32_t marks = MarkEqual16(words + i, least);
    if (marks != 0) return i + static_cast<uint32_t>(std::countr_zero(marks));
  }
}

}  // namespace xmmu::lanes

#endif  // XMMU_BASE_INTERNAL_LANES_H_
