#ifndef XMMU_WORKLOAD_TRACE_DIGEST_H_
#define XMMU_WORKLOAD_TRACE_DIGEST_H_

// Tells whether two traces are the same, wherever their files lie and however
// they are compressed.
//
// Any thread.

#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace xmmu {

// A hash of what the files of a trace hold, decompressed: the SHA-1 of a line
// for each file, sorted, with the SHA-1 of its bytes; 40 hex digits. It does
// not depend on the names of the files or on their order, and a shell makes the
// same:
//
//   for f in FILE...; do zcat -f $f | sha1sum | cut -c1-40; done | sort |
//     sha1sum
//
// Of a packed trace it is the content hash of the file (packed_trace.h), which
// does not depend on how the operations were written either.
//
// Reads all files to their ends. Errors: InvalidArgument "FILE:1: what" for
// what cannot be read.
absl::StatusOr<std::string> TraceDigest(std::span<const std::string> files);

}  // namespace xmmu

#endif  // XMMU_WORKLOAD_TRACE_DIGEST_H_
