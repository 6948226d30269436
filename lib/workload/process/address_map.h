#ifndef XMMU_LIB_WORKLOAD_PROCESS_ADDRESS_MAP_H_
#define XMMU_LIB_WORKLOAD_PROCESS_ADDRESS_MAP_H_

// What is mapped where in one recorded process, and where that lies in the
// guest: the mappings as the log tells them, and the segment table of the
// relocation rule (xmmu/workload/trace.h). A value: a fork copies it.

#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "workload/process/image_layout.h"
#include "workload/process/segment_table.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Whether a mapping is locked. kPerhaps: a call that may have locked it failed.
enum class Lock : uint8_t { kNone, kNow, kOnFault, kPerhaps };

// A mapping [start, end) of the recorded process. Page-aligned.
struct Region {
  uint64_t end = 0;
  uint64_t shift = 0;  // guest address = recorded address + shift, modulo 2^64
  uint8_t rights = 0;  // MapRights
  Backing backing = Backing::kAnonymous;
  uint32_t file = 0;    // file or shared object
  uint64_t offset = 0;  // bytes in the file, at the start of the region
  // An access found the region: no call in the log made it.
  bool inferred = false;
  bool attached = false;  // by shmat
  // Of what is attached: the rights that shmat gave, and the lock that pages of
  // the segment have of which nothing is known yet.
  uint8_t attached_rights = 0;
  Lock attached_lock = Lock::kNone;
  // It was attached with SHM_RDONLY, so Linux refuses to make it writable later
  // (without VM_MAYWRITE, mm/mprotect.c).
  bool never_writable = false;
  // A segment of unknown size, so what follows may be of it, too.
  bool open_ended = false;
  bool zero_filled = false;  // pages of `file` are (MapFlags)
  // A shared anonymous object that nothing else can map: `file` tells it apart
  // here, and is 0 in the stream.
  bool nameless = false;
  uint8_t page_shift = 0;  // of MAP_HUGETLB and its like, else 0
  Lock lock = Lock::kNone;
  bool dont_fork = false;  // MADV_DONTFORK
  // The other advices that Linux keeps with a mapping, a bit each, and so does
  // not join mappings that differ in them.
  uint8_t advices = 0;
};

class AddressMap {
 public:
  using Regions = absl::btree_map<uint64_t, Region>;  // by start

  // `limit` is TraceOptions::address_limit.
  explicit AddressMap(uint64_t limit, const ImageLayout& layout = {})
      : layout_(layout), segments_(limit) {}

  const ImageLayout& layout() const { return layout_; }

  // Empties the address space and the table of segments, as an exec does.
  void Clear();

  // Returns the region that contains `va`, or end().
  Regions::const_iterator Find(uint64_t va) const;
  Regions::const_iterator end() const { return regions_.end(); }
  bool empty() const { return regions_.empty(); }

  struct Range {
    uint64_t start;
    uint64_t end;
  };
  // Returns the unmapped addresses around `va`, within [low, high).
  // REQUIRES: `va` is unmapped.
  Range Hole(uint64_t va, uint64_t low, uint64_t high) const;

  // Returns the first region that meets [start, end) and was made by a call, or
  // end().
  Regions::const_iterator FirstLogged(uint64_t start, uint64_t end) const;

  // Whether a call has unmapped some of [start, end) and nothing has been
  // mapped there since.
  bool MeetsUnmapped(uint64_t start, uint64_t end) const;

  // Returns the first region that meets [start, end) and of which `is` holds,
  // or end().
  Regions::const_iterator FirstWhere(
      uint64_t start, uint64_t end,
      absl::FunctionRef<bool(const Region&)> is) const;

  // Returns the first unmapped address in [start, end), if there is one.
  std::optional<uint64_t> FirstHole(uint64_t start, uint64_t end) const;

  // As SegmentTable::Place().
  std::optional<uint64_t> Place(uint64_t start, uint64_t end) {
    return segments_.Place(start, end);
  }

  // Replaces what is mapped in [start, region.end). REQUIRES: region.shift is
  // what Place() returned for the range.
  void Map(uint64_t start, const Region& region);
  void Unmap(uint64_t start, uint64_t end);
  // Takes [start, end) out of what is known to be unmapped.
  void ForgetUnmapped(uint64_t start, uint64_t end);
  // Calls `change` for each region of [start, end), which ends at its borders.
  void Change(uint64_t start, uint64_t end,
              absl::FunctionRef<void(Region&)> change);
  // Turns the map into that of a child: without what MADV_DONTFORK keeps from
  // it, and without locks (dup_mmap, Linux, kernel/fork.c).
  void Fork();

  // Calls `piece(start, end, shift)` for each mapped piece of [start, end), in
  // order. Pieces are as long as they are contiguous here and in the guest.
  void ForEachPiece(
      uint64_t start, uint64_t end,
      absl::FunctionRef<void(uint64_t, uint64_t, uint64_t)> piece) const;

 private:
  // Makes `va` a border between regions, if it is inside one.
  void Split(uint64_t va);
  // Takes [start, end) out of the regions.
  void Remove(uint64_t start, uint64_t end);
  // Joins regions that meet within [start, end] and continue each other, so
  // that the map does not grow with the number of calls.
  void Merge(uint64_t start, uint64_t end);

  ImageLayout layout_;
  Regions regions_;
  // Start -> end of ranges that were unmapped and not mapped again; disjoint.
  absl::btree_map<uint64_t, uint64_t> unmapped_;
  SegmentTable segments_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_ADDRESS_MAP_H_
