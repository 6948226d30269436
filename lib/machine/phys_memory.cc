#include "xmmu/machine/phys_memory.h"

#include "xmmu/base/check.h"

namespace xmmu {

PhysMemory::Frame& PhysMemory::MakeFrame(Mfn mfn) {
  // Architectural machine addresses have at most 52 bits, so frame numbers have
  // 40.
  XMMU_CHECK(mfn.value() >> 40 == 0);
  const uint64_t top = mfn.value() >> (kChunkBits + kMidBits);
  if (top >= top_.size()) top_.resize(top + 1);
  if (top_[top] == nullptr) {
    top_[top] = std::make_unique<Mid>();
    host_bytes_ += sizeof(Mid);
  }
  std::unique_ptr<Chunk>& chunk =
      (*top_[top])[(mfn.value() >> kChunkBits) & ((1u << kMidBits) - 1)];
  if (chunk == nullptr) {
    chunk = std::make_unique<Chunk>();
    host_bytes_ += sizeof(Chunk);
  }
  return (*chunk)[mfn.value() & ((1u << kChunkBits) - 1)];
}

void PhysMemory::Write64(MachineAddr addr, uint64_t value) {
  NoteStore(addr);
  Put64(addr, value);
}

void PhysMemory::Put64(MachineAddr addr, uint64_t value) {
  XMMU_DCHECK(addr.value() % 8 == 0);
  Frame& frame = MakeFrame(FrameOf(addr));
  if (frame.words == nullptr) {
    if (value == 0) return;  // reads as zero already
    frame.words = std::make_unique<Words>();
    host_bytes_ += sizeof(Words);
  }
  (*frame.words)[WordIndex(addr)] = value;
}

// Memory is kept as words of 8 bytes; a 4-byte entry is one half of such a
// word.
uint64_t PhysMemory::WordWith(MachineAddr addr, uint32_t value) const {
  const uint64_t mask = uint64_t{0xffffffff} << HalfShift(addr);
  const uint64_t placed = static_cast<uint64_t>(value) << HalfShift(addr);
  return (Read64(WordBase(addr)) & ~mask) | placed;
}

void PhysMemory::Write32(MachineAddr addr, uint32_t value) {
  Write64(WordBase(addr), WordWith(addr, value));
}

void PhysMemory::WriteEntryByWalker(MachineAddr addr, int bytes,
                                    uint64_t value) {
  if (bytes == 8) {
    Put64(addr, value);
  } else {
    Put64(WordBase(addr), WordWith(addr, static_cast<uint32_t>(value)));
  }
}

void PhysMemory::WriteEntry(MachineAddr addr, int bytes, uint64_t value) {
  if (bytes == 8) {
    Write64(addr, value);
  } else {
    Write32(addr, static_cast<uint32_t>(value));
  }
}

void PhysMemory::FoldStore(MachineAddr addr, uint64_t value) {
  Frame& frame = MakeFrame(FrameOf(addr));
  frame.token = MixHash(MixHash(frame.token, PageOffset(addr)), value);
}

void PhysMemory::SetContentToken(Mfn mfn, uint64_t token) {
  MakeFrame(mfn).token = token;
}

void PhysMemory::ZeroFrame(Mfn mfn) {
  // Zeroing stores to each line, which a flush filter that watches it must see.
  if (!stores_.empty()) {
    for (uint64_t at = 0; at < kPageSize; at += 64) {
      NoteStore(AddressOf(mfn) + at);
    }
  }
  if (FindFrame(mfn) == nullptr) return;
  Frame& frame = MakeFrame(mfn);
  if (frame.words != nullptr) host_bytes_ -= sizeof(Words);
  frame.words.reset();
  frame.token = 0;
}

void PhysMemory::CopyFrame(Mfn to, Mfn from) {
  if (to == from) return;
  ZeroFrame(to);
  const Frame* source = FindFrame(from);
  if (source == nullptr) return;
  Frame& target = MakeFrame(to);
  // MakeFrame may have grown the tree, but never moves a chunk.
  target.token = source->token;
  if (source->words != nullptr) {
    target.words = std::make_unique<Words>(*source->words);
    host_bytes_ += sizeof(Words);
  }
}

bool PhysMemory::SameContent(Mfn a, Mfn b) const {
  if (ContentToken(a) != ContentToken(b)) return false;
  for (uint64_t offset = 0; offset < kPageSize; offset += 8) {
    if (Read64(AddressOf(a) + offset) != Read64(AddressOf(b) + offset)) {
      return false;
    }
  }
  return true;
}

}  // namespace xmmu
