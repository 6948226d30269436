#ifndef XMMU_LIB_WORKLOAD_INSPECT_CUT_SETUP_H_
#define XMMU_LIB_WORKLOAD_INSPECT_CUT_SETUP_H_

// The operations that lead up to a point of a trace: see trace_cut.h.
//
// A process starts its children before it maps or opens anything, so that they
// inherit nothing, and its threads behind that, so that they find all. The
// child of a vfork, whose parent waits at the cut, is started last, and by the
// task that waits; what it starts itself begins with an exec, since it cannot
// come before what is mapped.
//
// Single-threaded.

#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "workload/inspect/stream_merger.h"
#include "workload/inspect/task_states.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

class CutSetup {
 public:
  using Streams = absl::btree_map<TaskId, std::vector<GuestOp>>;

  // `states` and `merger` are at the cut, and outlive the object.
  CutSetup(const TaskStates& states, const StreamMerger& merger);

  // What each task does first. A task that has ended at the cut ends here.
  const Streams& streams() const { return streams_; }
  // The task that starts all others.
  TaskId first_task() const { return first_task_; }

 private:
  struct ProcessPlan {
    std::vector<TaskId> threads;   // that live, in the order of their start
    std::vector<TaskId> children;  // processes, those that have ended, too
    TaskId space_of = 0;           // the thread whose memory the others share
    bool borrows = false;     // it is the child of a vfork, before its exec
    bool needs_exec = false;  // it inherits memory that is not its own
    OpenStates inherited;     // what it holds open from the start
  };

  void FindProcesses();
  void FindChildren();
  // Says what the process and its descendants inherit.
  void Inherit(TaskId process);
  void AddProcess(TaskId id);
  void AddThread(TaskId id, const ProcessPlan& plan);
  void AddMappings(const Mappings& mappings, std::vector<GuestOp>& ops);
  // The task waits for what it waited for at the cut.
  void AddWait(TaskId id, std::vector<GuestOp>& ops);
  // The number of an object that has none.
  uint32_t NumberOf(uint64_t object);
  bool IsFileKnown(uint32_t file) const;

  const TaskStates& states_;
  const StreamMerger& merger_;
  absl::btree_map<TaskId, ProcessPlan> plans_;  // of processes that live
  std::vector<TaskId> orphans_;                 // processes without a parent
  absl::btree_map<TaskId, TaskId> vforked_;     // by the task that waits
  absl::btree_map<uint64_t, uint32_t> objects_;
  uint32_t next_object_ = ~uint32_t{0};
  TaskId first_task_ = 0;
  Streams streams_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_INSPECT_CUT_SETUP_H_
