#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_PROCESS_STREAM_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_PROCESS_STREAM_H_

// The stream of one process of a drmemtrace, with all of its threads.
// Single-threaded.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workload/drmemtrace/call_tracker.h"
#include "workload/drmemtrace/known_mappings.h"
#include "workload/drmemtrace/modify_pairing.h"
#include "workload/drmemtrace/piece_source.h"
#include "workload/drmemtrace/trace_set.h"
#include "workload/process/op_writer.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What has been read, of all processes.
struct DrmemtraceCounts {
  uint64_t records = 0;
  uint64_t threads = 0;
  uint64_t fetches = 0;
  uint64_t iterations = 0;  // kRecordInstrNoFetch
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t modifies = 0;  // pairs of a read and a write
  uint64_t unsized = 0;   // reads and writes of size 0
  uint64_t syscalls = 0;
  uint64_t unknown_calls = 0;  // on mappings, of unknown effect
  uint64_t kernel_events = 0;
  uint64_t kernel_records = 0;
  uint64_t outside = 0;      // accesses that are no program's own
  uint64_t against = 0;      // accesses that a mapping did not allow
  uint64_t gaps = 0;         // between windows of the recording
  uint64_t started = 0;      // programs that no fork starts
  uint64_t known = 0;        // mappings from v2p.textproto or modules.log
  uint64_t large_pages = 0;  // of these, regions of large pages
  uint64_t strangers = 0;    // such files that are another trace's
};

class ProcessStream {
 public:
  // A process that an operation of the stream has created.
  struct Birth {
    TaskId child = 0;
    ProcessState state;  // at the fork
    // No fork started it: it begins with an exec, and `state` says nothing.
    bool fresh = false;
  };
  struct Start {
    PieceKey key;
    TaskId process;
  };

  // `starts` are the processes that this one is to start when their time has
  // come, in order; `set` and `counts` must outlive the stream.
  ProcessStream(const TraceSet& set, TaskId process, ProcessState state,
                bool fresh, bool fetches, std::vector<Start> starts,
                DrmemtraceCounts* counts);

  // As Workload::Next(). `births` gets the children that the operations create.
  absl::StatusOr<std::span<const GuestOp>> Next(std::vector<Birth>* births);

  // Whether kExit has been returned.
  bool done() const { return done_; }

 private:
  struct Thread {
    CallTracker calls;
    bool known = false;
  };
  struct CachedWindow {
    AccessWindow window;
    uint64_t generation = 0;
  };

  absl::Status ErrorAt(absl::string_view what) const;
  // Goes to the next batch, or to the next program or the end behind the last.
  absl::Status Refill();
  absl::Status NextProgram();
  absl::Status End();
  absl::Status ReadBatch();
  absl::Status ReadRecord(const TraceRecord& record);
  absl::Status ReadInstruction(const TraceRecord& record);
  absl::Status ReadData(const TraceRecord& record);
  absl::Status ReadMarker(const TraceRecord& record);
  absl::Status ReadOther(const TraceRecord& record);
  // Emits an access. Returns the index of its operation, or nothing.
  absl::StatusOr<std::optional<size_t>> Access(GuestOpKind kind, uint64_t va,
                                               uint64_t length);
  absl::StatusOr<AccessWindow> WindowFor(GuestOpKind kind, uint64_t va,
                                         uint64_t length);
  absl::Status CheckAddress(uint64_t va, bool* outside) const;
  // Maps what files beside the trace say, if they are this program's.
  absl::Status MapKnown();
  // Whether the mappings have what the rest of the batch touches.
  bool Covers(const std::vector<KnownMapping>& mappings, bool only_code) const;
  absl::Status MapAll(const std::vector<KnownMapping>& mappings);
  void StartOthers(const PieceKey& until);
  void Begin(TaskId child, ProcessState state, bool fresh);

  // process_stream_calls.cc
  absl::Status SwitchThread(uint64_t thread);
  // The thread's piece ends: what its last call did was done by then.
  absl::Status EndPiece();
  absl::Status FinishOpenCall();
  absl::Status FinishCall(const TracedCall& call);
  absl::Status FinishKnown(const TracedCall& call, SystemCall system_call,
                           const SystemCallResult& result);
  absl::Status FinishUnknown(const TracedCall& call);
  // The process that a call has created, or 0.
  TaskId ChildOf(const TracedCall& call, const SystemCallResult& result) const;
  // Whether a call that Linux would have refused is believed to have another
  // explanation than damage.
  bool Tolerates() const {
    return state_unknown_ || threads_.size() > 1 + threads_.count(0);
  }

  const TraceSet& set_;
  TaskId process_;
  bool fresh_;
  bool fetches_;
  std::vector<Start> starts_;
  size_t started_ = 0;
  DrmemtraceCounts& counts_;
  OpWriter writer_;
  std::vector<Birth>* births_ = nullptr;

  size_t program_ = 0;
  std::unique_ptr<PieceSource> source_;
  uint64_t source_records_ = 0;  // counted so far
  RecordBatch batch_;
  size_t at_ = 0;  // in the batch
  bool mapped_known_ = false;
  absl::flat_hash_map<uint64_t, Thread> threads_;
  Thread* thread_ = nullptr;
  uint64_t thread_id_ = 0;
  std::optional<uint64_t> window_;  // WINDOW_ID
  ModifyPairing pairing_;
  std::array<CachedWindow, 16> windows_;
  bool state_unknown_ = false;  // a call on mappings was of unknown effect
  absl::flat_hash_set<TaskId> born_;
  bool started_stream_ = false;
  bool ended_ = false;
  bool done_ = false;
  absl::Status failure_;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_PROCESS_STREAM_H_
