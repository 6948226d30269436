#ifndef XMMU_LIB_GUEST_OBJECT_WRITERS_H_
#define XMMU_LIB_GUEST_OBJECT_WRITERS_H_

// Which tasks change which pages of what several of them see: of files and
// shared objects, by storing to them; of address spaces with several threads,
// also by mapping something else there.
//
// Only what the tasks' streams say is noted here, not what came of it. So it is
// the same under every policy. Single-threaded.

#include <cstdint>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// A page of an object: (FileObject::identity() or AddressSpace::object, page
// number in it).
using ObjectPage = std::pair<uint64_t, uint64_t>;

// Returns the AddressSpace::object of the `sequence`-th address space to which
// `task` adds the second thread; no FileObject::identity() is like it.
constexpr uint64_t SpaceObject(TaskId task, uint32_t sequence) {
  return uint64_t{1} << 62 | uint64_t{task} << 30 | sequence;
}

class ObjectWriters {
 public:
  static constexpr TaskId kSeveral = 0;  // no task has this number

  // `task` stores to a page in place.
  void Add(const ObjectPage& page, TaskId task);
  // `task`, or kSeveral, changes pages [first, end) of `object`.
  void AddRange(uint64_t object, uint64_t first, uint64_t end, TaskId task);
  // `task` does to pages [first, end) something that ends at the first one that
  // does not allow it.
  void AddWhole(uint64_t object, uint64_t first, uint64_t end, TaskId task);

  // Counts all pages of a whole as changed by several tasks if another than its
  // own changes one of them by AddRange() or so.
  void Settle();
  // Whether a task other than `task` changes the page.
  bool OtherThan(TaskId task, const ObjectPage& page) const;

 private:
  struct Range {
    uint64_t end;
    TaskId task;
  };
  using Ranges = absl::btree_map<uint64_t, Range>;  // disjoint, by first page

  // Makes `page` a border between ranges if it lies inside one.
  static void SplitAt(Ranges& ranges, uint64_t page);
  // Adds [first, end). Returns whether that changes anything.
  static bool Paint(Ranges& ranges, uint64_t first, uint64_t end, TaskId task);
  // Returns the range that meets [first, end), is not `task`'s alone and comes
  // first; or the end.
  static Ranges::const_iterator OtherIn(const Ranges& ranges, uint64_t first,
                                        uint64_t end, TaskId task);

  absl::flat_hash_map<ObjectPage, TaskId> writers_;
  absl::flat_hash_map<uint64_t, Ranges> ranges_;  // by object
  // (object, first, end, task)
  absl::btree_set<std::tuple<uint64_t, uint64_t, uint64_t, TaskId>> wholes_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_OBJECT_WRITERS_H_
