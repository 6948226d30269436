#ifndef XMMU_LIB_WORKLOAD_QEMU_OP_SINK_H_
#define XMMU_LIB_WORKLOAD_QEMU_OP_SINK_H_

#include <span>

#include "absl/status/status.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Takes the operations of the tasks of a workload as they come: those of one
// task in order, those of several interleaved.
class OpSink {
 public:
  virtual ~OpSink() = default;
  virtual absl::Status Append(TaskId task, std::span<const GuestOp> ops) = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_OP_SINK_H_
