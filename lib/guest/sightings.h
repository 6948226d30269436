#ifndef XMMU_LIB_GUEST_SIGHTINGS_H_
#define XMMU_LIB_GUEST_SIGHTINGS_H_

// Sightings records what tasks saw of files, of shared objects, and of memory
// that several threads share, on several vCPUs.
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
// The same goes for threads: a page of their address space is a page of an
// object for them, which another thread also changes by mapping, unmapping,
// discarding or moving memory there. A fork's child sees what the threads of
// its parent have left it: to it, too, they are pages of that object, which it
// does not write to itself. How many faults a thread takes, and what is at the
// pages that are given up in the end, is left out altogether: one thread may
// fault a page in for another, and the last one to exit gives all up.
//
// Which pages those are does not depend on who came first: each task does what
// its stream says.

#include <array>
#include <cstdint>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "guest/address_space.h"
#include "guest/object_writers.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What one task saw. Single-threaded.
class Sightings {
 public:
  explicit Sightings(TaskId task) : task_(task) {}

  // From now on others change the memory that the task sees (AddressSpace::
  // object), or no longer.
  void set_races(bool races) {
    races_ = races;
    ever_races_ |= races;
  }
  bool races() const { return races_; }

  // Records a load of `token` at `va`. Returns whether it is from no shared
  // mapping.
  bool Load(AddressSpace& mm, VirtAddr va, uint64_t token);
  // Records a store at `va`.
  void Store(AddressSpace& mm, VirtAddr va, ObjectWriters& writers);
  // The next two REQUIRE races(). An access at `va` is refused; a copy does not
  // come to it, as it was refused before.
  void Refused(AddressSpace& mm, VirtAddr va, bool read,
               ObjectWriters& writers);
  void Missed(AddressSpace& mm, VirtAddr va, bool read, ObjectWriters& writers);
  // Records any other event.
  void Other(uint64_t event);
  // Records the content of a page of `vma` that is given up.
  void GaveUp(const Vma& vma, VirtAddr va, uint64_t token);

  // Whether Value() leaves out something that would count on one vCPU.
  bool Races(const ObjectWriters& writers) const;
  // Returns a hash of all but the pages that others change.
  uint64_t Value(const ObjectWriters& writers) const;
  // Adds those pages to `pages`, and returns how many loads there were from
  // them.
  uint64_t CountNotCompared(const ObjectWriters& writers,
                            std::vector<ObjectPage>& pages) const;

 private:
  static constexpr int32_t kNone = -1;  // the task's own memory

  static constexpr ObjectPage kNoPage{~uint64_t{0}, ~uint64_t{0}};

  struct PageSeen {
    ObjectPage space;  // of an address space with threads, or kNoPage
    ObjectPage file;   // of a file or shared object, or kNoPage
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
  // Returns the index in pages_ of what is at `va`, or kNone. `vma` is that of
  // `va`, or nullptr.
  int32_t IndexOf(uint64_t space, const Vma* vma, VirtAddr va);
  // Whether others change what the task saw.
  bool LeftOut(const PageSeen& seen, const ObjectWriters& writers) const;

  TaskId task_;
  bool races_ = false;
  bool ever_races_ = false;
  uint64_t rest_ = 0;
  std::vector<PageSeen> pages_;
  absl::flat_hash_map<std::tuple<ObjectPage, ObjectPage, bool>, int32_t>
      indices_;  // by PageSeen's first three
  std::array<Cached, 64> cache_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_GUEST_SIGHTINGS_H_
