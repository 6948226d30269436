#ifndef XMMU_LIB_WORKLOAD_QEMU_CONVERT_SPOOL_H_
#define XMMU_LIB_WORKLOAD_QEMU_CONVERT_SPOOL_H_

// Turns a spool, the raw files that qemu/plugin writes as a program runs, into
// the operations of its tasks. lib/workload/README.md, "The spool", has its
// format, and what becomes what. Single-threaded.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "workload/qemu/op_sink.h"
#include "xmmu/workload/trace.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What a spool says of itself before it is read: all but the counts of `facts`,
// and the task that runs first.
struct SpoolHead {
  TraceFacts facts;
  TaskId first_task = 0;
};

// Errors: InvalidArgument, `FILE:OFFSET: what`, as ConvertSpool(), of the
// directory and of the first program.
absl::StatusOr<SpoolHead> ReadSpoolHead(const std::string& directory);

using SpoolFactCounts = std::vector<std::pair<std::string, uint64_t>>;

// Gives `to` all operations of all tasks of the spool in `directory`, and
// returns what was read and what was left out (TraceFacts::counts). It keeps the
// blocks of code of the processes between the one that is read and the root,
// and their mappings, and a piece of each of their threads' files.
//
// Errors: InvalidArgument, `FILE:OFFSET: what is wrong, expected what`, OFFSET in
// bytes, for what cannot be read, is damaged, or cannot have happened; and those
// of `to`.
absl::StatusOr<SpoolFactCounts> ConvertSpool(const std::string& directory,
                                             OpSink& to);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_CONVERT_SPOOL_H_
