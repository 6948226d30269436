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
  uint64_t& count = free_in_unit_[UnitOf(pfn)];
  if (count == unit_) --full_units_;
  count = static_cast<uint64_t>(static_cast<int64_t>(count) + change);
  if (count == unit_) ++full_units_;
}

// Single frames go on being taken from the bottom up, blocks come from the top.
void FramePool::BeginUnits() {
  const auto size = static_cast<uint64_t>(references_.size());
  head_of_.assign(size, kInvalidPfn);
  free_in_unit_.assign(UnitOf(Pfn(size)) + 1, 0);
  for (const Pfn pfn : free_) CountFree(pfn, +1);
  uint64_t unit = UnitOf(next_ + (unit_ - 1));
  const Pfn bottom = std::min(StartOf(unit), end_);
  while (StartOf(unit + 1) <= end_) free_units_.insert(unit++);
  spare_ = std::max(bottom, std::min(StartOf(unit), end_));
  spare_end_ = end_;
  end_ = bottom;
  for (Pfn pfn = next_; pfn < end_; ++pfn) CountFree(pfn, +1);
}

bool FramePool::OpenUnit() {
  if (!free_units_.empty()) {
    const uint64_t unit = *free_units_.begin();
    free_units_.erase(free_units_.begin());
    next_ = StartOf(unit);
    end_ = StartOf(unit + 1);
    free_in_unit_[unit] = unit_;
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
    return free_in_unit_[UnitOf(pfn)] == unit_;
  };
  free_.erase(std::remove_if(free_.begin(), free_.end(), full), free_.end());
  if (next_ < end_ && full(next_)) next_ = end_;
  for (uint64_t unit = 0; unit < free_in_unit_.size(); ++unit) {
    if (free_in_unit_[unit] != unit_) continue;
    free_in_unit_[unit] = 0;
    free_units_.insert(unit);
  }
  full_units_ = 0;
}

std::optional<uint64_t> FramePool::FindUnits(uint64_t count) const {
  uint64_t run = 0;  // free units from here on
  uint64_t above = 0;
  for (auto it = free_units_.rbegin(); it != free_units_.rend(); ++it) {
    run = run > 0 && above == *it + 1 ? run + 1 : 1;
    above = *it;
    if (run >= count && (*it + number_of_0_ / unit_) % count == 0) return *it;
  }
  return std::nullopt;
}

std::optional<Pfn> FramePool::AllocBlock(uint64_t frames) {
  if (free_in_unit_.empty()) BeginUnits();
  const uint64_t count = frames / unit_;
  std::optional<uint64_t> unit = FindUnits(count);
  if (!unit.has_value() && full_units_ > 0) {
    JoinFrames();
    unit = FindUnits(count);
  }
  if (!unit.has_value()) return std::nullopt;
  for (uint64_t i = 0; i < count; ++i) free_units_.erase(*unit + i);
  const Pfn head = StartOf(*unit);
  for (uint64_t i = 0; i < frames; ++i) {
    head_of_[head.value() + i] = head;
    references_[head.value() + i] = 0;
    exclusive_[head.value() + i] = false;
  }
  blocks_[head] = {
      .frames = frames, .left = frames, .references = 1, .whole = 1};
  return head;
}

void FramePool::GetBlock(Pfn head) {
  Block& block = *BlockOf(head);
  ++block.references;
  ++block.whole;
}

void FramePool::PutBlock(Pfn head) {
  Block& block = *BlockOf(head);
  XMMU_CHECK(block.whole > 0);
  --block.references;
  if (--block.whole > 0) return;
  if (block.references == 0 && block.left == block.frames) {
    for (uint64_t i = 0; i < block.frames; ++i) {
      head_of_[head.value() + i] = kInvalidPfn;
      if (i % unit_ == 0) free_units_.insert(UnitOf(head + i));
    }
    blocks_.erase(head);
    return;
  }
  const Pfn end = head + block.frames;
  for (Pfn pfn = head; pfn < end; ++pfn) {
    const bool unmapped =
        head_of_[pfn.value()] == head && references_[pfn.value()] == 0;
    // The last one takes the block with it.
    if (unmapped) FreeOfBlock(pfn, block);
    if (!blocks_.contains(head)) return;
  }
}

void FramePool::SplitBlock(Pfn head) {
  Block& block = *BlockOf(head);
  XMMU_CHECK(block.whole > 0);
  --block.whole;
  block.references += block.frames - 1;
  const bool known = exclusive(head);
  for (uint64_t i = 0; i < block.frames; ++i) {
    ++references_[head.value() + i];
    SetExclusive(head + i, known);
  }
}

bool FramePool::PutOfBlock(Pfn pfn) {
  Block& block = *BlockOf(pfn);
  --block.references;
  if (references_[pfn.value()] > 0 || block.whole > 0) return false;
  FreeOfBlock(pfn, block);
  return true;
}

void FramePool::FreeOfBlock(Pfn pfn, Block& block) {
  const Pfn head = head_of_[pfn.value()];
  head_of_[pfn.value()] = kInvalidPfn;
  Free(pfn);
  if (--block.left == 0) blocks_.erase(head);
}

}  // namespace xmmu
