#ifndef XMMU_MACHINE_MEMORY_HIERARCHY_H_
#define XMMU_MACHINE_MEMORY_HIERARCHY_H_

// The data caches that page-table entries (and, on request, data) are loaded
// through: for each CPU an L1 and an L2, for the machine an L3. Only tags are
// kept: which level would serve a line. Replacement is least recently used and
// every level is filled on a miss (assumed; real policies are unpublished).
// Stores by one CPU do not invalidate another's lines (not modelled: coherence
// traffic).
//
// Charges nothing: the caller prices the answer. Single-threaded.

#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"
#include "xmmu/base/cycles.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

// Where a line was found.
enum class MemoryLevel : uint8_t { kL1, kL2, kL3, kDram };

// What the load of a page-table entry takes that was found there.
constexpr CostEvent CostOfPteLoad(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kL1:
      return CostEvent::kPteLoadL1;
    case MemoryLevel::kL2:
      return CostEvent::kPteLoadL2;
    case MemoryLevel::kL3:
      return CostEvent::kPteLoadL3;
    case MemoryLevel::kDram:
      break;
  }
  return CostEvent::kPteLoadDram;
}

// One set-associative array of line tags.
class CacheArray {
 public:
  // An array of zero bytes never hits.
  explicit CacheArray(const CacheGeometry& geometry);

  // Whether the line of `addr` was present; makes it the most recently used,
  // evicting the least recently used of its set if it was not.
  bool Touch(MachineAddr addr);
  void Clear();
  bool absent() const { return sets_ == 0; }

 private:
  struct Line {
    uint64_t tag = ~uint64_t{0};
    uint64_t last_use = 0;
  };

  uint64_t sets_ = 0;
  uint32_t ways_ = 0;
  int line_shift_ = 0;
  uint64_t use_ = 0;
  std::vector<Line> lines_;
};

class MemoryHierarchy {
 public:
  // `l3` is shared by the CPUs of a machine and outlives this object.
  MemoryHierarchy(const MachineModel& model, CacheArray* l3);

  // Loads the line of `addr` and says where it was.
  MemoryLevel Touch(MachineAddr addr);
  // Empties L1 and L2.
  void Clear();

 private:
  CacheArray l1_;
  CacheArray l2_;
  CacheArray* l3_;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_MEMORY_HIERARCHY_H_
