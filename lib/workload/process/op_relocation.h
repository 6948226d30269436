#ifndef XMMU_LIB_WORKLOAD_PROCESS_OP_RELOCATION_H_
#define XMMU_LIB_WORKLOAD_PROCESS_OP_RELOCATION_H_

// Moves the operations of a trace below an address limit, by the rule in
// xmmu/workload/trace.h. It is for formats whose operations have the recorded
// addresses; those that make operations of calls move them as they do so
// (AddressMap).
//
// Single-threaded.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "workload/process/segment_table.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class OpRelocation {
 public:
  // REQUIRES: CheckAddressLimit(limit).
  OpRelocation(uint64_t limit, TaskId first_task,
               MmapLayout layout = MmapLayout::kTopDown);

  // Appends the next operations of `task` to `moved`, up to and with the first
  // kAwait, and returns how many of `ops` that were. What is behind it comes
  // after what is awaited: with that a thread may place segments for all
  // threads of its process.
  //
  // An operation over segments that lie apart becomes several; those of a
  // system call stay one call. An access over such a border goes; so does an
  // unmapping and its like where nothing has been mapped, and a call of nothing
  // else is a kSyscall.
  //
  // Errors: InvalidArgument with what is wrong, for a mapping that does not
  // fit; the caller adds the place. REQUIRES: `task` is the first one or was
  // started by an operation before.
  absl::StatusOr<size_t> Append(TaskId task, std::span<const GuestOp> ops,
                                std::vector<GuestOp>* moved);

 private:
  // Threads of a process share a table.
  using Table = std::shared_ptr<SegmentTable>;

  absl::Status Move(TaskId task, const GuestOp& op,
                    std::vector<GuestOp>* moved);
  absl::Status MoveMapping(SegmentTable& table, GuestOp op,
                           std::vector<GuestOp>* moved);
  absl::Status MoveAccess(SegmentTable& table, const GuestOp& op,
                          std::vector<GuestOp>* moved);
  static void MovePieces(const SegmentTable& table, const GuestOp& op,
                         std::vector<GuestOp>* moved);
  void Start(const GuestOp& op, const Table& parent);

  uint64_t limit_;
  MmapLayout layout_;
  absl::btree_map<TaskId, Table> tables_;  // of tasks that have not ended
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_PROCESS_OP_RELOCATION_H_
