#include "workload/inspect/reuse_distances.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace xmmu {
namespace {

constexpr uint32_t kSlotsOfWord = 64;

}  // namespace

uint64_t ReuseDistances::touches() const {
  return std::accumulate(by_distance_.begin(), by_distance_.end(), pages_);
}

uint64_t ReuseDistances::MissesOf(uint64_t entries) const {
  if (entries >= by_distance_.size()) return pages_;
  return std::accumulate(
      by_distance_.begin() + static_cast<std::ptrdiff_t>(entries),
      by_distance_.end(), pages_);
}

void ReuseDistances::TouchOther(const Page& page) {
  for (size_t i = 1; i < recent_count_; ++i) {
    if (!(recent_[i] == page)) continue;
    Count(i);
    std::copy_backward(recent_.begin(),
                       recent_.begin() + static_cast<std::ptrdiff_t>(i),
                       recent_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    recent_[0] = page;
    return;
  }
  const auto found = slots_.find(page);
  if (found == slots_.end()) {
    ++pages_;
  } else {
    const uint32_t slot = found->second;
    const auto later = static_cast<uint32_t>(slots_.size()) - Rank(slot) - 1;
    Count(kRecent + later);
    SetSlot(slot, false);
    slots_.erase(found);
  }
  PutFirst(page);
}

void ReuseDistances::Count(uint64_t distance) {
  if (distance >= by_distance_.size()) by_distance_.resize(distance + 1);
  ++by_distance_[distance];
}

void ReuseDistances::PutFirst(const Page& page) {
  const Page last = recent_[kRecent - 1];
  std::copy_backward(recent_.begin(), recent_.end() - 1, recent_.end());
  recent_[0] = page;
  if (recent_count_ < kRecent) {
    ++recent_count_;
    return;
  }
  if (next_slot_ == taken_.size() * kSlotsOfWord) Renumber();
  slots_[last] = next_slot_;
  SetSlot(next_slot_++, true);
}

uint32_t ReuseDistances::Rank(uint32_t slot) const {
  const uint32_t word = slot / kSlotsOfWord;
  const uint64_t below = (uint64_t{1} << (slot % kSlotsOfWord)) - 1;
  auto rank = static_cast<uint32_t>(std::popcount(taken_[word] & below));
  for (uint32_t i = word; i > 0; i &= i - 1) rank += tree_[i];
  return rank;
}

void ReuseDistances::SetSlot(uint32_t slot, bool taken) {
  const uint32_t word = slot / kSlotsOfWord;
  taken_[word] ^= uint64_t{1} << (slot % kSlotsOfWord);
  for (uint32_t i = word + 1; i < tree_.size(); i += i & -i) {
    tree_[i] += taken ? 1u : ~0u;  // modulo 2^32
  }
}

// It comes once for as many touches as there are free slots behind it, which
// are at least as many as pages.
void ReuseDistances::Renumber() {
  for (auto& [page, slot] : slots_) slot = Rank(slot);
  const auto pages = static_cast<uint32_t>(slots_.size());
  const uint32_t slots = std::max(kFirstSlots, std::bit_ceil(2 * pages));
  taken_.assign(slots / kSlotsOfWord, 0);
  tree_.assign(taken_.size() + 1, 0);
  next_slot_ = 0;
  while (next_slot_ < pages) SetSlot(next_slot_++, true);
}

}  // namespace xmmu
