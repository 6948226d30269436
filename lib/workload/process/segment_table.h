#ifndef XMMU_LIB_WORKLOAD_PROCESS_SEGMENT_TABLE_H_
#define XMMU_LIB_WORKLOAD_PROCESS_SEGMENT_TABLE_H_

// The relocation rule of xmmu/workload/trace.h: where the segments of one
// recorded address space lie below an address limit. A value: a fork copies it.

#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"

namespace xmmu {

// The segments of the relocation rule are 256 MiB each.
inline constexpr int kSegmentShift = 28;

// Returns InvalidArgument unless `limit` (TraceOptions::address_limit) is a
// number of segments that a table can have, or 0.
absl::Status CheckAddressLimit(uint64_t limit);

// Which way the recording system gave out addresses: Linux's mmap layout, or
// the one it calls legacy (arch/x86/mm/mmap.c), which is QEMU's, too.
enum class MmapLayout : uint8_t { kTopDown, kBottomUp };

class SegmentTable {
 public:
  // `limit` is TraceOptions::address_limit. REQUIRES: CheckAddressLimit().
  explicit SegmentTable(uint64_t limit,
                        MmapLayout layout = MmapLayout::kTopDown)
      : slots_(static_cast<uint32_t>(limit >> kSegmentShift)),
        layout_(layout) {}

  // Empties the table, as an exec does.
  void Clear();

  // Gives [start, end) its place in the guest and returns its shift, or nothing
  // when the range does not fit in one piece below the limit. Guest address =
  // recorded address + shift, modulo 2^64.
  std::optional<uint64_t> Place(uint64_t start, uint64_t end);

  // Returns the shift of the segment that has `va`, if it has been placed.
  std::optional<uint64_t> ShiftOf(uint64_t va) const;

 private:
  // Returns the slot for segment `first` that keeps the segments first to last
  // in one piece, or nothing if there is no such slot.
  std::optional<uint64_t> SlotFor(uint64_t first, uint64_t last) const;
  // Returns the first of so many free slots for segments that cannot keep their
  // number, or nothing.
  std::optional<uint64_t> FreeSlots(uint64_t count) const;
  bool SlotsFree(uint64_t slot, uint64_t count) const;

  absl::btree_map<uint64_t, uint64_t> segments_;  // segment -> slot
  uint32_t slots_;  // below the limit; 0: no relocation
  MmapLayout layout_;
  uint64_t taken_ = 0;  // slots given away, a bit each
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_SEGMENT_TABLE_H_
