#include "xmmu/xen/internal/frame_table.h"

#include <iterator>

#include "xmmu/base/check.h"

namespace xmmu {

FrameTable::Ranges::const_iterator FrameTable::AtOrBelow(Mfn mfn) const {
  const auto after = ranges_.upper_bound(mfn);
  return after == ranges_.begin() ? ranges_.end() : std::prev(after);
}

PageInfo FrameTable::ByRange(Mfn mfn) const {
  XMMU_DCHECK(Valid(mfn));
  const auto it = AtOrBelow(mfn);
  PageInfo page;
  if (it != ranges_.end() && mfn - it->first < it->second.count) {
    page = it->second.At(mfn - it->first);
  }
  const uint32_t stamp = stamps_.Get(mfn.value());
  if (stamp != kNoStamp) page.tlbflush_timestamp = stamp;
  return page;
}

void FrameTable::MakeOwn(Mfn mfn, Slot& slot) {
  static_cast<PageInfo&>(slot) = ByRange(mfn);
  if (stamps_.Get(mfn.value()) != kNoStamp) stamps_.At(mfn.value()) = kNoStamp;
}

void FrameTable::SplitAt(Mfn mfn) {
  const auto it = AtOrBelow(mfn);
  if (it == ranges_.end()) return;
  const auto [first, range] = *it;
  const uint64_t below = mfn - first;
  if (below == 0 || below >= range.count) return;
  ranges_[first].count = below;
  ranges_[mfn] = {range.count - below, range.At(below), range.slots_count_up};
}

Mfn FrameTable::NextOwn(Mfn mfn, Mfn end) const {
  while (mfn < end) {
    const Slot* const slot = own_.Find(mfn.value());
    const uint32_t* const stamp = stamps_.Find(mfn.value());
    if (slot == nullptr && stamp == nullptr) {
      mfn = Mfn(decltype(own_)::NextChunk(mfn.value()));
      continue;
    }
    if (slot != nullptr && slot->owner != kNotOwn) return mfn;
    if (stamp != nullptr && *stamp != kNoStamp) return mfn;
    ++mfn;
  }
  return end;
}

void FrameTable::SetRange(Mfn first, uint64_t count, const PageInfo& page) {
  const Mfn end = first + count;
  XMMU_CHECK(count > 0 && end.value() <= frames_);
  SplitAt(first);
  SplitAt(end);
  ranges_.erase(ranges_.lower_bound(first), ranges_.lower_bound(end));
  for (Mfn own = NextOwn(first, end); own < end; own = NextOwn(own, end)) {
    if (stamps_.Get(own.value()) != kNoStamp) {
      stamps_.At(own.value()) = kNoStamp;
    } else {
      own_.At(own.value()) = Slot();
    }
  }
  if (page == PageInfo()) return;  // as a frame that no range has
  ranges_[first] = {count, page};
}

void FrameTable::ForEachPiece(
    Mfn first, uint64_t count,
    absl::FunctionRef<void(Mfn, uint64_t, PageInfo&)> visit) {
  const Mfn end = first + count;
  while (first < end) {
    const Mfn own = NextOwn(first, end);
    while (first < own) {
      SplitAt(first);
      SplitAt(own);
      auto it = ranges_.lower_bound(first);
      if (it == ranges_.end() || it->first > first) {
        const Mfn next =
            it == ranges_.end() ? own : std::min(own, Mfn(it->first));
        it = ranges_.emplace(first, Range{next - first, PageInfo()}).first;
      }
      const uint64_t frames = it->second.count;
      visit(first, frames, it->second.page);
      first += frames;
    }
    if (own == end) return;
    visit(own, 1, (*this)[own]);
    first = own + 1;
  }
}

FrameTable::Piece FrameTable::PieceFrom(Mfn mfn, uint64_t most) const {
  const Mfn own = NextOwn(mfn, mfn + most);
  if (own == mfn) return {1, (*this)[mfn], true};
  const auto it = AtOrBelow(mfn);
  const bool inside = it != ranges_.end() && mfn - it->first < it->second.count;
  if (inside) {
    return {std::min(own, it->first + it->second.count) - mfn,
            it->second.At(mfn - it->first)};
  }
  const auto after = ranges_.upper_bound(mfn);
  const Mfn end = after == ranges_.end() ? own : std::min(own, after->first);
  return {end - mfn, PageInfo()};
}

bool FrameTable::AllOf(Mfn first, uint64_t count,
                       absl::FunctionRef<bool(const PageInfo&)> accept) const {
  while (count > 0) {
    const Piece piece = PieceFrom(first, count);
    if (!accept(piece.page)) return false;
    first += piece.count;
    count -= piece.count;
  }
  return true;
}

void FrameTable::SetSlots(Mfn first, uint64_t count, uint16_t slot) {
  XMMU_CHECK(slot + count <= kL2SlotMany);
  ForEachPiece(first, count, [&](Mfn at, uint64_t frames, PageInfo& page) {
    page.l2_slot = (slot + (at - first)) & kL2SlotMutable;
    if (frames > 1) ranges_[at].slots_count_up = true;
  });
}

uint64_t FrameTable::host_bytes() const {
  return own_.host_bytes() + stamps_.host_bytes() +
         ranges_.size() * sizeof(Ranges::value_type);
}

}  // namespace xmmu
