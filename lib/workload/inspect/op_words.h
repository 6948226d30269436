#ifndef XMMU_LIB_WORKLOAD_INSPECT_OP_WORDS_H_
#define XMMU_LIB_WORKLOAD_INSPECT_OP_WORDS_H_

// Operations of a trace one by one, with their numbers.
//
// The number of an operation is how many there are before it in the order of
// StreamMerger; kPost and kAwait are not counted and have the number of what
// comes behind them. So `xmmu compare --skip=N` on one vCPU begins to count
// with operation N.
//
// Single-threaded.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What `op` says, in words, without its kind: "8 bytes at 0x7fff12345678",
// "0x400000, 8,192 bytes, r-x, file-private 3 at 0x1000".
std::string OpWords(const GuestOp& op);

struct NumberedOp {
  uint64_t number = 0;
  TaskId task = 0;
  GuestOp op;
};

struct OpRange {
  uint64_t from = 0;
  uint64_t count = std::numeric_limits<uint64_t>::max();
  TaskId task = 0;  // 0: all tasks
};

// The operations of `range`: those of the task, if one is named, from number
// `from` on, at most `count`.
// Errors: those of StreamMerger::Next() up to there.
absl::StatusOr<std::vector<NumberedOp>> TakeOps(Workload& workload,
                                                const OpRange& range);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_OP_WORDS_H_
