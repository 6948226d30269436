#ifndef XMMU_LIB_WORKLOAD_QEMU_SPOOL_FACTS_H_
#define XMMU_LIB_WORKLOAD_QEMU_SPOOL_FACTS_H_

#include <cstdint>

namespace xmmu {

// What a conversion has read, and what it has left out.
struct SpoolCounts {
  uint64_t processes = 0;  // with files
  uint64_t programs = 0;
  uint64_t threads = 0;  // beside the first of each program
  uint64_t instructions = 0;
  uint64_t accesses = 0;  // by instructions, as written by the plug-in
  uint64_t calls = 0;
  // Accesses, and fetched instructions, to what is not mapped, or not with that
  // right: the guest's kernel would have raised a signal.
  uint64_t unmapped = 0;
  // Blocks executed that a program could not write any more.
  uint64_t lost_blocks = 0;
  // Accesses that no instruction of the block before them made: QEMU's own, as
  // it delivers a signal.
  uint64_t strays = 0;
  // Calls that succeeded, and Linux refuses by what is known to be mapped.
  uint64_t refused = 0;
  // Mappings where another one was still known, which was unmapped first.
  uint64_t overlaps = 0;
  // Children of which there are no files: killed before their first word.
  uint64_t without_files = 0;
  // Processes, and programs of a process, that nothing in the recording started:
  // their parents, or the programs before them, were kept from writing.
  uint64_t unnamed_processes = 0;
  uint64_t unnamed_programs = 0;
  // Threads that no clone in the recording named, which are left out.
  uint64_t unnamed_threads = 0;
};

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_QEMU_SPOOL_FACTS_H_
