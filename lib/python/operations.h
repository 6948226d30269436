#ifndef XMMU_LIB_PYTHON_OPERATIONS_H_
#define XMMU_LIB_PYTHON_OPERATIONS_H_

// Operations that somebody else keeps in memory, such as an array of NumPy's, as
// a workload. They are read where they are, a piece at a time, and each piece is
// checked when it is read: whoever has them may change them meanwhile, which can
// do no more than end the run.
//
// Knows nothing of Python. A set may be read by any thread, a workload by one.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "xmmu/workload/workload.h"

namespace xmmu::python {

// The operations of one task: the first one's bytes at `first`, the next one's
// `stride` bytes further, which may be less than 0 and need not be aligned.
struct OperationArray {
  const std::byte* first = nullptr;
  size_t count = 0;
  std::ptrdiff_t stride = sizeof(GuestOp);
};

struct OperationSet {
  std::string name;  // in reports
  TaskId first_task = 1;
  absl::btree_map<TaskId, OperationArray> tasks;
};

// Reads all of `set` as a replay will, tasks in the order of their numbers.
// Errors: InvalidArgument, "NAME: task 1, operation 5: what is wrong", with the
// index from 0; for what no operation of its kind can say, an operation behind
// the exit, a task that is started and is not there, or twice, or never.
absl::Status CheckOperations(const OperationSet& set);

// `set` as a workload; it outlives that. A task that ends without kExit exits
// behind its last operation.
std::unique_ptr<Workload> WorkloadOfOperations(const OperationSet& set);

}  // namespace xmmu::python

#endif  // XMMU_LIB_PYTHON_OPERATIONS_H_
