#ifndef XMMU_MACHINE_INTERNAL_DRAM_H_
#define XMMU_MACHINE_INTERNAL_DRAM_H_

// The open rows of DRAM. A bank keeps the row of its last access open; an
// access to it is faster than one to another row, which must be opened first.
// Rows are spread over the banks by address (assumed; real controllers hash).
// There is no queue and no bus: accesses come one at a time.
//
// Charges nothing. Single-threaded.

#include <cstdint>
#include <vector>

#include "xmmu/base/address.h"
#include "xmmu/machine/machine_model.h"

namespace xmmu {

class Dram {
 public:
  explicit Dram(const DramModel& model)
      : row_bytes_(model.row_bytes), open_(model.banks, ~uint64_t{0}) {}

  // Opens the row of `addr`, and returns whether it was open already.
  bool Access(MachineAddr addr) {
    if (row_bytes_ == 0 || open_.empty()) return false;
    const uint64_t row = addr.value() / row_bytes_;
    uint64_t& open = open_[row % open_.size()];
    const bool hit = open == row;
    open = row;
    return hit;
  }

 private:
  uint64_t row_bytes_;
  std::vector<uint64_t> open_;
};

}  // namespace xmmu

#endif  // XMMU_MACHINE_INTERNAL_DRAM_H_
