// Keeps blocks of frames (Linux: mm/page_alloc.c, the buddy allocator, as far
// as large pages need it).
//
//   free unit --AllocBlock--> block --last PutBlock--> free unit
//   free unit --OpenUnit--> single frames --all free, JoinFrames--> free unit
//   block --SplitBlock, Put--> single frames

#include "guest/frame_pool.h"

#include <algorithm>

namespace xmmu {

void FramePool::CountFree(Pfn pfn, int change) {
  uint32_t& count = free_in_unit_.At(UnitOf(pfn));
  if (count == unit_) --full_units_;
  count = static_cast<uint32_t>(static_cast<int64_t>(count) + change);
  if (count == unit_) ++full_units_;
}

std::vector<Pfn> FramePool::TakeAllFree() {
  std::vector<Pfn> free(free_count_);
  for (size_t i = free.size(); i-- > 0;) free[i] = PopFree();
  return free;
}

// Single frames go on being taken from the bottom up, blocks come from the top.
void FramePool::BeginUnits() {
  keeps_units_ = true;
  const std::vector<Pfn> free = TakeAllFree();
  for (const Pfn pfn : free) {
    CountFree(pfn, +1);
    PushFree(pfn);
  }
  const uint64_t first = UnitOf(next_ + (unit_ - 1));
  const Pfn bottom = std::min(StartOf(first), end_);
  const uint64_t above = UnitOf(end_);  // the first that is not whole
  if (first < above) free_units_.Insert(first, above - first);
  spare_ = std::max(bottom, std::min(StartOf(std::max(first, above)), end_));
  spare_end_ = end_;
  end_ = bottom;
  for (Pfn pfn = next_; pfn < end_; ++pfn) CountFree(pfn, +1);
}

bool FramePool::OpenUnit() {
  if (!free_units_.empty()) {
    const uint64_t unit = free_units_.TakeLowest();
    next_ = StartOf(unit);
    end_ = StartOf(unit + 1);
    free_in_unit_.At(unit) = static_cast<uint32_t>(unit_);
    ++full_units_;
    return true;
  }
  if (spare_ == spare_end_) return false;
  next_ = spare_;
  end_ = spare_end_;
  spare_ = spare_end_;
  for (Pfn pfn = next_; pfn < end_; ++pfn) CountFree(pfn, +1);
  return true;
}

void FramePool::JoinFrames() {
  const auto full = [&](Pfn pfn) {
    return free_in_unit_.Get(UnitOf(pfn)) == unit_;
  };
  for (const Pfn pfn : TakeAllFree()) {
    if (full(pfn)) {
      frames_.At(pfn.value()) = Frame();
    } else {
      PushFree(pfn);
    }
  }
  if (next_ < end_ && full(next_)) next_ = end_;
  for (uint64_t unit = 0; full_units_ > 0;) {
    if (free_in_unit_.Find(unit) == nullptr) {
      unit = decltype(free_in_unit_)::NextChunk(unit);
      continue;
    }
    if (free_in_unit_.Get(unit) == unit_) {
      free_in_unit_.At(unit) = 0;
      free_units_.Insert(unit, 1);
      --full_units_;
    }
    ++unit;
  }
}

std::optional<Pfn> FramePool::AllocBlock(uint64_t frames) {
  if (!keeps_units_) BeginUnits();
  const uint64_t count = frames / unit_;
  const uint64_t offset = number_of_0_ / unit_;
  std::optional<uint64_t> unit = free_units_.FindHighest(count, offset);
  if (!unit.has_value() && full_units_ > 0) {
    JoinFrames();
    unit = free_units_.FindHighest(count, offset);
  }
  if (!unit.has_value()) return std::nullopt;
  free_units_.Erase(*unit, count);
  const Pfn head = StartOf(*unit);
  for (uint64_t i = 0; i < count; ++i) {
    head_of_unit_.At(*unit + i) = head.value();
  }
  for (uint64_t i = 0; i < frames; ++i) {
    frames_.At(head.value() + i) = Frame{.in_block = true};
  }
  blocks_[head] = {
      .frames = frames, .left = frames, .references = 1, .whole = 1};
  return head;
}

void FramePool::GetBlock(Pfn head) {
  Block& block = BlockOf(head);
  ++block.references;
  ++block.whole;
}

void FramePool::PutBlock(Pfn head) {
  Block& block = BlockOf(head);
  XMMU_CHECK(block.whole > 0);
  --block.references;
  if (--block.whole > 0) return;
  if (block.references == 0 && block.left == block.frames) {
    for (uint64_t i = 0; i < block.frames; ++i) {
      frames_.At(head.value() + i).in_block = false;
    }
    free_units_.Insert(UnitOf(head), block.frames / unit_);
    blocks_.erase(head);
    return;
  }
  const Pfn end = head + block.frames;
  for (Pfn pfn = head; pfn < end; ++pfn) {
    const Frame frame = frames_.Get(pfn.value());
    const bool unmapped = frame.in_block && frame.references == 0;
    // The last one takes the block with it.
    if (unmapped) FreeOfBlock(pfn, head, block);
    if (!blocks_.contains(head)) return;
  }
}

void FramePool::SplitBlock(Pfn head) {
  Block& block = BlockOf(head);
  XMMU_CHECK(block.whole > 0);
  --block.whole;
  block.references += block.frames - 1;
  const bool known = exclusive(head);
  for (uint64_t i = 0; i < block.frames; ++i) {
    Frame& frame = frames_.At(head.value() + i);
    ++frame.references;
    frame.exclusive = known;
  }
}

bool FramePool::PutOfBlock(Pfn pfn, const Frame& frame) {
  const Pfn head = HeadOf(pfn);
  Block& block = BlockOf(pfn);
  --block.references;
  if (frame.references > 0 || block.whole > 0) return false;
  FreeOfBlock(pfn, head, block);
  return true;
}

void FramePool::FreeOfBlock(Pfn pfn, Pfn head, Block& block) {
  frames_.At(pfn.value()).in_block = false;
  Free(pfn);
  if (--block.left == 0) blocks_.erase(head);
}

uint64_t FramePool::host_bytes() const {
  return frames_.host_bytes() + free_in_unit_.host_bytes() +
         head_of_unit_.host_bytes() + far_links_.size() * sizeof(Pfn) +
         free_units_.runs() * 2 * sizeof(uint64_t) +
         blocks_.size() * sizeof(std::pair<Pfn, Block>);
}

}  // namespace xmmu
