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
//    "did this load see that store?" answerable at 16 host bytes a frame.
//
// Charges nothing; who reads an entry charges it. Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/optimization.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/base/address.h"

namespace xmmu {

class PhysMemory {
  static constexpr int kWordsPerFrame = 512;
  using Words = std::array<uint64_t, kWordsPerFrame>;

 public:
  PhysMemory() = default;
  PhysMemory(const PhysMemory&) = delete;
  PhysMemory& operator=(const PhysMemory&) = delete;

  // Read and write words. REQUIRES: `addr` is naturally aligned and below 2^52.
  uint64_t Read64(MachineAddr addr) const {
    const Words* words = FindWords(addr);
    return words == nullptr ? 0 : (*words)[WordIndex(addr)];
  }
  uint32_t Read32(MachineAddr addr) const {
    return static_cast<uint32_t>(Read64(WordBase(addr)) >> HalfShift(addr));
  }
  void Write64(MachineAddr addr, uint64_t value);
  void Write32(MachineAddr addr, uint32_t value);

  // A handle on a frame for a reader that comes back to it: it sees every later
  // write, and stays valid as long as this object.
  class Frame {
    friend class PhysMemory;
    std::unique_ptr<Words> words;
    uint64_t token = 0;
  };
  // Returns null for a frame in a 2 MiB range that was never written to.
  const Frame* FindFrame(Mfn mfn) const {
    const uint64_t top = mfn.value() >> (kChunkBits + kMidBits);
    if (ABSL_PREDICT_FALSE(top >= top_.size() || top_[top] == nullptr)) {
      return nullptr;
    }
    const Chunk* chunk =
        (*top_[top])[(mfn.value() >> kChunkBits) & ((1u << kMidBits) - 1)]
            .get();
    if (chunk == nullptr) return nullptr;
    return &(*chunk)[mfn.value() & ((1u << kChunkBits) - 1)];
  }
  // The word at the offset of `addr` in a frame.
  static uint64_t Read64(const Frame& frame, MachineAddr addr) {
    return frame.words == nullptr ? 0 : (*frame.words)[WordIndex(addr)];
  }

  // Read and write a page-table entry of 4 or 8 bytes.
  uint64_t ReadEntry(MachineAddr addr, int bytes) const {
    return bytes == 8 ? Read64(addr) : Read32(addr);
  }
  static uint64_t ReadEntry(const Frame& frame, MachineAddr addr, int bytes) {
    const uint64_t word = Read64(frame, WordBase(addr));
    return bytes == 8 ? word : static_cast<uint32_t>(word >> HalfShift(addr));
  }
  void WriteEntry(MachineAddr addr, int bytes, uint64_t value);
  // As WriteEntry(), by a page walker that sets A or D; it is not counted as a
  // store (WatchStores).
  void WriteEntryByWalker(MachineAddr addr, int bytes, uint64_t value);

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
  uint64_t ContentToken(Mfn mfn) const {
    const Frame* frame = FindFrame(mfn);
    return frame == nullptr ? 0 : frame->token;
  }
  // Folds a program's store of the data `value` at `addr` into the frame's
  // token.
  void FoldStore(MachineAddr addr, uint64_t value);
  // Names the content of a whole frame, e.g. a page read from a file.
  void SetContentToken(Mfn mfn, uint64_t token);

  // Zero and copy both the words and the token of a frame.
  void ZeroFrame(Mfn mfn);
  void CopyFrame(Mfn to, Mfn from);
  // Whether two frames hold the same words and the same token.
  bool SameContent(Mfn a, Mfn b) const;

  // Host bytes in use, for the memory figures of a report.
  uint64_t host_bytes() const { return host_bytes_; }

 private:
  static constexpr int kChunkBits = 9;  // frames a chunk: 2 MiB
  static constexpr int kMidBits = 12;   // chunks a mid node: 8 GiB

  using Chunk = std::array<Frame, size_t{1} << kChunkBits>;
  using Mid = std::array<std::unique_ptr<Chunk>, size_t{1} << kMidBits>;

  static size_t WordIndex(MachineAddr addr) {
    return (addr.value() & kPageOffsetMask) >> 3;
  }
  static MachineAddr WordBase(MachineAddr addr) {
    return MachineAddr(addr.value() & ~uint64_t{7});
  }
  static int HalfShift(MachineAddr addr) {
    return static_cast<int>(addr.value() & 4) * 8;
  }

  const Words* FindWords(MachineAddr addr) const {
    const Frame* frame = FindFrame(FrameOf(addr));
    return frame == nullptr ? nullptr : frame->words.get();
  }
  Frame& MakeFrame(Mfn mfn);
  void Put64(MachineAddr addr, uint64_t value);
  // The word around `addr` with the half at `addr` replaced by `value`.
  uint64_t WordWith(MachineAddr addr, uint32_t value) const;
  void NoteStore(MachineAddr addr) {
    if (ABSL_PREDICT_TRUE(stores_.empty())) return;
    const auto it = stores_.find(LineOf(addr));
    if (it != stores_.end()) ++it->second;
  }

  absl::flat_hash_map<uint64_t, uint64_t> stores_;
  std::vector<std::unique_ptr<Mid>> top_;
  uint64_t host_bytes_ = 0;
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

}  // namespace xmmu

#endif  // XMMU_MACHINE_PHYS_MEMORY_H_
