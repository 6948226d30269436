#include "workload/drmemtrace/fork_scan.h"

#include <memory>

#include "absl/container/btree_map.h"
#include "workload/drmemtrace/call_tracker.h"
#include "workload/process/call_number.h"

namespace xmmu {
namespace {

// Links the process that a call has returned to its parent, which began before
// it.
void Link(TraceSet* set, TaskId parent, uint64_t result) {
  if (result == 0 || result > UINT32_MAX) return;
  const auto child = set->processes.find(static_cast<TaskId>(result));
  if (child == set->processes.end()) return;
  const PieceKey& begin = set->processes.at(parent).front().first;
  if (begin < child->second.front().first) {
    set->parents.emplace(child->first, parent);
  }
}

absl::Status Scan(TraceSet* set, TaskId process, PieceSource& source) {
  absl::btree_map<uint64_t, uint64_t> functions;  // by thread
  for (;;) {
    const absl::StatusOr<RecordBatch> batch = source.Read();
    if (!batch.ok()) return batch.status();
    if (batch->ended) return absl::OkStatus();
    for (const TraceRecord& record : batch->records) {
      if (record.IsUsedMarker(kMarkerFuncId)) {
        functions[batch->thread] = record.address;
      } else if (record.IsUsedMarker(kMarkerFuncRetval)) {
        const uint64_t function = functions[batch->thread];
        if (function >= kSyscallIdBase &&
            MakesTask(function - kSyscallIdBase)) {
          Link(set, process, record.address);
        }
      }
    }
  }
}

}  // namespace

bool MakesTask(uint64_t number) {
  return number == kClone || number == kForkCall || number == kVforkCall ||
         number == kClone3;
}

absl::Status FindForks(TraceSet* set) {
  const bool results = set->newest_version >= kFirstVersionWithResults &&
                       (set->file_types & kFileSyscallNumbers) != 0;
  if (set->processes.size() < 2 || !results) return absl::OkStatus();
  for (const auto& [process, programs] : set->processes) {
    for (const TracedProgram& program : programs) {
      const std::unique_ptr<PieceSource> source = program.Open(process);
      const absl::Status scanned = Scan(set, process, *source);
      if (!scanned.ok()) return scanned;
    }
  }
  return absl::OkStatus();
}

}  // namespace xmmu
