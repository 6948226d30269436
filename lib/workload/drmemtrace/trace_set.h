#ifndef XMMU_LIB_WORKLOAD_DRMEMTRACE_TRACE_SET_H_
#define XMMU_LIB_WORKLOAD_DRMEMTRACE_TRACE_SET_H_

// Which files of a drmemtrace are whose: directories as DynamoRIO lays them out
// and single files become programs of processes.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "workload/drmemtrace/core_spool.h"
#include "workload/drmemtrace/piece_source.h"
#include "workload/drmemtrace/trace_head.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// One program that a process ran, from its begin or exec to its end or the next
// exec: DynamoRIO writes a directory for each.
struct TracedProgram {
  // The program, as its directory or file is named by DynamoRIO; else empty.
  std::string program;
  std::string name;       // the same, or instead that of its file
  std::string directory;  // in which its files are
  // Whether other files in the directory are of the same recording: it was
  // named as a whole, or is the folder of a trace's own.
  bool whole_directory = false;
  std::vector<TraceHead> heads;
  std::shared_ptr<CoreSpool> spool;  // instead, of core-sharded files
  PieceKey first;                    // of its first piece

  std::unique_ptr<PieceSource> Open(TaskId process) const;
};

struct TraceSet {
  // The programs of each process, in order.
  absl::btree_map<TaskId, std::vector<TracedProgram>> processes;
  absl::btree_map<TaskId, TaskId> parents;  // of those that a fork names
  TaskId root = 0;
  // What all files together are.
  uint64_t oldest_version = kNewestTraceVersion;
  uint64_t newest_version = 0;
  uint64_t file_types = 0;  // bits of any
  bool untyped = false;     // a file does not say
  bool syscalls_everywhere = true;
  size_t files = 0;
};

// Returns the trace files of a directory: those of its folder trace, its
// folders window.NNNN, or itself; or of all traces that are folders in it. Empty
// if there is none.
std::vector<std::string> TraceFilesIn(const std::string& directory);

// Whether a directory is one that drmemtrace wrote; if it is, it may still have
// raw files alone.
bool IsDrmemtraceDirectory(const std::string& directory);

// Reads the heads of all files. If there are several processes and the trace
// tells results of calls, all of it is read, to find who forked whom.
//
// Errors: as ReadTraceHead(); `DIRECTORY:0: what` for one without a trace;
// unless one process is there that no other forked.
absl::StatusOr<TraceSet> ReadTraceSet(const std::vector<std::string>& files);

// Returns the path of the file `name` that lies beside a program's trace, or
// nothing.
std::string FindBeside(const std::string& directory, const std::string& name);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_DRMEMTRACE_TRACE_SET_H_
