#ifndef XMMU_BASE_INTERNAL_TAG_SETS_H_
#define XMMU_BASE_INTERNAL_TAG_SETS_H_

// The tags of a set-associative array, and which way of a set goes next: what
// simulated caches of all kinds look through at each access. The tags of a set
// lie side by side in the host's memory, their ages right behind them, and both
// are compared several at once, so that a set of up to 12 ways is one line of
// the host's cache and a look-up takes a few instructions.
//
// Single-threaded.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "xmmu/base/internal/host_prefetch.h"
#include "xmmu/base/internal/lanes.h"

namespace xmmu {

// Vectors of the compiler, of what SSE2 and NEON hold at once.
namespace vectors {

inline constexpr size_t kBytes = 16;
template <typename T>
using Vector __attribute__((vector_size(kBytes))) = T;

template <typename T>
Vector<T> Load(const std::byte* from) {
  Vector<T> vector;
  std::memcpy(&vector, from, kBytes);
  return vector;
}

// The first lane of T that is set in the result of a comparison, or the number
// of lanes.
template <typename T>
size_t FirstOf(Vector<T> mask) {
#if defined(__SSE2__)
  const int bytes = _mm_movemask_epi8(reinterpret_cast<__m128i>(mask));
  const auto bits = static_cast<uint32_t>(bytes) | 1u << kBytes;
  return static_cast<size_t>(std::countr_zero(bits)) / sizeof(T);
#else
  const auto halves = reinterpret_cast<Vector<uint64_t> >(mask);
  const int first = halves[0] != 0 ? std::countr_zero(halves[0])
                                   : 64 + std::countr_zero(halves[1]);
  return static_cast<size_t>(first) / (8 * sizeof(T));
#endif
}

}  // namespace vectors

class TagSets {
 public:
  static constexpr size_t kNoWay = ~size_t{0};
  // The tag of a way that is free.
  static constexpr uint32_t kFreeTag = 0x7fffffff;
  // Returns a tag that no free way has, and no way behind the last, for tags
  // that are only a part of what tells entries apart.
  static constexpr uint32_t PartialTag(uint32_t tag) {
    return tag == kFreeTag ? 0 : tag;
  }

  TagSets() = default;
  // All ways are free. REQUIRES: neither is 0; at most 4,096 ways.
  TagSets(size_t sets, size_t ways);

  // One set. It is valid as long as the array.
  class Set {
   public:
    // Returns the first way that has `tag` in the bits of `kMask`, or kNoWay.
    template <uint32_t kMask = ~uint32_t{0}>
    size_t Find(uint32_t tag) const;

    // Returns bit i set for each way i that has `tag`, of up to four ways, which
    // `way_bits` has a bit for each of.
    uint32_t MarksOfFour(uint32_t tag, uint32_t way_bits) const {
      return lanes::MarkEqual4(reinterpret_cast<const uint32_t*>(block_),
                               lanes::Broadcast(tag)) &
             way_bits;
    }

    uint32_t tag(size_t way) const {
      uint32_t tag;
      std::memcpy(&tag, block_ + way * sizeof(tag), sizeof(tag));
      return tag;
    }
    void set_tag(size_t way, uint32_t tag) {
      std::memcpy(block_ + way * sizeof(tag), &tag, sizeof(tag));
    }
    bool IsFree(size_t way) const { return AgeOf(way) == kFree; }

    // Returns the way to be filled next: the first that is free, else the first
    // that is to be the next to go, else the least recently used one.
    size_t Victim() const {
      return ABSL_PREDICT_TRUE(!wide_) ? VictimIn<int8_t>()
                                       : VictimIn<int16_t>();
    }
    // As Victim(). REQUIRES: no way of the set is free.
    size_t VictimOfFull() const {
      return ABSL_PREDICT_TRUE(!wide_) ? VictimOfFullIn<int8_t>()
                                       : VictimOfFullIn<int16_t>();
    }
    // The same, of a set with no way that is to be the next to go.
    size_t OldestOfFull() const {
      return ABSL_PREDICT_TRUE(!wide_) ? FirstOfAge<int8_t, kOldest>()
                                       : FirstOfAge<int16_t, kOldest>();
    }
    // Gives the first way a tag and makes it the most recently used. REQUIRES:
    // all ways of the set are free.
    void TakeFirst(uint32_t tag) {
      SetAge(0, newest_);
      set_tag(0, tag);
    }
    // Makes a way, free or not, the most recently used.
    void Renew(size_t way) {
      const int age = AgeOf(way);
      if (age == newest_) return;
      if (ABSL_PREDICT_TRUE(!wide_)) {
        RenewIn<int8_t>(age);
      } else {
        RenewIn<int16_t>(age);
      }
      SetAge(way, newest_);
    }
    // Makes the way that Victim() has returned the next to go.
    void MakeNextToGo(size_t way) { SetAge(way, kNextToGo); }
    void Free(size_t way);
    // As Free(), where all ways of the set are freed, one by one.
    void FreeWithAll(size_t way) {
      SetAge(way, kFree);
      set_tag(way, kFreeTag);
    }

   private:
    friend class TagSets;
    Set(std::byte* block, const TagSets& sets)
        : block_(block),
          ages_(block + sets.tag_bytes_),
          end_(block + sets.used_bytes_),
          newest_(sets.newest_),
          wide_(sets.wide_) {}

