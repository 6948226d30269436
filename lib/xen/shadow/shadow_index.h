#ifndef XMMU_LIB_XEN_SHADOW_SHADOW_INDEX_H_
#define XMMU_LIB_XEN_SHADOW_SHADOW_INDEX_H_

// Which entries of a domain's shadows lead to a machine frame, and how many
// shadows of a level lie before another in the pool. Xen's searches of all
// shadows take the time of a search on the simulated machine, which is charged;
// the host finds the answer, and what to charge, here.
//
// It knows nothing of what entries mean: whoever changes one says so. It is the
// host's alone: it charges nothing and no table of the hypervisor's stands for
// it. Single-threaded.

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "xmmu/base/address.h"
#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/xen/shadow/shadow_pages.h"

namespace xmmu {

// A set of places in the pool that knows how many of them lie below a place (a
// binary indexed tree).
class ShadowRanks {
 public:
  explicit ShadowRanks(uint32_t places) : size_(places + size_t{1}) {}

  void Add(ShadowId place, int change) {
    total_ += static_cast<uint32_t>(change);
    for (size_t i = place + size_t{1}; i < size_; i += i & (~i + 1)) {
      sums_.At(i) += static_cast<uint32_t>(change);
    }
  }
  uint32_t total() const { return total_; }
  uint64_t host_bytes() const { return sums_.host_bytes(); }
  // How many are below `place`.
  uint32_t Below(ShadowId place) const {
    uint32_t sum = 0;
    for (size_t i = place; i != 0; i &= i - 1) sum += sums_.Get(i);
    return sum;
  }

 private:
  size_t size_;
  SparseArray<uint32_t> sums_;
  uint32_t total_ = 0;
};

// The entries that lead to each frame, and the shadows in use of each level.
//
// Most frames have two entries, that of a program and that of the kernel's
// direct map; a fork makes it three. These are kept with the frame, further
// ones in an ordered set of all frames' further ones.
class ShadowIndex {
 public:
  // For `shadows` shadows of levels up to `levels`, of at most 1,024 entries
  // each.
  ShadowIndex(uint32_t shadows, int levels) {
    for (int level = 0; level <= levels; ++level) ranks_.emplace_back(shadows);
  }

  // The shadows in use of `level`, 1 to `levels`.
  ShadowRanks& ranks(int level) { return ranks_[static_cast<size_t>(level)]; }

  // The entry at `slot` has come to lead to `mfn`, or no longer does.
  void Add(const ShadowSlot& slot, Mfn mfn);
  void Remove(const ShadowSlot& slot, Mfn mfn);

  // The entries that lead to `mfn`, by shadow and then by index.
  std::vector<ShadowSlot> EntriesTo(Mfn mfn) const;

  uint64_t host_bytes() const;

  // How many entries there are.
  uint64_t size() const { return size_; }
  // How many entries all calls of EntriesTo() have looked at.
  uint64_t steps() const { return steps_; }

 private:
  // An entry by its shadow and index, plus one; 0 is none.
  using Ref = uint64_t;
  static constexpr int kIndexBits = 10;
  static constexpr size_t kNear = 3;
  // The entries that are kept with a frame, in no order. References too large
  // for this, to shadows from 8 GiB of them on, are kept as further ones.
  static constexpr Ref kMostNear = 0x7fffffff;
  struct Near {
    std::array<uint32_t, kNear> refs{};  // the low 31 bits
    bool has_further() const { return (refs[0] & ~kMostNear) != 0; }
    void set_has_further(bool has) {
      refs[0] = static_cast<uint32_t>((refs[0] & kMostNear) |
                                      (has ? kMostNear + 1 : 0));
    }
    Ref At(size_t place) const { return refs[place] & kMostNear; }
    void Set(size_t place, Ref ref) {
      refs[place] = static_cast<uint32_t>((refs[place] & ~kMostNear) | ref);
    }
  };

  static Ref RefOf(const ShadowSlot& slot) {
    return (uint64_t{slot.page} << kIndexBits |
            static_cast<uint64_t>(slot.index)) +
           1;
  }
  static ShadowSlot SlotOf(Ref ref) {
    return {static_cast<ShadowId>((ref - 1) >> kIndexBits),
            static_cast<int>((ref - 1) & ((1u << kIndexBits) - 1))};
  }

  std::vector<ShadowRanks> ranks_;  // by level
  SparseArray<Near> near_;          // by frame
  absl::btree_set<std::pair<Mfn, Ref>> further_;
  uint64_t size_ = 0;
  mutable uint64_t steps_ = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_XEN_SHADOW_SHADOW_INDEX_H_
