#ifndef XMMU_LIB_WORKLOAD_LINUX_TEXT_PROCESS_TREE_H_
#define XMMU_LIB_WORKLOAD_LINUX_TEXT_PROCESS_TREE_H_

// Which processes a text of Linux's events tells of, found in one pass: Linux
// marks neither threads nor what ran before the trace began.
//
// A fork's child is a process or a thread by the best of what the text has:
//   1. the flags of the clone or vfork that is under way (sys_enter_*);
//   2. the thread group that lines show (record-tgid, perf's PID/TID);
//   3. with `xen:` events: a process has tables of its own, so its parent has
//      announced some or pinned a root since it was last in user mode
//      (dup_mmap: Linux, kernel/fork.c; xen_enter_mmap, arch/x86/xen/mmu_pv.c).
//      A child without, which execs under its own id, is one of vfork(2);
//   4. else it is a process, and counted as one of which that is assumed.
//
// Plain values once built; any thread.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/statusor.h"
#include "workload/linux_text/linux_event.h"
#include "workload/linux_text/text_event.h"
#include "workload/linux_text/text_reader.h"
#include "xmmu/workload/workload.h"

namespace xmmu {

// What a fork of the text created.
struct TextBirth {
  uint64_t line = 0;  // of the fork
  uint32_t pid = 0;   // of the child
  // The child's task, or 0 for a thread of its parent's process.
  TaskId task = 0;
  bool suspends = false;  // vfork(2)
};

// A process that was there before the trace began.
struct TextRoot {
  TaskId task = 0;
  std::vector<uint32_t> pids;  // its threads
};

struct ProcessTree {
  std::vector<TextRoot> roots;    // in order of appearance
  std::vector<TextBirth> births;  // by line
  std::string command;            // the first program that is executed
  TextRendering rendering = TextRendering::kFtrace;
  bool seconds = false;        // of the clock
  uint64_t events = 0;         // lines with one
  uint64_t lost = 0;           // events that the text says are missing
  uint64_t assumed_forks = 0;  // children that may be threads
  uint64_t unended = 0;        // processes that run on at the end
  uint64_t others = 0;         // threads that only come and go
  absl::btree_map<std::string, uint64_t> by_name;  // events

  // The birth of that line, or nullptr.
  const TextBirth* BirthAt(uint64_t line) const;
};

// Reads the whole text.
//
// Errors: InvalidArgument, `FILE:LINE: what`: those of TextReader, and for a
// damaged line of an event that the workload or the counts of `xen:` events
// need; if no event is of a process's memory.
absl::StatusOr<ProcessTree> ReadProcessTree(const std::string& path);

}  // namespace xmmu

#endif  // XMMU_LIB_WORKLOAD_LINUX_TEXT_PROCESS_TREE_H_
