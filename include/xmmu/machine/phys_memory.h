#ifndef XMMU_MACHINE_PHYS_MEMORY_H_
#define XMMU_MACHINE_PHYS_MEMORY_H_

// Machine memory, sparse: a frame that was never written reads as zero and
// costs nothing, so a machine of many TiB is free until touched.
//
// A frame holds two things:
//  * words, exact to the bit, for page tables and whatever else is written as
//    words (4 KiB of host memory, from the first non-zero word on);
//  * a content token, one 64-bit hash for everything that programs store as
//    data. Recorded traces say where a program stores, not what; folding each
//    store into the token keeps "did two frames come to hold the same?" and
//    "did this load see that store?" answerable at 8 host bytes a frame.
// The two are kept apart: walks read words alone, programs' accesses tokens
// alone, and each side is as dense as the host's caches like it.
//
// Charges nothing; who reads an entry charges it. Single-threaded.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/base/address.h"
#include "xmmu/base/check.h"
#include "xmmu/base/internal/host_prefetch.h"
#include "xmmu/base/internal/sparse_array.h"
#include "xmmu/machine/internal/word_blocks.h"

namespace xmmu {

class PhysMemory {
 public:
  PhysMemory() = default;
  PhysMemory(const PhysMemory&) = delete;
  PhysMemory& operator=(const PhysMemory&) = delete;

  // Read and write words. REQUIRES: `addr` is naturally aligned and below 2^52.
  // Always inline, as a walk reads one entry after the other.
  ABSL_ATTRIBUTE_ALWAYS_INLINE uint64_t Read64(MachineAddr addr) const {
    const Words* const words = words_.Get(FrameOf(addr).value());
    if (ABSL_PREDICT_FALSE(words == nullptr)) return ReadUnwritten(addr);
    return (*words)[WordIndex(addr)];
  }
  uint32_t Read32(MachineAddr addr) const {
    return static_cast<uint32_t>(Read64(WordBase(addr)) >> HalfShift(addr));
  }
  void Write64(MachineAddr addr, uint64_t value) {
    NoteStore(addr);
    Put64(addr, value);
  }
  // Write64() of two words, of which the second follows the first and is in the
  // same line. REQUIRES: `addr` is a multiple of 16.
  void WriteTwo64(MachineAddr addr, uint64_t first, uint64_t second) {
    if (ABSL_PREDICT_FALSE(!stores_.empty())) {
      Write64(addr, first);
      return Write64(addr + sizeof(uint64_t), second);
    }
    Words* const words = words_.Get(FrameOf(addr).value());
    if (ABSL_PREDICT_FALSE(words == nullptr)) {
      PutFirst(addr, first);
      return Put64(addr + sizeof(uint64_t), second);
    }
    (*words)[WordIndex(addr)] = first;
    (*words)[WordIndex(addr) + 1] = second;
  }
  void Write32(MachineAddr addr, uint32_t value) {
    NoteStore(addr);
    Put32(addr, value);
  }

  // Whether a frame may have words that are not zero.
  bool HasWords(Mfn mfn) const {
    return words_.Get(mfn.value()) != nullptr || IsDescribed(mfn);
  }

  // Read and write a page-table entry of 4 or 8 bytes.
  ABSL_ATTRIBUTE_ALWAYS_INLINE uint64_t ReadEntry(MachineAddr addr,
                                                  int bytes) const {
    return bytes == 8 ? Read64(addr) : Read32(addr);
  }
  ABSL_ATTRIBUTE_ALWAYS_INLINE void WriteEntry(MachineAddr addr, int bytes,
                                               uint64_t value) {
    if (bytes == 8) {
      Write64(addr, value);
    } else {
      Write32(addr, static_cast<uint32_t>(value));
    }
  }
  // As WriteEntry(), by a page walker that sets A or D; it is not counted as a
  // store (WatchStores).
  void WriteEntryByWalker(MachineAddr addr, int bytes, uint64_t value);

  // Lets the frames from `first` on hold tables of 8-byte entries that follow a
  // rule: word i of the frame `first` + k is `entry` + (512 * k + i) * `step`.
  // This takes no host memory for a frame until it is written to, and counts
  // for no store. REQUIRES: the frames were never written to; they were
  // described before all together, or none of them was.
  void DescribeTables(Mfn first, uint64_t count, uint64_t entry, uint64_t step);
  // Tables that follow a rule.
  struct TableRule {
    Mfn first;
    uint64_t count = 0;
    uint64_t entry = 0;
    uint64_t step = 0;

    uint64_t WordAt(Mfn mfn, size_t index) const {
      return entry + ((mfn - first) * WordBlocks::kWords + index) * step;
    }
  };
  // Returns the rule that `mfn` and at most `count` - 1 frames behind it still
  // follow; nothing if `mfn` follows none.
  std::optional<TableRule> RuleFrom(Mfn mfn, uint64_t count) const;

  // Lines of 64 bytes, by number. Once a line is watched, each store of a word
  // to it counts, whichever CPU it is by. Stores of a program's data, which are
  // kept as tokens, do not count.
  static uint64_t LineOf(MachineAddr addr) { return addr.value() >> 6; }
  uint64_t WatchStores(MachineAddr addr) { return stores_[LineOf(addr)]; }
  uint64_t StoresToLine(uint64_t line) const {
    const auto it = stores_.find(line);
    return it == stores_.end() ? 0 : it->second;
  }

