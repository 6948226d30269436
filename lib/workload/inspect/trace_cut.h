#ifndef XMMU_LIB_WORKLOAD_INSPECT_TRACE_CUT_H_
#define XMMU_LIB_WORKLOAD_INSPECT_TRACE_CUT_H_

// Cuts a piece out of a trace, so that it replays as a trace of its own.
//
// The piece begins with the operations that lead up to it as far as mappings,
// open files and tasks go: each task that lives at the cut is started by its
// parent, maps what it has mapped, with rights, locks and advice, opens what it
// holds open, and, if it waits for something there, waits again. Children that
// have ended, but were not waited for, start and end. Then come the operations
// of the piece, and a kExit for each task that goes on behind it.
//
// What is lost is what these operations cannot say: the contents of memory,
// page tables, caches, and which pages there are (all pages of the piece are
// touched for the first time, but those of locked mappings are made at once);
// pages that relatives shared for reading since a fork; that a file was removed
// while it was open or mapped. Shared anonymous memory that only forks share
// becomes an object with a number of its own, which outlives its mappings.
//
// Tasks whose parent has ended are started by the first task if that has ended,
// too, else by a task of their own, which ends at once.
//
// It keeps the mappings of live address spaces. Single-threaded.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workload/inspect/stream_merger.h"
#include "workload/inspect/task_states.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// Takes operations of a task, which follow those that it took before.
using AppendOps =
    absl::FunctionRef<absl::Status(TaskId, std::span<const GuestOp>)>;

class TraceCut {
 public:
  // Reads `workload`, which outlives the cut, up to operation `from`.
  // Errors: those of StreamMerger::Next(); InvalidArgument if the trace has no
  // such operation.
  static absl::StatusOr<std::unique_ptr<TraceCut>> Begin(Workload& workload,
                                                         uint64_t from);

  // The first task of the piece.
  TaskId first_task() const { return first_task_; }
  // How many operations lead up to the piece.
  uint64_t setup_operations() const;

  // Hands them and the operations from `from` up to `to`, or to the end, to
  // `append`, and returns how many those of the piece itself are, without the
  // exits that are added. Once.
  // Errors: those of StreamMerger::Next() and of `append`.
  absl::StatusOr<uint64_t> Write(std::optional<uint64_t> to, AppendOps append);

 private:
  TraceCut(Workload& workload, uint64_t from)
      : merger_(workload), states_(workload.first_task()), from_(from) {}

  absl::Status ReadUpTo(uint64_t from);
  // `piece` with its kAwait, if it has one, counting from the cut.
  std::vector<GuestOp> FromHere(const StreamPiece& piece) const;

  StreamMerger merger_;
  TaskStates states_;
  uint64_t from_;
  TaskId first_task_ = 0;
  absl::btree_map<TaskId, std::vector<GuestOp>> setup_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_TRACE_CUT_H_
