#ifndef XMMU_LIB_GUEST_SIGHTINGS_H_
#define XMMU_LIB_GUEST_SIGHTINGS_H_

// Sightings records what tasks saw of files and shared objects on several
// vCPUs.
//
// Which of two vCPUs comes first depends on their clocks, and so on the policy.
// If one task writes a page in place (by a shared mapping), what another reads
// from it need not be the same under every policy, be it through a shared
// mapping, through a private mapping of the file, or from a private copy. All
// of these are, for one task, loads from one page of one object: a private page
// stays at its place in its file, whatever is copied, forked or moved. So each
// task's loads are hashed by page of the object, apart from its other loads,
// and in the end those of pages that another task has written are left out.
//
// Which pages those are does not depend on who came first: each task does what
// its stream says.

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "guest/address_space.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// A page of an object: (FileObject::identity(), page number in it).
using ObjectPage = std::pair<uint64_t, uint64_t>;

// Which tasks have written which pages of objects in place.
class ObjectWriters {
 public:
  void Add(const ObjectPage& page, TaskId task);
  // Whether a task other than `task` has written the page.
  bool OtherThan(TaskId task, const ObjectPage& page) const;

 private:
  static constexpr TaskId kSeveral = 0;  // no task has this number
  absl::flat_hash_map<ObjectPage, TaskId> writers_;
};

// What one task saw. Single-threaded.
class Sightings {
 public:
  explicit Sightings(TaskId task) : task_(task) {}

  // Records a load of `token` at `va`. Returns whether it is from no shared
  // mapping.
  bool Load(AddressSpace& mm, VirtAddr va, uint64_t token);
  // Records a store at `va`.
  void Store(AddressSpace& mm, VirtAddr va, ObjectWriters& writers);
  // Records any other event.
  void Other(uint64_t event);
  // Records the content of a page of `vma` that is given up.
  void GaveUp(const Vma& vma, VirtAddr va, uint64_t token);

  // Whether Value() leaves out something that would count on one vCPU.
  bool Races(const ObjectWriters& writers) const;
  // Returns a hash of all but the pages that others have written.
  uint64_t Value(const ObjectWriters& writers) const;
  // Adds those pages to `pages`, and returns how many loads there were from
  // them.
  uint64_t CountNotCompared(const ObjectWriters& writers,
                            std::vector<ObjectPage>& pages) const;

 private:
  static constexpr int32_t kNone = -1;  // the task's own memory

  struct PageSeen {
    ObjectPage page;
    bool shared = false;
    uint64_t loads = 0;
    uint64_t hash = 0;
  };
  // What is at a page of the address space, valid while nothing is mapped or
  // unmapped.
  struct Cached {
    uint64_t page = ~uint64_t{0};
    uint64_t epoch = 0;
    int32_t index = kNone;
    bool written = false;
  };

  // Looks the page of `va` up, in the cache or by its VMA.
  Cached& At(AddressSpace& mm, VirtAddr va);
  // Returns the index in pages_ of the object's page at `va`, or kNone.
  int32_t IndexOf(const Vma& vma, VirtAddr va);

  TaskId task_;
  uint64_t rest_ = 0;
  std::vector<PageSeen> pages_;
  absl::flat_hash_map<std::pair<ObjectPage, bool>, int32_t> indices_;
  std::array<Cached, 64> cache_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_SIGHTINGS_H_
