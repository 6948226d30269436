#ifndef XMMU_TESTS_WORKLOAD_DRMEMTRACE_RECORD_COUNTS_H_
#define XMMU_TESTS_WORKLOAD_DRMEMTRACE_RECORD_COUNTS_H_

// Counts what the records of a drmemtrace are, as the workload reads them.

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "workload/drmemtrace/piece_source.h"
#include "workload/drmemtrace/sha256.h"

namespace xmmu {

struct RecordCounts {
  uint64_t records = 0;
  uint64_t exits = 0;  // THREAD_EXIT
  uint64_t fetch = 0;
  uint64_t no_fetch = 0;
  uint64_t read = 0;
  uint64_t write = 0;
  uint64_t rmw = 0;    // writes of what the same instruction has read
  uint64_t cross = 0;  // reads and writes across 4 KiB
  uint64_t size0 = 0;
  uint64_t syscalls = 0;
  uint64_t kernel_events = 0;
  std::set<uint64_t> pages;
  std::set<uint64_t> blocks;               // of 64 KiB
  std::map<uint64_t, uint64_t> by_number;  // system calls
  uint64_t pieces = 0;
  uint64_t switches = 0;  // of the thread, from one piece to the next
  std::string digest;     // the first 16 digits of SHA-256 over the accesses
};

// Reads all of `source`.
absl::Status CountRecords(PieceSource& source, RecordCounts* counts);

}  // namespace xmmu

#endif  // XMMU_TESTS_WORKLOAD_DRMEMTRACE_RECORD_COUNTS_H_
