#ifndef XMMU_LIB_WORKLOAD_QEMU_SPOOL_DIRECTORY_H_
#define XMMU_LIB_WORKLOAD_QEMU_SPOOL_DIRECTORY_H_

// Which files a spool has: of which processes, of which of the programs that
// each ran, and of which threads. Single-threaded.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"

namespace xmmu {

// One program that a process ran: PID.GEN.*.
struct SpoolProgram {
  uint64_t pid = 0;
  uint64_t generation = 0;
  std::string blocks;                // the file PID.GEN.blocks
  std::vector<std::string> threads;  // the files PID.GEN.VCPU, by VCPU
  // The index in `threads` of the one that the program began with.
  size_t main = 0;
  // The process was forked here, by this one.
  std::optional<uint64_t> parent;
};

// A process from its fork to its end: the programs that it ran, in order. Two
// processes may have had one pid after each other.
struct SpoolProcess {
  uint64_t pid = 0;
  std::vector<SpoolProgram> programs;
};

struct SpoolDirectory {
  std::vector<SpoolProcess> processes;  // by pid, then by age
  size_t root = 0;                      // which no other has forked
};

// Reads which files there are, and the first words of each thread's. Files of
// other names, and programs of which no thread wrote a word, are left out.
//
// Errors: InvalidArgument, `FILE:OFFSET: what`, for a directory that cannot be
// read, a thread file that does not begin as one, a program without blocks or
// without the thread that it began with, and for a spool that does not have
// exactly one process that none has forked.
absl::StatusOr<SpoolDirectory> ReadSpoolDirectory(const std::string& directory);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_SPOOL_DIRECTORY_H_