  // The content token of a frame; 0 for a frame of zeros.
  uint64_t ContentToken(Mfn mfn) const { return tokens_.Get(mfn.value()); }
  // Folds a program's store of the data `value` at `addr` into the frame's
  // token.
  void FoldStore(MachineAddr addr, uint64_t value);
  // Names the content of a whole frame, e.g. a page read from a file.
  void SetContentToken(Mfn mfn, uint64_t token) { TokenOf(mfn) = token; }

  // Zero and copy both the words and the token of a frame.
  void ZeroFrame(Mfn mfn);
  void CopyFrame(Mfn to, Mfn from);
  // Whether two frames hold the same words and the same token.
  bool SameContent(Mfn a, Mfn b) const;

  // Ask the host to bring what a later read of the word at `addr`, or of a
  // frame's token, will need into its caches. No simulated state changes.
  void Prefetch(MachineAddr addr) const {
    const Words* const words = words_.Get(FrameOf(addr).value());
    if (words != nullptr) HostPrefetch(&(*words)[WordIndex(addr)]);
  }
  void PrefetchToken(Mfn mfn) const {
    const uint64_t* const token = tokens_.Find(mfn.value());
    if (token != nullptr) HostPrefetch(token);
  }

  // Host bytes of the frames that have words of their own, 4 KiB each: page
  // tables of guests and hypervisor, and what else they keep in simulated memory.
  uint64_t word_bytes() const { return blocks_.host_bytes(); }
  // Host bytes in use, for the memory figures of a report.
  uint64_t host_bytes() const {
    return words_.host_bytes() + tokens_.host_bytes() + blocks_.host_bytes() +
           rules_.size() * sizeof(TableRule);
  }

 private:
  using Words = WordBlocks::Block;

  // Architectural machine addresses have at most 52 bits, so frame numbers have
  // 40.
  static constexpr int kFrameBits = 40;

  static size_t WordIndex(MachineAddr addr) {
    return (addr.value() & kPageOffsetMask) >> 3;
  }
  static MachineAddr WordBase(MachineAddr addr) {
    return MachineAddr(addr.value() & ~uint64_t{7});
  }
  static int HalfShift(MachineAddr addr) {
    return static_cast<int>(addr.value() & 4) * 8;
  }

  // The word of a frame that has no words of its own.
  uint64_t ReadUnwritten(MachineAddr addr) const;
  // The rule of a frame, or nullptr. That of a frame with words of its own no
  // longer holds.
  const TableRule* RuleOf(Mfn mfn) const;
  bool IsDescribed(Mfn mfn) const {
    return !rules_.empty() && RuleOf(mfn) != nullptr;
  }
  // The words of a frame to be written to.
  Words& OwnWords(Mfn mfn);
  uint64_t& TokenOf(Mfn mfn) {
    XMMU_CHECK(mfn.value() >> kFrameBits == 0);
    return tokens_.At(mfn.value());
  }
  void Put64(MachineAddr addr, uint64_t value) {
    Words* const words = words_.Get(FrameOf(addr).value());
    if (ABSL_PREDICT_FALSE(words == nullptr)) return PutFirst(addr, value);
    (*words)[WordIndex(addr)] = value;
  }
  // Memory is kept as words of 8 bytes; a 4-byte entry is one half of such a
  // word.
  void Put32(MachineAddr addr, uint32_t value) {
    const uint64_t mask = uint64_t{0xffffffff} << HalfShift(addr);
    const uint64_t placed = uint64_t{value} << HalfShift(addr);
    Words* const words = words_.Get(FrameOf(addr).value());
    if (ABSL_PREDICT_FALSE(words == nullptr)) {
      const uint64_t old = ReadUnwritten(WordBase(addr));
      return PutFirst(WordBase(addr), (old & ~mask) | placed);
    }
    uint64_t& word = (*words)[WordIndex(addr)];
    word = (word & ~mask) | placed;
  }
  // Put64() to a frame that has no words of its own.
  void PutFirst(MachineAddr addr, uint64_t value);
  void NoteStore(MachineAddr addr) {
    if (ABSL_PREDICT_TRUE(stores_.empty())) return;
    const auto it = stores_.find(LineOf(addr));
    if (it != stores_.end()) ++it->second;
  }

  absl::flat_hash_map<uint64_t, uint64_t> stores_;
  std::vector<TableRule> rules_;  // ascending
  WordBlocks blocks_;
  // Null: zeros, or what a rule says. One frame in some hundred is a table, so
  // that most chunks of 128 frames have none.
  SparseArray<Words*, 7> words_;
  SparseArray<uint64_t> tokens_;
};

// Stirs `value` into `state`. This is the hash of content tokens and digests,
// the same on every machine and with every compiler.
constexpr uint64_t MixHash(uint64_t state, uint64_t value) {
  // The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). The factor
  // keeps state and value from changing places.
  uint64_t z = state * 0xd1342543de82ef95u + value + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// Folds a store of `value` at byte `offset` of a page into its token.
constexpr uint64_t FoldedToken(uint64_t token, uint64_t offset,
                               uint64_t value) {
  return MixHash(MixHash(token, offset), value);
}

inline void PhysMemory::FoldStore(MachineAddr addr, uint64_t value) {
  uint64_t& token = TokenOf(FrameOf(addr));
  token = FoldedToken(token, PageOffset(addr), value);
}

}  // namespace xmmu

#endif  // XMMU_MACHINE_PHYS_MEMORY_H_
