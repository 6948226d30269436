#include "workload/process/segment_table.h"

#include "absl/strings/str_cat.h"

namespace xmmu {

absl::Status CheckAddressLimit(uint64_t limit) {
  constexpr uint64_t kSegment = uint64_t{1} << kSegmentShift;
  // SegmentTable keeps the slots as bits of a word.
  constexpr uint64_t kMostSegments = 64;
  if (limit % kSegment == 0 && limit / kSegment <= kMostSegments) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("an address limit of ", limit,
                   " bytes, expected a multiple of 256 MiB up to 16 GiB, or "
                   "0"));
}

void SegmentTable::Clear() {
  segments_.clear();
  taken_ = 0;
}

std::optional<uint64_t> SegmentTable::ShiftOf(uint64_t va) const {
  if (slots_ == 0) return 0;
  const auto placed = segments_.find(va >> kSegmentShift);
  if (placed == segments_.end()) return std::nullopt;
  return (placed->second - placed->first) << kSegmentShift;
}

// Slots are a bitmap of 64: a limit is 16 GiB at most (CheckAddressLimit).
bool SegmentTable::SlotsFree(uint64_t slot, uint64_t count) const {
  if (slot > slots_ || count > slots_ - slot) return false;
  for (uint64_t i = slot; i < slot + count; ++i) {
    if ((taken_ >> i & 1) != 0) return false;
  }
  return true;
}

// Later mappings continue the first ones, down or up, so that one which spans
// segments finds them beside each other. Upwards there is room from a third of
// the address space on, which is where a 32-bit Linux begins
// (TASK_UNMAPPED_BASE, arch/x86/include/asm/processor.h); what is below is the
// heap's as long as there is other room.
std::optional<uint64_t> SegmentTable::FreeSlots(uint64_t count) const {
  if (count > slots_) return std::nullopt;
  const uint64_t last = slots_ - count;
  const uint64_t base = slots_ / 3;
  const bool upwards = layout_ == MmapLayout::kBottomUp;
  for (uint64_t slot = base; upwards && slot <= last; ++slot) {
    if (SlotsFree(slot, count)) return slot;
  }
  for (uint64_t slot = last + 1; slot-- > 0;) {
    if (SlotsFree(slot, count)) return slot;
  }
  return std::nullopt;
}

// A segment that is placed already decides for all. Otherwise segments keep
// their number if they can (xmmu/workload/trace.h).
std::optional<uint64_t> SegmentTable::SlotFor(uint64_t first,
                                              uint64_t last) const {
  const uint64_t count = last - first + 1;
  const auto placed = segments_.lower_bound(first);
  if (placed != segments_.end() && placed->first <= last) {
    const uint64_t before = placed->first - first;
    if (placed->second < before) return std::nullopt;
    return placed->second - before;
  }
  if (SlotsFree(first, count)) return first;
  return FreeSlots(count);
}

// Segments that are placed already must be where the range needs them; nothing
// changes unless all segments fit.
std::optional<uint64_t> SegmentTable::Place(uint64_t start, uint64_t end) {
  if (slots_ == 0) return 0;
  const uint64_t first = start >> kSegmentShift;
  const uint64_t last = (end - 1) >> kSegmentShift;
  const std::optional<uint64_t> slot = SlotFor(first, last);
  if (!slot.has_value() || last - first >= slots_ - *slot) return std::nullopt;
  for (uint64_t segment = first; segment <= last; ++segment) {
    const uint64_t wanted = *slot + (segment - first);
    const auto placed = segments_.find(segment);
    if (placed == segments_.end() ? !SlotsFree(wanted, 1)
                                  : placed->second != wanted) {
      return std::nullopt;
    }
  }
  for (uint64_t segment = first; segment <= last; ++segment) {
    segments_[segment] = *slot + (segment - first);
    taken_ |= uint64_t{1} << (*slot + (segment - first));
  }
  return (*slot - first) << kSegmentShift;
}

}  // namespace xmmu
