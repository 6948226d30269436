#ifndef XMMU_LIB_WORKLOAD_INSPECT_MAPPINGS_H_
#define XMMU_LIB_WORKLOAD_INSPECT_MAPPINGS_H_

// What is mapped where in one address space, as the operations of a stream say
// (Linux: the VMAs of an mm_struct). A value: a fork copies it.
//
// Single-threaded.

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Kinds of backings.
inline constexpr size_t kBackingKinds =
    static_cast<size_t>(Backing::kSharedAnonymous) + 1;

// What operations on ranges have said of one, besides its rights.
enum class HugePages : uint8_t { kDefault, kWanted, kNotWanted };
enum class PageLock : uint8_t { kNone, kLocked, kOnFault };

// A mapping [start, end), in whole pages.
struct Mapping {
  uint64_t end = 0;
  uint8_t rights = 0;  // MapRights
  Backing backing = Backing::kAnonymous;
  uint8_t flags = 0;  // kMapZeroFilled, kMapOnePageFaults
  uint8_t page_shift = 0;
  uint32_t file = 0;
  uint64_t offset = 0;  // of the start in the file or object, in bytes
  // Tells apart what one kSharedAnonymous without a file has made; else 0.
  uint64_t object = 0;
  HugePages huge = HugePages::kDefault;
  PageLock lock = PageLock::kNone;
  bool dont_fork = false;
  bool wipe_on_fork = false;
};

class Mappings {
 public:
  using Map = absl::btree_map<uint64_t, Mapping>;  // by start

  // Does what `op` says of ranges: a kMap, kUnmap, kProtect, kRemap or kAdvise.
  // Others change no mapping. `object` becomes Mapping::object of a
  // kSharedAnonymous that has no file.
  void Apply(const GuestOp& op, uint64_t object);
  // Maps the pages of the new stack that an exec writes.
  void MapArguments(const GuestOp& exec);
  // Turns the mappings into those of a child (dup_mmap, Linux, kernel/fork.c).
  void Fork();

  // The mapping that holds `va`, or end().
  Map::const_iterator Find(uint64_t va) const;
  Map::const_iterator begin() const { return map_.begin(); }
  Map::const_iterator end() const { return map_.end(); }
  // Whether all of [va, va+length) is mapped with each of `rights`.
  bool Allows(uint64_t va, uint64_t length, uint8_t rights) const;

  // Whether anything of [va, va+length) is mapped.
  bool Meets(uint64_t va, uint64_t length) const;

  // Mapped bytes of that backing.
  uint64_t bytes(Backing backing) const {
    return bytes_[static_cast<size_t>(backing)];
  }

 private:
  // Makes `va` a border between mappings, if it is inside one.
  void Split(uint64_t va);
  void Remove(uint64_t start, uint64_t end);
  // Puts a mapping where there is none, and joins it with its neighbours.
  void Insert(uint64_t start, const Mapping& mapping);
  // Calls `change` for each mapping of [start, end), which ends at its borders.
  void Change(uint64_t start, uint64_t end,
              absl::FunctionRef<void(Mapping&)> change);
  void Join(uint64_t start, uint64_t end);
  void Remap(const GuestOp& op);
  void Advise(const GuestOp& op);

  Map map_;
  std::array<uint64_t, kBackingKinds> bytes_{};
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_MAPPINGS_H_