    int AgeOf(size_t way) const {
      if (ABSL_PREDICT_TRUE(!wide_)) return static_cast<int8_t>(ages_[way]);
      int16_t age;
      std::memcpy(&age, ages_ + way * sizeof(age), sizeof(age));
      return age;
    }
    void SetAge(size_t way, int age) {
      if (ABSL_PREDICT_TRUE(!wide_)) {
        ages_[way] = static_cast<std::byte>(age);
      } else {
        const auto wide_age = static_cast<int16_t>(age);
        std::memcpy(ages_ + way * sizeof(wide_age), &wide_age,
                    sizeof(wide_age));
      }
    }
    // Returns the first way of an age, or kNoWay.
    template <typename Age, int kAge>
    size_t FirstOfAge() const;
    template <typename Age>
    size_t VictimIn() const;
    template <typename Age>
    size_t VictimOfFullIn() const;
    template <typename Age>
    void RenewIn(int age);
    // Moves what is older than `age`, which is no longer taken, one place up.
    template <typename Age>
    void CloseGap(int age);

    std::byte* block_;
    std::byte* ages_;
    std::byte* end_;
    int newest_;
    bool wide_;
  };

  Set operator[](size_t set) {
    return Set(const_cast<std::byte*>(block(set)), *this);
  }
  // What is called on such a set must change nothing.
  const Set operator[](size_t set) const {
    return const_cast<TagSets&>(*this)[set];
  }
  // Asks the host to bring a set into its caches.
  void PrefetchHost(size_t set) const {
    const std::byte* const first = block(set);
    HostPrefetch(first);
    HostPrefetch(first + used_bytes_ - 1);
  }
  // Frees all ways.
  void Clear();

 private:
  // The age of a way: it is free, it is the next to go, or it has a place in
  // the order of use. That order has no gaps. It ends with `newest_`, and with
  // all ways in it begins with kOldest.
  static constexpr int kFree = 0;
  static constexpr int kNextToGo = 1;
  static constexpr int kOldest = 2;
  // The age of ways that fill a block up, lower than all others, never changes.
  static constexpr int kNoAge = -1;
  // With more ways ages take two bytes.
  static constexpr size_t kMostByteAges = 120;

  struct alignas(64) HostLine {
    std::byte bytes[64];
  };

  // A block may go on over several lines.
  const std::byte* block(size_t set) const {
    return reinterpret_cast<const std::byte*>(blocks_.data()) +
           set * block_bytes_;
  }

  size_t sets_ = 0;
  size_t ways_ = 0;
  bool wide_ = false;  // ages take two bytes
  int newest_ = 0;     // the age of the most recently used way
  size_t tag_bytes_ = 0;
  size_t used_bytes_ = 0;  // of a block, by tags and ages
  size_t block_bytes_ = 0;
  std::vector<HostLine> blocks_;
};

template <uint32_t kMask>
size_t TagSets::Set::Find(uint32_t tag) const {
  const vectors::Vector<uint32_t> wanted = {tag, tag, tag, tag};
  constexpr size_t kLanes = vectors::kBytes / sizeof(tag);
  size_t first = 0;
  // All of up to 64 ways are compared before the host has to branch.
  for (const std::byte* at = block_; at != ages_; first += 64) {
    uint64_t found = 0;
    for (size_t lane = 0; lane != 64 && at != ages_; lane += kLanes) {
      const auto tags = vectors::Load<uint32_t>(at) & kMask;
      found |= uint64_t{lanes::MaskOf(tags == wanted)} << lane;
      at += vectors::kBytes;
    }
    if (found != 0) return first + static_cast<size_t>(std::countr_zero(found));
  }
  return kNoWay;
}

template <typename Age, int kAge>
size_t TagSets::Set::FirstOfAge() const {
  constexpr size_t kLanes = vectors::kBytes / sizeof(Age);
  const auto wanted = vectors::Vector<Age>{} + Age{kAge};
  size_t first = 0;
  const std::byte* at = ages_;
  do {
    const size_t lane = vectors::FirstOf<Age>(vectors::Load<Age>(at) == wanted);
    if (lane != kLanes) return first + lane;
    first += kLanes;
    at += vectors::kBytes;
  } while (ABSL_PREDICT_FALSE(at != end_));
  return kNoWay;
}

// The order has no gaps: without a way of the first two ages it has all ways.
template <typename Age>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t TagSets::Set::VictimIn() const {
  const size_t way = FirstOfAge<Age, kFree>();
  return way != kNoWay ? way : VictimOfFullIn<Age>();
}

template <typename Age>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline size_t TagSets::Set::VictimOfFullIn()
    const {
  const size_t way = FirstOfAge<Age, kNextToGo>();
  return way != kNoWay ? way : FirstOfAge<Age, kOldest>();
}

// What is newer than `age` loses a place; a way that had none makes all others
// lose one.
template <typename Age>
void TagSets::Set::RenewIn(int age) {
  const auto above =
      vectors::Vector<Age>{} + static_cast<Age>(std::max(age, kNextToGo));
  std::byte* at = ages_;
  do {
    auto ages = vectors::Load<Age>(at);
    ages += ages > above;
    std::memcpy(at, &ages, vectors::kBytes);
    at += vectors::kBytes;
  } while (ABSL_PREDICT_FALSE(at != end_));
}

}  // namespace xmmu

#endif  // XMMU_BASE_INTERNAL_TAG_SETS_H_
