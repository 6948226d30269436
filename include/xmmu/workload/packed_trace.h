#ifndef XMMU_WORKLOAD_PACKED_TRACE_H_
#define XMMU_WORKLOAD_PACKED_TRACE_H_

// The packed trace: one file (suffix .xmmu) that holds all operations of all
// tasks of a recording, compressed, with an index by task and number of the
// operation. lib/workload/README.md, "The packed trace", has it to the byte.
//
// OpenTrace() replays a packed trace as any other. The classes here write one,
// and read one at any place.
//
// Single-threaded, each object for itself.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "xmmu/workload/trace.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What a packed trace says of the recording: TraceFacts of what it was made of.
struct PackedHead {
  std::string format_of_origin = {};  // as in TraceFormats(): "lackey", "qemu"
  std::string command = {};           // the recorded command, or empty
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::vector<std::string> lacks = {};
  bool faults_only = false;
  TaskId first_task = 0;
};

using TraceCounts = std::vector<std::pair<std::string, uint64_t>>;

// A task of a packed trace.
struct PackedTask {
  TaskId id = 0;
  uint64_t operations = 0;
  // A hash of the operations, in order: equal for equal streams, however they
  // were written.
  std::pair<uint64_t, uint64_t> hash;
};

// Writes a packed trace. It keeps at most 64 MiB of operations that are in no
// block yet, whatever the number of tasks, and 16 bytes for each block written,
// which are up to 262144 operations of one task.
class PackedTraceWriter {
 public:
  // Begins the file `path`, which appears whole with Finish(): until then there
  // is `path` with a suffix of its own beside it, which the destructor removes.
  //
  // Errors: InvalidArgument, `FILE:0: what`, if the file cannot be written, or
  // `path` is there and is no regular file.
  static absl::StatusOr<std::unique_ptr<PackedTraceWriter>> Create(
      const std::string& path, PackedHead head);

  virtual ~PackedTraceWriter() = default;

  // The file that is written until Finish(): what a program leaves behind if it
  // ends without the destructor.
  virtual const std::string& unfinished_path() const = 0;

  // Adds the next operations of `task`. Tasks come in any order.
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, if the file cannot be written,
  // for an operation of a task that has ended, or that its kind cannot have.
  // After an error every call returns it.
  virtual absl::Status Append(TaskId task, std::span<const GuestOp> ops) = 0;

  // Clauses that are known only now, behind those of the head.
  virtual void AddLacks(std::vector<std::string> lacks) = 0;

  // Writes what is left, the index and `counts` (TraceFacts::counts of the
  // whole), and gives the file its name. Nothing may be appended after it.
  //
  // Errors: as Append(), and for a task without its kExit, for a first task
  // without operations and for a fork whose child has none.
  virtual absl::Status Finish(TraceCounts counts) = 0;
};

// The head of a packed trace of `trace`.
PackedHead PackedHeadOf(const Trace& trace);

// Appends all that all tasks of `trace` do, and finishes with its counts.
//
// Errors: those of the trace and of the writer.
absl::Status PackTrace(Trace& trace, PackedTraceWriter& to);

// Reads a packed trace at any place. It keeps the index (16 bytes a block), and
// of each task that is being read one decoded piece; blocks are kept decoded
// half for a number of tasks that has a bound.
class PackedTraceReader {
 public:
  // Errors: InvalidArgument, `FILE:OFFSET: what is wrong, expected what`, for
  // what cannot be read, is no packed trace, is of a newer version than this
  // library knows, is cut off or damaged. OFFSET is the byte of the file.
  static absl::StatusOr<std::unique_ptr<PackedTraceReader>> Open(
      const std::string& path);

  virtual ~PackedTraceReader() = default;

  virtual const PackedHead& head() const = 0;
  virtual const TraceCounts& counts() const = 0;
  // 40 hex digits over the tasks and their operations. It does not depend on
  // how the file was written. It is the trace's TraceDigest().
  virtual const std::string& content_hash() const = 0;
  // By id.
  virtual std::span<const PackedTask> tasks() const = 0;

  // Returns operations of `task` from where the last call for it or Seek() left
  // off, at first from its beginning; none at its end. The span stays valid
  // until the next call for the same task. REQUIRES: `task` is among tasks().
  //
  // Errors: InvalidArgument, `FILE:OFFSET: what`, for a block that is damaged.
  virtual absl::StatusOr<std::span<const GuestOp>> Next(TaskId task) = 0;

  // The byte of the file where the block begins that has the operations which
  // Next() returned last for `task`, or of which none were left or that was
  // damaged. REQUIRES: it was called.
  virtual uint64_t OffsetOf(TaskId task) const = 0;

  // Goes to operation `number` of `task`, from 0; at most its operations().
  // It decodes at most one block. Errors and requirements as Next().
  virtual absl::Status Seek(TaskId task, uint64_t number) = 0;
};

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_PACKED_TRACE_H_
